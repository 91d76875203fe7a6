"""Making images of guests' disks."""

from pathlib import Path
from typing import IO

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.errors import InvalidSpec, InvalidState, StorageError
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest, Image, Volume
from nova_virt_api.fake.places import check_pool
from nova_virt_api.fake.qcow2 import qcow2_disk
from nova_virt_api.fake.resting import resting
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.whole_file import replace_file
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageFormat, ImageInfo, ImageTarget, LocalTarget, NativeTarget
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.spec import require_one

SECTOR = 512


class FakeSnapshot(Snapshot):
    """The role ``Snapshot`` of the fake driver: an image says whose disk it was, and is as large as that."""

    connection: Connection

    def snapshot(
        self, guest: InstanceRef, target: ImageTarget, op: Operation, *, quiesce: Quiesce = Quiesce.IF_POSSIBLE
    ) -> ImageInfo:
        connection = self.connection
        connection.require(Capability.SNAPSHOT)
        with connection.hold(guest.uuid, "snapshot"):
            disk = self._boot_disk(guest)
            pool = self._pool(target, disk) if isinstance(target, NativeTarget) else ""
            with resting(connection, guest, quiesce, Feature.SNAPSHOT_QUIESCE, Step.SNAPSHOT_REST, op):
                connection.step(Step.SNAPSHOT_READ, op)
                disk = self._boot_disk(guest)
            connection.step(Step.SNAPSHOT_WRITE, op)
            if isinstance(target, NativeTarget):
                return self._write_native(disk, target, pool)
            return write_local(disk, target)

    def _boot_disk(self, ref: InstanceRef) -> Volume:
        with self.connection.world.reading() as state:
            guest = self.connection.ready(state, ref)
            self._require_state(guest)
            if not guest.own_disks:
                raise StorageError(f"guest {guest.name} has no disk")
            return state.volumes[guest.own_disks[0]]

    def _require_state(self, guest: Guest) -> None:
        live = Feature.SNAPSHOT_LIVE not in self.connection.switches.withdrawn
        allowed = [PowerState.SHUTDOWN, *([PowerState.RUNNING, PowerState.PAUSED] if live else [])]
        if guest.power_state not in allowed:
            raise InvalidState(guest.power_state, allowed)

    def _pool(self, target: NativeTarget, disk: Volume) -> str:
        return require_one("target.pool", target.pool or disk.pool, self.connection.world.shape.pools)

    def _write_native(self, disk: Volume, target: NativeTarget, pool: str) -> ImageInfo:
        volume = Volume(pool=pool, name=target.name, kind="image", size_bytes=disk.size_bytes, content=text_of(disk))
        with self.connection.world.changing() as state:
            there = state.volumes.get(volume.key)
            image = state.images.get(target.name)
            if (there is not None and there.kind != "image") or (image is not None and image.volume != volume.key):
                raise InvalidSpec("target.name", target.name, "a name that is not in use, or that of a snapshot there")
            check_pool(state, self.connection.world.shape, pool, disk.size_bytes - (there.size_bytes if there else 0))
            state.put_volume(volume)
            state.put_image(Image(name=target.name, virtual_size_bytes=disk.size_bytes, volume=volume.key))
        return ImageInfo(
            ref=target.name,
            format=ImageFormat.RAW,
            size_bytes=disk.size_bytes,
            virtual_size_bytes=disk.size_bytes,
        )


def write_local(disk: Volume, target: LocalTarget) -> ImageInfo:
    """Write a disk to a file, whole or not at all.

    Raises:
        InvalidSpec: there is no such directory, or something else than a file is in the way.
        StorageError: the file cannot be written.
    """
    virtual_size = -(-disk.size_bytes // SECTOR) * SECTOR
    content = text_of(disk).encode()[:virtual_size]

    def write_raw(file: IO[bytes]) -> None:
        file.write(content)
        file.truncate(virtual_size)

    def write_qcow2(file: IO[bytes]) -> None:
        file.write(qcow2_disk(virtual_size, content))

    write = write_raw if target.format is ImageFormat.RAW else write_qcow2
    path = Path(target.path).expanduser()
    if not path.parent.is_dir():
        raise InvalidSpec("target.path", target.path, "a path in a directory that exists")
    if path.exists() and not path.is_file():
        raise InvalidSpec("target.path", target.path, "a path of a regular file or of none yet")
    try:
        size = replace_file(path, write)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="check the directory") from error
    return ImageInfo(ref=str(path), format=target.format, size_bytes=size, virtual_size_bytes=virtual_size)


def text_of(disk: Volume) -> str:
    """What a fake disk reads as."""
    return f"nova-virt fake disk {disk.name} of {disk.size_bytes} bytes, made from {disk.content}\n"
