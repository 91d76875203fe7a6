"""What libvirtd answers when it refuses something; the relay says it in its stead, to see what becomes of it."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import libvirt

from nova_virt_api.errors import Busy, NetworkError, NoCapacity, StorageError, Timeout, VirtError, VolumeError

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER: Final = struct.Struct(">IIIIII")
"""Program, version, procedure, type, serial and status of a packet."""

REPLY: Final = 1
ERROR: Final = 1
LEVEL_ERROR: Final = 2

# Procedures of libvirt's remote protocol; their numbers never change.
DOMAIN_CREATE: Final = frozenset({9, 196})
DOMAIN_DEFINE: Final = frozenset({11, 350})
DOMAIN_DESTROY: Final = frozenset({12, 234})
DOMAIN_RESUME: Final = frozenset({28})
DOMAIN_SUSPEND: Final = frozenset({34})
DOMAIN_MANAGED_SAVE: Final = frozenset({182})
DOMAIN_UPDATE: Final = frozenset({264, 358})
"""Writing metadata, and renaming."""

DOMAIN_SET_METADATA: Final = frozenset({264})
AUTH_LIST: Final = frozenset({66})
VOLUME_CREATE: Final = frozenset({93})
VOLUME_DELETE: Final = frozenset({94})
VOLUME_DOWNLOAD: Final = frozenset({209})
VOLUME_RESIZE: Final = frozenset({260})
VOLUME_COPY: Final = frozenset({125})
DOMAIN_JOB_INFO: Final = frozenset({163})
DEVICE_ATTACH: Final = frozenset({160})
DEVICE_DETACH: Final = frozenset({161})
BLOCK_RESIZE: Final = frozenset({251})
BLOCK_COPY: Final = frozenset({345})
BLOCK_COMMIT: Final = frozenset({290})
SET_VCPUS: Final = frozenset({199})
INJECT_NMI: Final = frozenset({210})
FREEZE: Final = frozenset({335})
THAW: Final = frozenset({336})
SET_USER_PASSWORD: Final = frozenset({357})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error that certain requests are answered with.

    Args:
        procedures: which requests.
        code: a ``virErrorNumber``.
        part: the part of libvirt that it comes from, a ``virErrorDomain``.
        text: libvirt's own words.
        system: the system's error number, if it was one.
        about: only requests that contain this.
    """

    procedures: frozenset[int]
    code: int
    part: int = libvirt.VIR_FROM_QEMU
    text: str
    system: int = -1
    about: bytes = b""

    def meets(self, request: bytes) -> bool:
        """Whether it is meant for a request, given without the length in front."""
        procedure = HEADER.unpack_from(request)[2]
        return procedure in self.procedures and self.about in request

    def answer(self, request: bytes) -> bytes:
        """The packet that refuses a request, with its length in front."""
        program, version, procedure, _, serial, _ = HEADER.unpack_from(request)
        body = HEADER.pack(program, version, procedure, REPLY, serial, ERROR) + self._error()
        return struct.pack(">I", len(body) + 4) + body

    def _error(self) -> bytes:
        """A ``virNetMessageError`` in XDR (RFC 4506): what may be left out has a flag in front."""
        text = self.text.encode()
        padded = text + bytes(-len(text) % 4)
        return (
            struct.pack(">iiII", self.code, self.part, 1, len(text))
            + padded
            + struct.pack(">iIIIIiiI", LEVEL_ERROR, 0, 0, 0, 0, self.system, -1, 0)
        )


def busy(procedures: frozenset[int]) -> Refusal:
    """Another job on the guest holds its lock; libvirt gives up after half a minute."""
    held = "cannot acquire state change lock (held by monitor=remoteDispatchDomainBlockJobAbort)"
    text = f"Timed out during operation: {held}"
    return Refusal(procedures=procedures, code=libvirt.VIR_ERR_OPERATION_TIMEOUT, text=text)


def broken_storage(procedures: frozenset[int], about: bytes = b"") -> Refusal:
    """The storage fails."""
    text = "cannot open volume: Input/output error"
    code, part = libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_STORAGE
    return Refusal(procedures=procedures, code=code, part=part, text=text, system=errno.EIO, about=about)


def full_storage(procedures: frozenset[int], about: bytes = b"") -> Refusal:
    """The storage is full."""
    text = "cannot create the volume: No space left on device"
    code, part = libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_STORAGE
    return Refusal(procedures=procedures, code=code, part=part, text=text, system=errno.ENOSPC, about=about)


def out_of_memory(procedures: frozenset[int]) -> Refusal:
    """QEMU gets no memory for the guest."""
    text = (
        "internal error: process exited while connecting to monitor: "
        "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory"
    )
    return Refusal(procedures=procedures, code=libvirt.VIR_ERR_INTERNAL_ERROR, text=text)


