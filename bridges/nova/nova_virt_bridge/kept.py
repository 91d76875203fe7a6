"""What of a guest stays as it is when its flavor changes: flavors that want it otherwise are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova import exception

from nova_virt_bridge.demands import WAY_OUT, flavor_words
from nova_virt_bridge.limits import disk_limits
from nova_virt_bridge.machine import firmware_of, machine_of
from nova_virt_bridge.numa import Claimed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import nova_virt_api as virt

CALLED: Final = {
    "firmware": "its firmware",
    "secure_boot": "secure boot",
    "stateless_firmware": "its firmware",
    "tpm": "its TPM",
    "backing": "how its memory is made",
    "watchdog": "its watchdog",
    "screen": "its screen",
    "disk_limits": "how fast its disks are",
}
"""What people call the fields that stay."""

ARRANGED: Final = "how its virtual CPUs are arranged"
ANEW: Final = "make the server anew, e.g. from a snapshot of it"


def refuse_changes(instance: Any, flavor: Any) -> None:
    """Refuse a flavor that asks for what a resize does not change.

    The endpoint changes sizes and keeps the rest of a guest, and Nova would take the new flavor's word for what it is.

    Raises:
        InstanceFaultRollback: it does; Nova leaves the server as it was.
    """
    image = instance.image_meta
    had = set(flavor_words(instance.flavor))
    if unmet := [word for word in flavor_words(flavor) if word not in had]:
        raise refused(f"nova-virt-bridge cannot provide: {', '.join(unmet)}; {WAY_OUT}")
    before, after = settings(instance.flavor, image), settings(flavor, image)
    changed = {CALLED[name] for name in CALLED if before[name] != after[name]}
    if not stays_arranged(before["cpu"], after["cpu"], flavor.vcpus):
        changed.add(ARRANGED)
    if changed:
        what = ", ".join(sorted(changed))
        raise refused(f"a resize does not change {what}; choose a flavor that asks for the same, or {ANEW}")


def settings(flavor: Any, image: Any) -> Mapping[str, Any]:
    """What a flavor asks for beside sizes and interfaces."""
    limits = {"disk_limits": disk_limits(flavor.get("extra_specs", {}))}
    return firmware_of(flavor, image) | machine_of(flavor, image, Claimed()) | limits


def stays_arranged(before: virt.Cpu | None, after: virt.Cpu | None, vcpus: int) -> bool:
    """Whether virtual CPUs are arranged as they were, but for the number of sockets."""
    if before is None or before.topology is None or after is None or after.topology is None:
        return before == after
    old, new = before.topology, after.topology
    return (old.cores, old.threads) == (new.cores, new.threads) and vcpus % (old.cores * old.threads) == 0


def refused(reason: str) -> exception.NovaException:
    """The error that lets Nova leave the server as it was."""
    rollback: exception.NovaException = exception.InstanceFaultRollback(exception.ResizeError(reason=reason))
    return rollback
