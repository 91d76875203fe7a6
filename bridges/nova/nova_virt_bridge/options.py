"""The bridge's options: the group ``[nova_virt]`` of nova.conf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oslo_config import cfg

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP: Final = "nova_virt"

OPTIONS: Final[Sequence[cfg.Opt]] = (
    cfg.StrOpt("profile", help="Name of a profile of nova-virt-api that describes the endpoint; for the same driver."),
    cfg.MultiStrOpt(
        "options",
        default=[],
        secret=True,
        help="An option of the endpoint's driver as key=value, e.g. uri=qemu:///system. May be given several times, and"
        " wins over the profile. `nova-virt driver show NAME` lists them. A secret is best given as a reference, e.g."
        " password={file: /etc/nova/vcenter}.",
    ),
    cfg.StrOpt(
        "owner",
        default="nova",
        help="Name that guests are marked with; nova-compute sees and changes only those. An endpoint belongs to one"
        " nova-compute, unless options of its driver give each a part of the nodes, as those of ironic do.",
    ),
    cfg.StrOpt(
        "cache_dir", default="$state_path/nova-virt/cache", help="Where fetched images are kept, with mode 0700."
    ),
    cfg.StrOpt(
        "state_dir",
        default="$state_path/nova-virt/state",
        help="Where a driver whose hypervisor has no store of its own keeps its state, with mode 0700.",
    ),
    cfg.StrOpt(
        "share_dir",
        help="Directory below which nova-compute mounts Manila's NFS shares for guests. The endpoint has to be on this"
        " machine and to allow it (libvirt: option share_directories). Unset: guests get no shares.",
    ),
    cfg.StrOpt("pool", help="Storage pool for guests' disks. Unset: the endpoint's only one, or the driver's choice."),
    cfg.DictOpt(
        "networks",
        default={},
        help="The endpoint's networks by those of Neutron, e.g. private:br-int,public:br-ex. A Neutron network is named"
        " by its name, id or physical network. One that is not listed is looked for under its own name; where the"
        " endpoint has a single network, that is taken.",
    ),
    cfg.BoolOpt(
        "os_vif",
        default=False,
        help="Let the endpoint's driver make Neutron's ports on its host with os-vif, as Nova's libvirt driver does;"
        " the option networks means nothing then. The endpoint has to be on this machine. Existing guests keep their"
        " interfaces until they are moved.",
    ),
    cfg.StrOpt(
        "vif_plugged",
        default="before_start",
        choices=[
            ("before_start", "a guest that is made is not started before Neutron has plugged its ports"),
            ("after_start", "the hypervisor plugs them when the guest starts; wait after that"),
        ],
        help="When to wait for Neutron's event network-vif-plugged. How long, and whether it is an error if it does not"
        " come, say vif_plugging_timeout and vif_plugging_is_fatal.",
    ),
    cfg.IntOpt(
        "spawn_timeout",
        default=7200,
        min=1,
        help="Seconds after which making, rebuilding, rescuing, copying or removing a guest is given up: all that"
        " copies or wipes disks.",
    ),
    cfg.IntOpt(
        "verb_timeout",
        default=1800,
        min=1,
        help="Seconds after which any other action on a guest is given up, such as starting it; beside the time that a"
        " guest is given to stop by itself.",
    ),
    cfg.StrOpt(
        "node_uuids",
        default="auto",
        choices=[
            ("auto", "a virtual endpoint's only node keeps Nova's uuid, also when others come; all others as endpoint"),
            ("nova", "the only node has the uuid of Nova's file compute_id"),
            ("endpoint", "a node's own id if that is a uuid, else one made of it and of Nova's file compute_id"),
        ],
        help="Where the uuids of compute nodes come from. Must not change in the life of a nova-compute service.",
    ),
)


def register(config: Any) -> None:
    """Make the options known to Nova's configuration. Idempotent."""
    config.register_opts(list(OPTIONS), group=GROUP)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """What ``oslo.config.opts`` publishes."""
    return [(GROUP, list(OPTIONS))]