def no_memory_for_cpu(procedures: frozenset[int]) -> Refusal:
    """QEMU gets no memory for another virtual CPU."""
    text = "internal error: unable to execute QEMU command 'device_add': kvm_init_vcpu failed: Cannot allocate memory"
    return Refusal(procedures=procedures, code=libvirt.VIR_ERR_INTERNAL_ERROR, text=text)


def unwilling(procedures: frozenset[int]) -> Refusal:
    """The guest does not give a virtual CPU back."""
    text = (
        "Timed out during operation: vcpu unplug request timed out. "
        "Unplug result must be manually inspected in the domain"
    )
    return Refusal(procedures=procedures, code=libvirt.VIR_ERR_OPERATION_TIMEOUT, text=text)


def busy_pool(procedures: frozenset[int]) -> Refusal:
    """Something else is going on in the pool."""
    text = "internal error: pool 'nova-virt' has asynchronous jobs running."
    return Refusal(
        procedures=procedures,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        part=libvirt.VIR_FROM_STORAGE,
        text=text,
        about=b"nova-virt-maintenance",
    )


def unreachable(procedures: frozenset[int]) -> Refusal:
    """QEMU cannot connect to a volume's server."""
    text = (
        "internal error: unable to execute QEMU command 'blockdev-add': "
        "iSCSI: Failed to connect to LUN : Failed to connect to iSCSI socket"
    )
    return Refusal(procedures=procedures, code=libvirt.VIR_ERR_INTERNAL_ERROR, text=text)


DISK: Final = b".disk0"

SCRATCH: Final = b".scratch"
CLAIM_ON_BACKUPS: Final = b".backup.claim"

