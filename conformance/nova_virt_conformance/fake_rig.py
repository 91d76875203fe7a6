"""The rig of the reference driver: a world in memory, seen and handled through its own back door."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from nova_virt_api.capability import Feature
from nova_virt_api.compute.connect import connect
from nova_virt_api.errors import (
    AuthenticationFailed,
    Busy,
    ImageNotFound,
    ImageRejected,
    InstanceNotFound,
    InvalidState,
    NetworkError,
    NoCapacity,
    StateAfter,
    StorageError,
    Timeout,
    Unavailable,
    VirtError,
    VolumeError,
)
from nova_virt_api.fake.seed import source_of
from nova_virt_api.fake.shares import ALLOWED, MISSING, shown
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.worlds import forget
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.image import BackendUrl, Checksum
from nova_virt_api.model.instance import Condition, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.nic_binding import BridgePort, OpaquePort, OvsPort
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import FileVolume, IscsiVolume, NbdVolume, NfsVolume, RbdVolume
from nova_virt_conformance.fake_hardware import hard_disk, machine_of, network_card, told_device, volume_disk
from nova_virt_conformance.hardware import Hardware
from nova_virt_conformance.image_files import QCOW2
from nova_virt_conformance.image_server import serving
from nova_virt_conformance.inside import Inside
from nova_virt_conformance.outcome import NotVerified
from nova_virt_conformance.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from uuid import UUID

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.fake.outside import Outside
    from nova_virt_api.fake.switches import Switches
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.nic_binding import NicBinding
    from nova_virt_conformance.target import Target


STEPS: Final[dict[object, Step]] = {
    ("Driver.spawn", ImageNotFound): Step.SPAWN_IMAGE,
    ("Driver.spawn", ImageRejected): Step.SPAWN_IMAGE,
    ("Driver.spawn", NetworkError): Step.SPAWN_PORT,
    ("Driver.spawn", NoCapacity): Step.SPAWN_START,
    ("Driver.spawn", StorageError): Step.SPAWN_DISK,
    ("Rebuild.rebuild", ImageNotFound): Step.REBUILD_IMAGE,
    ("Rebuild.rebuild", ImageRejected): Step.REBUILD_IMAGE,
    ("Rebuild.rebuild", StorageError): Step.REBUILD_WRITE,
    "Adopt.adopt": Step.ADOPT,
    "Adopt.check_adoptable": Step.READ,
    "Adopt.release": Step.RELEASE,
    "Backup.abort_backup": Step.ABORT_BACKUP,
    "Backup.backup_extents": Step.READ,
    "Backup.begin_backup": Step.BEGIN_BACKUP,
    "Backup.finish_backup": Step.FINISH_BACKUP,
    "Backup.forget_backup_point": Step.FORGET_BACKUP_POINT,
    "Backup.read_backup": Step.READ,
    "Clone.clone": Step.CLONE_DISK,
    "Checkpoint.create_checkpoint": Step.CREATE_CHECKPOINT,
    "Checkpoint.delete_checkpoint": Step.DELETE_CHECKPOINT,
    "Checkpoint.revert_to_checkpoint": Step.REVERT_TO_CHECKPOINT,
    "CrashDump.trigger_crash_dump": Step.CRASH_DUMP,
    "Driver.destroy": Step.DESTROY_DISK,
    "Driver.power_off": Step.POWER_OFF,
    "Driver.power_on": Step.POWER_ON,
    "Driver.reboot": Step.REBOOT,
    "Driver.update": Step.UPDATE,
    "Guest.quiesce": Step.QUIESCE,
    "Guest.set_password": Step.SET_PASSWORD,
    "Guest.unquiesce": Step.UNQUIESCE,
    "HostControl.enter_maintenance": Step.ENTER_MAINTENANCE,
    "HostControl.leave_maintenance": Step.LEAVE_MAINTENANCE,
    "ImageCache.prefetch_image": Step.PREFETCH_IMAGE,
    "ImageCache.prune_images": Step.PRUNE_IMAGE,
    "Interfaces.attach_interface": Step.ATTACH_INTERFACE,
    "Interfaces.detach_interface": Step.DETACH_INTERFACE,
    "LiveMigration.check_source": Step.CHECK_MIGRATION,
    "LiveMigration.finish_destination": Step.FINISH_MIGRATION,
    "LiveMigration.finish_source": Step.FINISH_MIGRATION,
    "LiveMigration.migrate": Step.COPY_MEMORY,
    "LiveMigration.prepare": Step.PREPARE_MIGRATION,
    "LiveMigration.rollback_destination": Step.ROLL_BACK_MIGRATION,
    "Pause.pause": Step.PAUSE,
    "Pause.unpause": Step.UNPAUSE,
    "Rebuild.rebuild": Step.REBUILD_STOP,
    "Resize.confirm_resize": Step.CONFIRM_RESIZE,
    "Resize.finish_resize": Step.FINISH_RESIZE,
    "Resize.prepare_resize": Step.PREPARE_RESIZE,
    "Resize.resize": Step.FINISH_RESIZE,
    "Resize.resize_live": Step.RESIZE_LIVE,
    "Resize.revert_resize": Step.REVERT_RESIZE,
    ("Rescue.rescue", ImageNotFound): Step.RESCUE_IMAGE,
    ("Rescue.rescue", ImageRejected): Step.RESCUE_IMAGE,
    "Rescue.rescue": Step.RESCUE,
    "Rescue.unrescue": Step.UNRESCUE,
    "Shares.attach_share": Step.ATTACH_SHARE,
    "Shares.detach_share": Step.DETACH_SHARE,
    "Snapshot.snapshot": Step.SNAPSHOT_WRITE,
    "StorageVolumes.create_volume": Step.CREATE_VOLUME,
    "StorageVolumes.delete_volume": Step.DELETE_VOLUME,
    "StorageVolumes.download_volume": Step.DOWNLOAD_VOLUME,
    "StorageVolumes.resize_volume": Step.RESIZE_VOLUME,
    "StorageVolumes.upload_volume": Step.UPLOAD_VOLUME,
    "Volumes.attach_volume": Step.ATTACH_VOLUME,
    "Volumes.detach_volume": Step.DETACH_VOLUME,
    "Volumes.extend_volume": Step.EXTEND_VOLUME,
    "Volumes.swap_volume": Step.COPY_VOLUME,
    "Suspend.resume": Step.RESUME,
    "Suspend.suspend": Step.SUSPEND,
}
"""The step at which a method is refused."""

MADE: Final[dict[type[VirtError], Callable[[], VirtError]]] = {
    Busy: lambda: Busy("the hypervisor is doing something else with it", "its console", hint="try again"),
    ImageNotFound: lambda: ImageNotFound("the image is not there any more", hint="name another one"),
    ImageRejected: lambda: ImageRejected("the image has another checksum", "it was changed"),
    InvalidState: lambda: InvalidState(PowerState.RUNNING, [PowerState.SHUTDOWN], hint="stop it first"),
    NetworkError: lambda: NetworkError("network default takes no more ports", hint="remove unused ones"),
    NoCapacity: lambda: NoCapacity("memory_bytes", hint="stop other guests"),
    VolumeError: lambda: VolumeError("volume data cannot be reached", hint="look at its storage service"),
    StorageError: lambda: StorageError("pool default has failed", hint="look at the pool"),
    Timeout: lambda: Timeout(
        "read the disk", "the hypervisor does not answer", hint="try again", state_after=StateAfter.UNCHANGED
    ),
}
"""What the hypervisor refuses it with."""

SCRIBBLE: Final = "something that only the kit writes"


class FakeRig(Rig):
    """Eyes and hands on a named world of the fake driver."""

    imitates_guests = True

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._own_world = f"conformance-{uuid4().hex}"
        self._images = ExitStack()
        self._address: str | None = None
        self._shared_files: dict[tuple[str, str], bytes] = {}

    def open(self) -> None:
        self._door = connect(self.target.driver, owner="conformance-rig", **self.options())

    def close(self) -> None:
        self._images.close()
        self._door.close()
        forget(self._own_world)
        forget(f"{self._own_world}-elsewhere")

    def options(self) -> Mapping[str, Any]:
        """The target's, with a world that all connections see if it names none."""
        return {"world": self._own_world, **self.target.options}

    def elsewhere(self) -> Mapping[str, Any]:
        """Another world of the same shape."""
        return {**self.options(), "world": f"{self._own_world}-elsewhere"}

    @property
    def outside(self) -> Outside:
        """Hands on the world."""
        with self._door.native() as handle:
            return cast("Switches", handle).outside

    def backend_objects(self) -> Collection[str]:
        return self.outside.objects()

    def requests(self, compute: Compute) -> int:
        with compute.native() as handle:
            return cast("Switches", handle).requests

    def secrets(self) -> Sequence[str]:
        password = self.target.options.get("password")
        return (str(password),) if password else ()

    def boots(self, guest: Instance) -> int:
        return self.outside.boots(guest)

    def hardware(self, guest: UUID) -> Hardware:
        parts = self.outside.parts(guest)
        disks = [volume for volume in parts.volumes if volume.kind == "disk"]
        seeds = [volume for volume in parts.volumes if volume.kind == "seed"]
        return Hardware(
            vcpus=parts.guest.vcpus,
            memory_bytes=parts.guest.memory_bytes,
            disks=tuple(map(hard_disk, disks)),
            nics=tuple(map(network_card, parts.ports)),
            firmware=parts.guest.firmware,
            first_boot_data=bool(seeds),
            first_boot_source=source_of(seeds[0].content) if seeds else None,
            volumes=tuple(volume.id for volume in parts.guest.attached),
            volume_disks=tuple(volume_disk(volume, index) for index, volume in enumerate(parts.guest.attached)),
            shares=tuple(map(shown, parts.guest.shared)),
            machine=machine_of(parts.guest),
            devices=tuple(map(told_device, parts.guest.told)),
        )

    def inside(self, guest: Instance) -> Inside:
        return Inside(passwords_of=self.outside.passwords(guest), at_rest=self.outside.frozen(guest))

    def interrupts(self, guest: Instance) -> int:
        return self.outside.interrupts(guest)

    def scribbled(self, guest: Instance) -> bool:
        return any(SCRIBBLE in volume.content for volume in self.outside.parts(guest.uuid).volumes)

    def scribble(self, guest: Instance) -> None:
        self.outside.write_disk(guest, SCRIBBLE)

    def new_vif(self) -> Nic:
        return Nic(vif_id=str(uuid4()))

    def new_port(self, feature: Feature) -> Nic:
        ports: Mapping[Feature, NicBinding] = {
            Feature.NIC_BRIDGE: BridgePort(bridge="br0"),
            Feature.NIC_OVS: OvsPort(bridge="br-int", interface_id=uuid4(), vlan=7),
            Feature.NIC_OPAQUE: OpaquePort(kind="conformance", properties=f'{{"port": "{uuid4()}"}}'),
        }
        return Nic(binding=ports[feature])

    def volume(self) -> Volume:
        name = uuid4()
        target = IscsiVolume(
            portal="192.0.2.7:3260",
            iqn=f"iqn.2001-04.com.example:{name}",
            chap_username="conformance",
            chap_password=Secret(f"chap{uuid4().hex}"),
        )
        return Volume(id=str(name), connection=target)

    def special_volume(self, feature: Feature) -> Volume:
        plain = Volume(id=str(uuid4()), connection=FileVolume(path="/srv/conformance.raw"))
        match feature:
            case Feature.NBD_VOLUMES:
                return replace(plain, connection=NbdVolume(host="192.0.2.7"))
            case Feature.NFS_VOLUMES:
                return replace(plain, connection=NfsVolume(server="192.0.2.7", export="/srv", path="conformance.raw"))
            case Feature.RBD_VOLUMES:
                return replace(plain, connection=RbdVolume(pool="conformance", image="conformance"))
            case Feature.HOST_CONNECTIONS:
                return self.fabric_volume("local")
            case Feature.VOLUME_ENCRYPTION:
                return replace(plain, encryption=LuksEncryption(passphrase=Secret(f"luks{uuid4().hex}")))
        return plain

    def fabric_volume(self, protocol: str) -> Volume:
        hidden = Secret(json.dumps({"auth_password": f"fabric{uuid4().hex}"}))
        way = HostConnection(protocol=protocol, properties='{"target_lun": 1}', secrets=hidden)
        return Volume(id=str(uuid4()), connection=way)

    def has_volume(self, volume: Volume) -> bool:
        """The fake hypervisor has no storage service whose volumes it could remove."""
        return True

    def share(self) -> Share:
        name = str(uuid4())
        return Share(tag=name, source=HostDirectory(path=f"{ALLOWED}/{name}"))

    def forbidden_shares(self) -> Sequence[Share]:
        return [Share(tag="conformance", source=HostDirectory(path=path)) for path in ("/etc", ALLOWED, f"{ALLOWED}x")]

    def missing_share(self) -> Share:
        return Share(tag="conformance", source=HostDirectory(path=MISSING))

    def write_share(self, share: Share, name: str, content: bytes) -> None:
        self._shared_files[share.source.path, name] = content

    def read_share(self, share: Share, name: str) -> bytes | None:
        """The fake hypervisor's guests have no system that could touch them."""
        return self._shared_files.get((share.source.path, name))

    def backend_url(self) -> BackendUrl:
        """The fake hypervisor fetches from this machine, so it is served here; from where, the first call decides."""
        if self._address is None:
            folder = Path(self._images.enter_context(TemporaryDirectory(prefix="nova-virt-rig-")))
            QCOW2.written(folder)
            self._address = self._images.enter_context(serving(folder))
        return BackendUrl(f"{self._address}/{QCOW2.name}", checksum=QCOW2.checksum(), format=QCOW2.format)

    def wrong_backend_url(self) -> BackendUrl:
        return replace(self.backend_url(), checksum=Checksum(digest="0" * 64))

    def enter(self, guest: Instance, state: PowerState) -> None:
        self.outside.alter(guest, power_state=state)

    @contextmanager
    def without_agent(self, guest: Instance) -> Iterator[None]:
        self.outside.set_agent(guest, connected=False)
        yield
        self.outside.set_agent(guest, connected=True)

    def deafen(self, guest: Instance) -> None:
        self.outside.ignore_shutdown(guest)

    @contextmanager
    def removing_image(self, name: str) -> Iterator[None]:
        try:
            yield
        finally:
            self.outside.remove_image(name)

    @contextmanager
    def foreign_guest(self, name: str) -> Iterator[UUID]:
        guest = self.outside.add_guest(name, power_state=PowerState.SHUTDOWN)
        with self._removing(guest):
            yield guest

    @contextmanager
    def native_copy(self, guest: Instance, name: str) -> Iterator[UUID]:
        copy = self.outside.copy(guest, name)
        with self._removing(copy):
            yield copy

    @contextmanager
    def _removing(self, guest: UUID) -> Iterator[None]:
        try:
            yield
        finally:
            with suppress(InstanceNotFound):
                self.outside.remove(guest)

    @contextmanager
    def hang(self, guest: Instance) -> Iterator[None]:
        self.outside.set_health(guest, Condition.UNRESPONSIVE, "the guest does not answer")
        try:
            yield
        finally:
            self.outside.set_health(guest, Condition.OK)

    def fill(self, guest: Instance, offset: int, length: int, byte: int) -> None:
        self.outside.write(guest, offset, bytes([byte]) * length)

    @contextmanager
    def provoke(self, compute: Compute, method: str, error: type[VirtError], guest: Instance | None) -> Iterator[None]:
        step = STEPS.get((method, error), STEPS.get(method))
        if step is None:
            raise NotVerified(f"the rig cannot provoke {error.__name__} in {method}")
        with compute.native() as handle:
            switches = cast("Switches", handle)
            switches.fail_at(step, MADE[error]())
            try:
                yield
            finally:
                switches.reset()

    def broken_options(self, error: type[VirtError]) -> dict[str, Any]:
        return {"refuse": {Unavailable: "connection", AuthenticationFailed: "password"}[error]}

    def remove_kept_disks(self, guest: UUID) -> None:
        self.outside.remove_kept_disks(guest)

    def vanish(self, guest: Instance) -> None:
        self.outside.remove(guest)

    @contextmanager
    def claim_twice(self, guest: Instance) -> Iterator[None]:
        self.outside.claim_twice(guest, f"{guest.name}-twin")
        try:
            yield
        finally:
            for twin in self._door.instances(fresh=True):
                if twin.uuid == guest.uuid and twin.native_id != guest.native_id:
                    self.outside.remove(twin)

    @contextmanager
    def cut_connection(self, compute: Compute) -> Iterator[None]:
        with compute.native() as handle:
            switches = cast("Switches", handle)
            switches.lose_connection(None)
            try:
                yield
            finally:
                switches.restore_connection()
