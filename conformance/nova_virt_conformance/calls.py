"""How each of the contract's verbs is called in the simplest way; what it needs beside the guest, the lab has."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid5

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import InstanceNotFound, InvalidState, NotSupported, PermissionDenied, VirtError
from nova_virt_api.model.backup import BackupPoint
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind
from nova_virt_api.model.image import LocalTarget
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import AttachedVolume, Volume
from nova_virt_api.model.volume_connection import IscsiVolume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.checkpoint import CheckpointInfo
    from nova_virt_api.model.diagnostics import Diagnosis
    from nova_virt_api.model.interface import Interface
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_conformance.lab import Lab

GRACE: Final = 0.2
"""Seconds; blank guests do not obey, so more would only be waited for."""

CHECKPOINT: Final = "conformance"
NO_POINT: Final = "conformance-no-such-point"
LARGER: Final = Size(vcpus=2)
LABELS: Final = {"conformance": "changed"}
NO_VOLUME: Final = "conformance-no-such-volume"
NO_SHARE: Final = "conformance-no-such-share"
NOWHERE_SHARED: Final = Share(tag=NO_SHARE, source=HostDirectory(path="/conformance-no-such-directory"))
UNREACHABLE: Final = Volume(
    id=NO_VOLUME, connection=IscsiVolume(portal="192.0.2.1:3260", iqn="iqn.2001-04.com.example:conformance")
)
GROWN: Final = MiB(32)
"""No volume of a rig's is larger."""

NO_INTERFACE: Final = "conformance-no-such-interface"
RESCUE_PASSWORD: Final = "conformance-rescue-4711"  # noqa: S105 - it opens nothing


def power_on(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Start it."""
    compute.power_on(guest, timeout=lab.patience)


def power_off_hard(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Cut its power."""
    compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)


