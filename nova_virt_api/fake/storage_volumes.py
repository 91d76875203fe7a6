"""Volumes of pools that no guest owns. What is being filled has a record, and is no volume yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from nova_virt_api.capability import Capability
from nova_virt_api.driver.storage_volumes import StorageVolumes
from nova_virt_api.errors import Busy, InvalidSpec, VirtError, VolumeExists, VolumeNotFound
from nova_virt_api.fake import remains
from nova_virt_api.fake.disk_content import content
from nova_virt_api.fake.guest import STORED, Volume
from nova_virt_api.fake.images import image_of
from nova_virt_api.fake.places import check_pool
from nova_virt_api.fake.qcow2 import CLUSTER, qcow2_disk
from nova_virt_api.fake.state import HOLDS_MEMORY
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.model.image import BackendUrl, ImageFormat, ImageInfo, ImageSource, LocalFile, Store, Url
from nova_virt_api.model.instance import Scope
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.spec import require_one
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
from nova_virt_api.model.volume_connection import FileVolume

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.image import LocalTarget

UNFINISHED: Final = "unfinished volume"
BLANK: Final = "blank"
ROUNDS: Final = 4
"""Steps in which an image is uploaded, or a volume downloaded."""

SECTOR: Final = 512


class FakeStorageVolumes(StorageVolumes):
    """The role ``StorageVolumes`` of the fake driver, whose volumes remember no more than their first cluster."""

    connection: Connection

    def stored_volumes(self, *, scope: Scope = Scope.OWNED) -> Sequence[StoredVolume]:
        self._look_at_volumes()
        with self.connection.world.reading() as state:
            found = [self._shown_volume(state, volume) for volume in state.volumes.values() if volume.kind == STORED]
        return tuple(volume for volume in found if volume.owned or scope is Scope.ALL)

    def stored_volume(self, volume: UUID) -> StoredVolume:
        self._look_at_volumes()
        with self.connection.world.reading() as state:
            return self._shown_volume(state, stored(state, volume))

    def create_volume(self, spec: StoredVolumeSpec, op: Operation) -> StoredVolume:
        if spec.size_bytes is None:
            raise InvalidSpec("size_bytes", None, "a size: only an image has one of its own")
        return self._make_volume(self._wanted_volume(spec, spec.size_bytes, BLANK), op, Step.CREATE_VOLUME)

    def upload_volume(self, spec: StoredVolumeSpec, source: ImageSource, op: Operation) -> StoredVolume:
        self.connection.require(Capability.STORAGE_VOLUMES)
        image = image_of(self.connection, source, "source", op)
        size = spec.size_bytes or image.size_bytes
        if size < image.size_bytes:
            raise InvalidSpec("size_bytes", size, f"at least {image.size_bytes}, the image's own size")
        wanted = self._wanted_volume(spec, size, image.sha256)
        begins = beginning(self.connection, source, op)
        wanted = replace(wanted, content=image.text, written=((0, begins),) if begins else ())
        return self._make_volume(wanted, op, Step.UPLOAD_VOLUME, rounds=ROUNDS)

    def resize_volume(self, volume: UUID, size_bytes: int, op: Operation) -> StoredVolume:
        self.connection.require(Capability.STORAGE_VOLUMES)
        wanted = whole(size_bytes)
        with self.connection.hold(volume, "resize volume"):
            with self.connection.world.reading() as state:
                found = self._free_volume(state, volume, on=True)
                if found.size_bytes > wanted:
                    raise InvalidSpec("size_bytes", size_bytes, f"at least {found.size_bytes}: a volume only grows")
                if found.size_bytes == wanted:
                    return self._shown_volume(state, found)
            self.connection.step(Step.RESIZE_VOLUME, op)
            with self.connection.world.changing() as state:
                found = self._free_volume(state, volume, on=True)
                check_pool(state, self.connection.world.shape, found.pool, wanted - found.size_bytes)
                state.put_volume(replace(found, size_bytes=wanted))
                return self._shown_volume(state, state.volumes[found.key])

    def delete_volume(self, volume: UUID, op: Operation) -> bool:
        self.connection.require(Capability.STORAGE_VOLUMES)
        with self.connection.hold(volume, "delete volume"):
            with self.connection.world.reading() as state:
                if not self._removable_volumes(state, volume):
                    return False
            self.connection.step(Step.DELETE_VOLUME, op)
            with self.connection.world.changing() as state:
                there = self._removable_volumes(state, volume)
                for one in there:
                    state.drop_volume(one.key)
                if volume in state.records and not state.claimants(volume):  # a guest that came later has one, too
                    state.drop_record(volume)
                return bool(there)

    def download_volume(self, volume: UUID, target: LocalTarget, op: Operation) -> ImageInfo:
        from nova_virt_api.images.target import write_new_target  # what images need is not needed by most tests

        self.connection.require(Capability.STORAGE_VOLUMES)
        with self.connection.hold(volume, "download volume"):
            with self.connection.world.reading() as state:
                found = self._free_volume(state, volume, on=True)
            if target.format is not found.format:
                raise InvalidSpec("target.format", target.format, f"{found.format}, as the volume is kept")
            with write_new_target(target) as path:
                for done in range(ROUNDS):
                    self.connection.step(Step.DOWNLOAD_VOLUME, op)
                    op.progress(done + 1, ROUNDS)
                write_content(found, path)
                size = path.stat().st_size
        virtual = found.size_bytes
        return ImageInfo(ref=str(target.path), format=target.format, size_bytes=size, virtual_size_bytes=virtual)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _look_at_volumes(self) -> None:
        self.connection.require(Capability.STORAGE_VOLUMES)
        self.connection.switches.reach(Step.READ)

    def _wanted_volume(self, spec: StoredVolumeSpec, size_bytes: int, origin: str) -> Volume:
        self.connection.require(Capability.STORAGE_VOLUMES)
        pool = require_one("pool", spec.pool, self.connection.world.shape.pools)
        owner = self.connection.endpoint.owner
        identity = spec.identity(owner, pool)
        return Volume(
            pool=pool,
            name=f"volume-{identity}",
            kind=STORED,
            size_bytes=whole(size_bytes),
            uuid=identity,
            owner=owner,
            title=spec.name,
            origin=origin,
            format=spec.format,
        )

    def _make_volume(self, wanted: Volume, op: Operation, step: Step, rounds: int = 1) -> StoredVolume:
        connection, identity = self.connection, wanted.identity
        with connection.hold(identity, step.value):
            with connection.world.reading() as state:
                if (there := same(state, wanted)) is not None:
                    return self._shown_volume(state, there)
            connection.step(step, op)
            with connection.world.changing() as state:
                connection.check_holder(state, identity)
                if state.claimants(identity):
                    raise VolumeExists(f"{identity} is the uuid of a guest", hint="choose another id")
                remains.remove_all(state, identity)  # of somebody who is gone
                check_pool(state, connection.world.shape, wanted.pool, wanted.size_bytes)
                owner = connection.endpoint.owner
                record = Record(uuid=identity, owner=owner, fingerprint=wanted.origin, phase=Phase.BUILDING)
                state.put_record(replace(record, holder=connection.holder))
                state.put_volume(replace(wanted, kind=UNFINISHED))
            try:
                for done in range(rounds):
                    connection.step(step, op)
                    op.progress(done + 1, rounds)
            except SimulatedCrash:
                raise  # who is dead undoes nothing
            except BaseException:
                with connection.world.changing() as state:
                    remains.remove_all(state, identity)
                raise
            with connection.world.changing() as state:
                state.put_volume(wanted)
                state.drop_record(identity)
                return self._shown_volume(state, wanted)

    def _shown_volume(self, state: State, volume: Volume) -> StoredVolume:
        return StoredVolume(
            id=volume.identity,
            name=volume.title,
            pool=volume.pool,
            owner=volume.owner,
            owned=volume.owner == self.connection.endpoint.owner,
            size_bytes=volume.size_bytes,
            allocation_bytes=volume.size_bytes,
            format=volume.format,
            guests=tuple(users_of(state, volume.identity)),
            connection=FileVolume(path=f"/fake/{volume.pool}/{volume.name}", format=volume.format or ImageFormat.RAW),
        )

    def _free_volume(self, state: State, volume: UUID, *, on: bool) -> Volume:
        """A volume of ours that no guest uses; or with ``on``, none that is on.

        Raises:
            VolumeNotFound: there is none.
            PermissionDenied: it is somebody else's.
            Busy: a guest uses it.
        """
        found = stored(state, volume)
        self._check_volume_owner(found.owner)
        users = users_of(state, volume)
        using = [str(guest) for guest, is_on in users.items() if is_on or not on]
        if using:
            raise Busy(f"volume {volume} is used by guest {', '.join(using)}", using[0], hint="detach it first")
        return found

    def _removable_volumes(self, state: State, volume: UUID) -> list[Volume]:
        """What is there of a volume, complete or not, and may be removed."""
        there = [one for one in state.volumes.values() if one.uuid == volume and one.kind in (STORED, UNFINISHED)]
        for one in there:
            self._check_volume_owner(one.owner)
            if one.kind == STORED:
                self._free_volume(state, volume, on=False)
        return there

    def _check_volume_owner(self, owner: str | None) -> None:
        try:
            self.connection.check_owner(owner)
        except VirtError as error:
            raise type(error)(f"the volume belongs to {owner!r}", hint="connect(owner=...) as its owner") from None


def stored(state: State, volume: UUID) -> Volume:
    """The complete volume of this id.

    Raises:
        VolumeNotFound: there is none.
    """
    for found in state.volumes.values():
        if found.kind == STORED and found.uuid == volume:
            return found
    raise VolumeNotFound(f"there is no volume {volume} in the pools here", hint="list the volumes")


def same(state: State, wanted: Volume) -> Volume | None:
    """The volume of this id, if it is complete.

    Raises:
        VolumeExists: it is another one.
    """
    for there in state.volumes.values():
        if there.kind != STORED or there.uuid != wanted.uuid:
            continue
        names = ("pool", "owner", "title", "origin", "format")
        if there.size_bytes >= wanted.size_bytes and all(getattr(there, n) == getattr(wanted, n) for n in names):
            return there
        raise VolumeExists(
            f"volume {there.uuid} is {there.title!r} in pool {there.pool} and was asked for in another way",
            hint="choose another name or id, or delete it first",
        )
    return None


def users_of(state: State, volume: UUID) -> dict[UUID, bool]:
    """The guests that use a volume, each with whether it is on."""
    return {
        guest.uuid: guest.power_state in HOLDS_MEMORY
        for guest in state.guests.values()
        if any(attachment.id == str(volume) for attachment in guest.attached)
    }


def grow_with_guest(state: State, volume_id: str, size_bytes: int) -> None:
    """Let a volume be as large as the guest that uses it was told; nothing happens to a storage service's."""
    for found in list(state.volumes.values()):
        if found.kind == STORED and str(found.uuid) == volume_id and found.size_bytes < size_bytes:
            state.put_volume(replace(found, size_bytes=whole(size_bytes)))


def whole(size_bytes: int) -> int:
    """A size in full sectors."""
    return -(-size_bytes // SECTOR) * SECTOR


def beginning(connection: Connection, source: ImageSource, op: Operation) -> bytes:
    """The first cluster of a raw image; nothing of one that is kept otherwise."""
    if isinstance(source, BackendUrl):
        source = Url(source.url, format=source.format, checksum=source.checksum)
    if not isinstance(source, LocalFile | Url | Store):
        return b""
    from nova_virt_api.images.cache import ImageCache

    cache = ImageCache(connection.endpoint.cache_dir)
    with cache.fetch(source, op, formats=frozenset(ImageFormat)) as image, image.path.open("rb") as file:
        return file.read(CLUSTER).rstrip(b"\0") if image.format is ImageFormat.RAW else b""


def write_content(volume: Volume, path: Path) -> None:
    """Write a volume to a file that is empty."""
    data = content(volume.written, 0, min(CLUSTER, volume.size_bytes))
    if volume.format is ImageFormat.QCOW2:
        path.write_bytes(qcow2_disk(volume.size_bytes, data))
        return
    with path.open("wb") as file:
        file.write(data)
        file.truncate(volume.size_bytes)