REFUSALS: Final[Mapping[tuple[str, type[VirtError]], Refusal]] = {
    ("Backup.abort_backup", StorageError): broken_storage(VOLUME_DELETE, SCRATCH),
    ("Backup.begin_backup", NoCapacity): full_storage(VOLUME_CREATE, SCRATCH),
    ("Backup.finish_backup", Busy): busy(DOMAIN_SET_METADATA),
    ("Backup.finish_backup", StorageError): broken_storage(VOLUME_DELETE, SCRATCH),
    ("Backup.forget_backup_point", StorageError): broken_storage(VOLUME_CREATE, CLAIM_ON_BACKUPS),
    ("Checkpoint.create_checkpoint", Busy): busy(DOMAIN_DEFINE),
    ("Checkpoint.create_checkpoint", NoCapacity): full_storage(VOLUME_CREATE, DISK),
    ("Checkpoint.create_checkpoint", StorageError): broken_storage(VOLUME_CREATE, DISK),
    ("Checkpoint.delete_checkpoint", Busy): busy(DOMAIN_SET_METADATA),
    ("Checkpoint.delete_checkpoint", NoCapacity): full_storage(BLOCK_COMMIT),
    ("Checkpoint.delete_checkpoint", StorageError): broken_storage(BLOCK_COMMIT),
    ("Checkpoint.revert_to_checkpoint", Busy): busy(DOMAIN_DESTROY),
    ("Checkpoint.revert_to_checkpoint", NoCapacity): full_storage(VOLUME_CREATE, DISK),
    ("Checkpoint.revert_to_checkpoint", StorageError): broken_storage(VOLUME_CREATE, DISK),
    ("Clone.clone", Busy): Refusal(
        procedures=VOLUME_COPY,
        code=libvirt.VIR_ERR_OPERATION_INVALID,
        part=libvirt.VIR_FROM_STORAGE,
        text="Requested operation is not valid: volume 'disk0.qcow2' is still in use.",
    ),
    ("Clone.clone", NoCapacity): full_storage(VOLUME_COPY),
    ("Clone.clone", StorageError): broken_storage(VOLUME_COPY),
    ("CrashDump.trigger_crash_dump", Busy): busy(INJECT_NMI),
    ("Driver.destroy", StorageError): broken_storage(VOLUME_DELETE, DISK),
    ("Driver.power_off", Busy): busy(DOMAIN_DESTROY),
    ("Driver.power_on", Busy): busy(DOMAIN_CREATE),
    ("Driver.power_on", NoCapacity): out_of_memory(DOMAIN_CREATE),
    ("Driver.reboot", Busy): busy(DOMAIN_DESTROY),
    ("Driver.spawn", NetworkError): Refusal(
        procedures=DOMAIN_CREATE,
        code=libvirt.VIR_ERR_OPERATION_INVALID,
        part=libvirt.VIR_FROM_NETWORK,
        text="Requested operation is not valid: network 'default' is not active",
    ),
    ("Driver.spawn", NoCapacity): Refusal(
        procedures=VOLUME_CREATE,
        code=libvirt.VIR_ERR_SYSTEM_ERROR,
        part=libvirt.VIR_FROM_STORAGE,
        text="cannot create the volume: No space left on device",
        system=errno.ENOSPC,
        about=DISK,
    ),
    ("Driver.spawn", StorageError): broken_storage(VOLUME_CREATE, DISK),
    ("StorageVolumes.create_volume", Busy): busy(VOLUME_CREATE),
    ("StorageVolumes.create_volume", NoCapacity): full_storage(VOLUME_CREATE, b".raw</name>"),
    ("StorageVolumes.create_volume", StorageError): broken_storage(VOLUME_CREATE, b".raw</name>"),
    ("StorageVolumes.delete_volume", StorageError): broken_storage(VOLUME_DELETE, b".raw"),
    ("StorageVolumes.download_volume", NoCapacity): full_storage(VOLUME_DOWNLOAD, b".raw"),
    ("StorageVolumes.download_volume", StorageError): broken_storage(VOLUME_DOWNLOAD, b".raw"),
    ("StorageVolumes.resize_volume", NoCapacity): full_storage(VOLUME_RESIZE),
    ("StorageVolumes.resize_volume", StorageError): broken_storage(VOLUME_RESIZE),
    ("StorageVolumes.upload_volume", Busy): busy(VOLUME_CREATE),
    ("StorageVolumes.upload_volume", NoCapacity): full_storage(VOLUME_CREATE, b".raw</name>"),
    ("StorageVolumes.upload_volume", StorageError): broken_storage(VOLUME_CREATE, b".raw</name>"),
    ("ImageCache.prefetch_image", Busy): busy(VOLUME_CREATE),
    ("ImageCache.prefetch_image", NoCapacity): full_storage(VOLUME_CREATE),
    ("ImageCache.prefetch_image", StorageError): broken_storage(VOLUME_CREATE),
    ("ImageCache.prune_images", StorageError): broken_storage(VOLUME_DELETE, b".raw"),
    ("Driver.update", Busy): busy(DOMAIN_UPDATE),
    ("Adopt.adopt", Busy): busy(DOMAIN_SET_METADATA),
    ("Adopt.release", Busy): busy(DOMAIN_SET_METADATA),
    ("HostControl.enter_maintenance", Busy): busy_pool(VOLUME_CREATE),
    ("HostControl.leave_maintenance", Busy): busy_pool(VOLUME_DELETE),
    ("Rebuild.rebuild", Busy): busy(DOMAIN_DESTROY),
    ("Rebuild.rebuild", NoCapacity): out_of_memory(DOMAIN_CREATE),
    ("Rebuild.rebuild", StorageError): broken_storage(VOLUME_CREATE, DISK),
    ("Resize.confirm_resize", Busy): busy(DOMAIN_SET_METADATA),
    ("Resize.finish_resize", Busy): busy(DOMAIN_DEFINE),
    ("Resize.finish_resize", StorageError): broken_storage(VOLUME_CREATE, DISK),
    ("Resize.prepare_resize", Busy): busy(DOMAIN_SET_METADATA),
    ("Resize.resize", Busy): busy(DOMAIN_DEFINE),
    ("Resize.resize", StorageError): broken_storage(VOLUME_CREATE, DISK),
    ("Resize.resize_live", Busy): busy(SET_VCPUS),
    ("Resize.resize_live", NoCapacity): no_memory_for_cpu(SET_VCPUS),
    ("Resize.resize_live", Timeout): unwilling(SET_VCPUS),
    ("Resize.revert_resize", Busy): busy(DOMAIN_DEFINE),
    ("Resize.revert_resize", NoCapacity): out_of_memory(DOMAIN_CREATE),
    ("Rescue.rescue", Busy): busy(DOMAIN_DESTROY),
    ("Rescue.rescue", NoCapacity): out_of_memory(DOMAIN_CREATE),
    ("Rescue.unrescue", Busy): busy(DOMAIN_DESTROY),
    ("Rescue.unrescue", NoCapacity): out_of_memory(DOMAIN_CREATE),
    ("Guest.quiesce", Busy): busy(FREEZE),
    ("Guest.set_password", Busy): busy(SET_USER_PASSWORD),
    ("Guest.unquiesce", Busy): busy(THAW),
    ("LiveMigration.check_source", Busy): busy(DOMAIN_JOB_INFO),
    ("LiveMigration.finish_destination", Busy): busy(DOMAIN_SET_METADATA),
    ("LiveMigration.finish_source", StorageError): broken_storage(VOLUME_DELETE, DISK),
    ("LiveMigration.prepare", StorageError): broken_storage(VOLUME_CREATE, DISK),
    ("LiveMigration.rollback_destination", StorageError): broken_storage(VOLUME_DELETE, DISK),
    ("LiveMigration.migrate", Busy): busy(DOMAIN_SET_METADATA),
    ("LiveMigration.prepare", NoCapacity): full_storage(VOLUME_CREATE, DISK),
    ("Interfaces.attach_interface", Busy): busy(DEVICE_ATTACH),
    ("Interfaces.attach_interface", NetworkError): Refusal(
        procedures=DEVICE_ATTACH,
        code=libvirt.VIR_ERR_OPERATION_INVALID,
        part=libvirt.VIR_FROM_NETWORK,
        text="Requested operation is not valid: network 'default' is not active",
    ),
    ("Interfaces.attach_interface", NoCapacity): Refusal(
        procedures=DEVICE_ATTACH,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        part=libvirt.VIR_FROM_DOMAIN,
        text="internal error: No more available PCI slots",
    ),
    ("Interfaces.detach_interface", Busy): busy(DEVICE_DETACH),
    ("Interfaces.detach_interface", NetworkError): Refusal(
        procedures=DEVICE_DETACH,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        text="internal error: unable to remove the interface from the bridge 'virbr0'",
    ),
    ("Shares.attach_share", Busy): busy(DEVICE_ATTACH),
    ("Shares.attach_share", NoCapacity): Refusal(
        procedures=DEVICE_ATTACH,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        part=libvirt.VIR_FROM_DOMAIN,
        text="internal error: No more available PCI slots",
    ),
    ("Shares.attach_share", StorageError): Refusal(
        procedures=DEVICE_ATTACH,
        code=libvirt.VIR_ERR_OPERATION_FAILED,
        text="operation failed: virtiofsd died unexpectedly",
    ),
    ("Shares.detach_share", Busy): busy(DEVICE_DETACH),
    ("Shares.detach_share", StorageError): Refusal(
        procedures=DEVICE_DETACH,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        text="internal error: unable to execute QEMU command 'device_del': Bus does not support hotplugging",
    ),
    ("Volumes.attach_volume", Busy): busy(DEVICE_ATTACH),
    ("Volumes.attach_volume", NoCapacity): Refusal(
        procedures=DEVICE_ATTACH,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        part=libvirt.VIR_FROM_DOMAIN,
        text="internal error: No more available PCI slots",
    ),
    ("Volumes.attach_volume", VolumeError): unreachable(DEVICE_ATTACH),
    ("Volumes.detach_volume", Busy): busy(DEVICE_DETACH),
    ("Volumes.detach_volume", VolumeError): Refusal(
        procedures=DEVICE_DETACH,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        text="internal error: unable to execute QEMU command 'device_del': Bus does not support hotplugging",
    ),
    ("Volumes.extend_volume", Busy): busy(BLOCK_RESIZE),
    ("Volumes.extend_volume", VolumeError): Refusal(
        procedures=BLOCK_RESIZE,
        code=libvirt.VIR_ERR_INTERNAL_ERROR,
        text="internal error: unable to execute QEMU command 'block_resize': Cannot grow device files",
    ),
    ("Volumes.swap_volume", Busy): busy(BLOCK_COPY),
    ("Volumes.swap_volume", VolumeError): unreachable(BLOCK_COPY),
    ("Pause.pause", Busy): busy(DOMAIN_SUSPEND),
    ("Pause.unpause", Busy): busy(DOMAIN_RESUME),
    ("Snapshot.snapshot", Busy): Refusal(
        procedures=VOLUME_COPY,
        code=libvirt.VIR_ERR_OPERATION_INVALID,
        part=libvirt.VIR_FROM_STORAGE,
        text="Requested operation is not valid: volume 'disk0.qcow2' is still in use.",
    ),
    ("Snapshot.snapshot", NoCapacity): full_storage(VOLUME_COPY),
    ("Snapshot.snapshot", StorageError): broken_storage(VOLUME_COPY),
    ("Suspend.resume", Busy): busy(DOMAIN_CREATE),
    ("Suspend.suspend", Busy): busy(DOMAIN_MANAGED_SAVE),
    ("Suspend.suspend", StorageError): Refusal(
        procedures=DOMAIN_MANAGED_SAVE,
        code=libvirt.VIR_ERR_OPERATION_FAILED,
        text="operation failed: unable to write save image: Input/output error",
    ),
}
"""For each method and error of the contract a refusal that it has to come of."""

CREDENTIALS: Final = Refusal(
    procedures=AUTH_LIST,
    code=libvirt.VIR_ERR_AUTH_FAILED,
    part=libvirt.VIR_FROM_RPC,
    text="authentication failed: access denied by policy",
)
"""An account that the daemon does not serve."""