def power_off_graceful(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Ask it to stop."""
    compute.power_off(guest, mode=PowerOff.GRACEFUL, grace_seconds=GRACE, timeout=lab.patience)


def reboot_hard(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Cut its power and start it."""
    compute.reboot(guest, mode=PowerOff.HARD, timeout=lab.patience)


def reboot_graceful(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Ask it to stop, and start it."""
    compute.reboot(guest, mode=PowerOff.GRACEFUL, grace_seconds=GRACE, timeout=lab.patience)


def pause(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Stop its CPUs."""
    compute.pause(guest, timeout=lab.patience)


def unpause(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Let its CPUs go on."""
    compute.unpause(guest, timeout=lab.patience)


def suspend(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Save its memory."""
    compute.suspend(guest, timeout=lab.patience)


def resume(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Restore its memory."""
    compute.resume(guest, timeout=lab.patience)


def snapshot(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Write its disk to a file."""
    compute.snapshot(guest, LocalTarget(lab.directory / f"{guest.uuid}.qcow2"), timeout=lab.patience)


def clone(compute: Compute, guest: Instance, lab: Lab) -> Instance:
    """Make a copy of it, always the same."""
    return compute.clone(guest, copy_of(guest), timeout=lab.patience)


def copy_of(guest: Instance, **fields: Any) -> CloneSpec:
    """A copy of a guest that is not started; the same each time, but for what is to be different."""
    new = uuid5(guest.uuid, "copy")
    standard: dict[str, Any] = {"uuid": new, "name": f"conformance-{new.hex[:12]}", "power_on": False}
    return CloneSpec(**(standard | fields))


def checkpoints(compute: Compute, guest: Instance, _: Lab) -> Sequence[CheckpointInfo]:
    """Look at its checkpoints."""
    return compute.checkpoints(guest)


def create_checkpoint(compute: Compute, guest: Instance, lab: Lab) -> CheckpointInfo:
    """Keep what its disks hold."""
    return compute.create_checkpoint(guest, CHECKPOINT, timeout=lab.patience)


def revert_to_checkpoint(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Bring back what its disks held, once there is something to bring back."""
    with suppress(VirtError):
        create_checkpoint(compute, guest, lab)
    compute.revert_to_checkpoint(guest, CHECKPOINT, timeout=lab.patience)


def delete_checkpoint(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Forget what its disks held."""
    compute.delete_checkpoint(guest, CHECKPOINT, timeout=lab.patience)


def back_up(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Begin a backup of it, and end it as if it were of no use."""
    compute.abort_backup(compute.begin_backup(guest, timeout=lab.patience), timeout=lab.patience)


def backup_points(compute: Compute, guest: Instance, _: Lab) -> Sequence[BackupPoint]:
    """Look at its backup points."""
    return compute.backup_points(guest)


def forget_backup_point(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Forget a backup point that it never had."""
    compute.forget_backup_point(guest, BackupPoint(NO_POINT), timeout=lab.patience)


def rename(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Give it another name."""
    compute.update(guest, InstanceUpdate(name=new_name(guest)), timeout=lab.patience)


def relabel(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Give it other labels."""
    compute.update(guest, InstanceUpdate(labels=LABELS), timeout=lab.patience)


def console(compute: Compute, guest: Instance, _: Lab) -> ConsoleAddress:
    """Ask for the first kind of console that it has."""
    for kind in ConsoleKind:
        try:
            return compute.console(guest, kind)
        except NotSupported as error:
            missing = error
    raise missing


def console_log(compute: Compute, guest: Instance, _: Lab) -> bytes:
    """Read what it printed."""
    return compute.console_log(guest)


def rebuild(compute: Compute, guest: Instance, lab: Lab) -> Instance:
    """Write its boot disk anew."""
    source = lab.image() if lab.compute.capabilities().has(Capability.REBUILD) else None
    return compute.rebuild(guest, source=source, timeout=lab.patience)


def resize(compute: Compute, guest: Instance, lab: Lab) -> Instance:
    """Give it one more CPU."""
    return compute.resize(guest, LARGER, timeout=lab.patience)


def resize_live(compute: Compute, guest: Instance, lab: Lab) -> Instance:
    """Give it the CPUs that it has, which every guest can be given while it runs."""
    return compute.resize_live(guest, Size(vcpus=guest.vcpus), timeout=lab.patience)


def prepare_resize(compute: Compute, guest: Instance, lab: Lab) -> Ticket:
    """Get it ready to be fetched."""
    return compute.prepare_resize(guest, LARGER, timeout=lab.patience)


def confirm_resize(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Keep its new size."""
    compute.confirm_resize(guest, timeout=lab.patience)


def revert_resize(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Give it its old size."""
    compute.revert_resize(guest, timeout=lab.patience)


def rescue(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Start a rescue system in its place."""
    compute.rescue(guest, **rescue_options(lab), timeout=lab.patience)


def unrescue(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Let it go back to its own disk."""
    compute.unrescue(guest, timeout=lab.patience)


def rescue_options(lab: Lab) -> dict[str, Any]:
    """All that the endpoint takes for a rescue, so that none that needs something goes without."""
    has = lab.compute.capabilities().has
    options: dict[str, Any] = {"image": lab.image()} if has(Feature.RESCUE_IMAGE) else {}
    if has(Feature.RESCUE_PASSWORD):
        lab.secrets.add([RESCUE_PASSWORD])
        options["password"] = Secret(RESCUE_PASSWORD)
    return options


def interfaces(compute: Compute, guest: Instance, _: Lab) -> Sequence[Interface]:
    """Look at its interfaces."""
    return compute.interfaces(guest)


def attach_interface(compute: Compute, guest: Instance, lab: Lab) -> Interface:
    """Give it one more interface."""
    return compute.attach_interface(guest, lab.rig.new_nic(), timeout=lab.patience)


def detach_interface(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Take its last interface away."""
    attached: Sequence[Interface] = ()
    with suppress(InstanceNotFound):
        attached = compute.interfaces(guest)
    with lab.rig.letting_go(guest.uuid):
        compute.detach_interface(guest, attached[-1] if attached else NO_INTERFACE, timeout=lab.patience)


def see_to_an_interface(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Give it an interface unless it has one."""
    if not compute.interfaces(guest):
        attach_interface(compute, guest, lab)


def volumes(compute: Compute, guest: Instance, _: Lab) -> Sequence[AttachedVolume]:
    """Look at its volumes."""
    return compute.volumes(guest)


def attach_volume(compute: Compute, guest: Instance, lab: Lab) -> AttachedVolume:
    """Let it use one more volume."""
    return compute.attach_volume(guest, another_volume(compute, lab), timeout=lab.patience)


def another_volume(compute: Compute, lab: Lab) -> Volume:
    """A volume that can be attached; where none can be, one of which only the definition is needed."""
    return lab.rig.volume() if compute.capabilities().has(Feature.ATTACH_VOLUMES) else UNREACHABLE


def detach_volume(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Take its last volume away."""
    with lab.rig.letting_go(guest.uuid):
        compute.detach_volume(guest, volume_of(compute, guest, lab), timeout=lab.patience)


def extend_volume(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Let it see its last volume grown to a size."""
    compute.extend_volume(guest, volume_of(compute, guest, lab), GROWN, timeout=lab.patience)


def swap_volume(compute: Compute, guest: Instance, lab: Lab) -> AttachedVolume:
    """Let it use another volume in the place of its last one."""
    return compute.swap_volume(
        guest, volume_of(compute, guest, lab), another_volume(compute, lab), timeout=lab.patience
    )


def see_to_a_volume(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Let it use a volume unless it does."""
    volume_of(compute, guest, lab)


def volume_of(compute: Compute, guest: Instance, lab: Lab) -> AttachedVolume | str:
    """The last of its volumes, one that it is given now if need be; where that cannot be, one that is not there."""
    with suppress(InstanceNotFound, InvalidState, NotSupported, PermissionDenied):  # as the verb itself is going to be
        attached = compute.volumes(guest)
        return attached[-1] if attached else attach_volume(compute, guest, lab)
    return NO_VOLUME


def shares(compute: Compute, guest: Instance, _: Lab) -> Sequence[Share]:
    """Look at what it shares with its host."""
    return compute.shares(guest)


def attach_share(compute: Compute, guest: Instance, lab: Lab) -> Share:
    """Let it use one more directory of its host; where none can be, one of which only the definition is needed."""
    share = lab.rig.share() if compute.capabilities().has(Capability.SHARES) else NOWHERE_SHARED
    compute.attach_share(guest, share, timeout=lab.patience)
    return share


def detach_share(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Take its last share away."""
    attached: Sequence[Share] = ()
    with suppress(InstanceNotFound, NotSupported):
        attached = compute.shares(guest)
    with lab.rig.letting_go(guest.uuid):
        compute.detach_share(guest, attached[-1] if attached else NO_SHARE, timeout=lab.patience)


def see_to_a_share(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Let it use a directory unless it does, or may not now."""
    with suppress(InvalidState):
        if not compute.shares(guest):
            attach_share(compute, guest, lab)


def trigger_crash_dump(compute: Compute, guest: Instance, lab: Lab) -> None:
    """Interrupt it."""
    compute.trigger_crash_dump(guest, timeout=lab.patience)


def diagnostics(compute: Compute, guest: Instance, _: Lab) -> Diagnosis:
    """Look closer at it."""
    return compute.diagnostics(guest)


def new_name(guest: Instance) -> str:
    """Another name for a guest; the same each time, whether it has it already or not."""
    return f"{guest.name.removesuffix('-renamed')}-renamed"
