"""The options that every endpoint has, whatever its driver."""

from typing import Final

from oslo_config import cfg, types

from nova_virt_api.driver.endpoint import Manage

GROUP: Final = "nova_virt"
"""Where these options are in a program's own configuration; a driver's own are in the group named after it."""

DEFAULT_OWNER: Final = "nova-virt"
"""The same for every user and machine, so that whoever connects again finds the guests."""

COMMON: Final = (
    cfg.Opt(
        "owner",
        type=types.String(regex=r"\A[A-Za-z0-9][A-Za-z0-9._@-]*\Z", max_length=63),
        default=DEFAULT_OWNER,
        help="Name that guests are marked with when they are made; only guests with this mark are changed. Give every "
        "program that manages guests of its own at the same endpoint a name of its own.",
    ),
    cfg.StrOpt(
        "manage",
        choices=[mode.value for mode in Manage],
        default=Manage.OWNED.value,
        help="Which guests may be changed: those of the owner, or all that the account may change (no marks are made).",
    ),
    cfg.StrOpt("cache_dir", help="Directory of fetched images, ~/.cache/nova-virt if not given. Made with mode 0700."),
    cfg.StrOpt(
        "state_dir",
        help="Directory for what a hypervisor without a store of its own cannot keep, ~/.local/state/nova-virt if not "
        "given. Made with mode 0700.",
    ),
)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For the entry-point group ``oslo.config.opts``, which ``oslo-config-generator`` and documentation read."""
    return [(GROUP, list(COMMON))]
