"""The role of keeping volumes in the pools of the endpoint's host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.driver.storage_volumes import StorageVolumes
from nova_virt_api.errors import Busy, ImageRejected, InvalidSpec, PermissionDenied, StorageError, VolumeNotFound
from nova_virt_api.images.inspect import inspect_image
from nova_virt_api.images.target import write_new_target
from nova_virt_api.model.instance import Scope
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.stored_volumes.listing import (
    Stored,
    foreign_id,
    foreign_in,
    foreign_shown,
    look,
    shown,
    shown_if_there,
    stored_in,
    users_of,
)
from nova_virt_libvirt.stored_volumes.making import Making
from nova_virt_libvirt.stored_volumes.name import StoredName, claimed_volume
from nova_virt_libvirt.stored_volumes.removal import Removal
from nova_virt_libvirt.stored_volumes.size import enlarge, whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.image import ImageInfo, ImageSource, LocalTarget
    from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Pool, Volume


class LibvirtStorageVolumes(StorageVolumes):
    """The role StorageVolumes: files of pools, which guests reach as files of their host."""

    site: Site

    def stored_volumes(self, *, scope: Scope = Scope.OWNED) -> Sequence[StoredVolume]:
        pools, owner = self._pools(), self.site.owner
        ours = [stored for stored in stored_in(pools) if scope is Scope.ALL or stored.name.owner == owner]
        found = [volume for stored in ours if (volume := shown_if_there(stored, owner)) is not None]
        if scope is Scope.ALL:
            found += [other for volume in foreign_in(pools) if (other := foreign_shown(volume)) is not None]
        return tuple(found)

    def stored_volume(self, volume: UUID) -> StoredVolume:
        pools = self._pools()
        found = next((stored for stored in stored_in(pools) if stored.name.id == volume), None)
        if found is not None:
            return self._with_guests(shown(found, self.site.owner), found.volume)
        for foreign in foreign_in(pools):
            if foreign_id(foreign) == volume and (seen := foreign_shown(foreign)) is not None:
                return self._with_guests(seen, foreign)
        raise no_such(volume)

    def create_volume(self, spec: StoredVolumeSpec, op: Operation) -> StoredVolume:
        return Making(self.site, spec, op).blank()

    def upload_volume(self, spec: StoredVolumeSpec, source: ImageSource, op: Operation) -> StoredVolume:
        return Making(self.site, spec, op).filled(source)

    def resize_volume(self, volume: UUID, size_bytes: int, op: Operation) -> StoredVolume:
        stored = self._owned(volume)
        refuse_running(self.site, stored, "let the guest see it grow (extend_volume), or stop the guest")
        there, wanted = shown(stored, self.site.owner), whole(size_bytes)
        if there.size_bytes > wanted:
            raise InvalidSpec("size_bytes", size_bytes, f"at least {there.size_bytes}: a volume only grows")
        if there.size_bytes == wanted:
            return there
        op.stage("resize the volume", CancelMode.NONE)
        enlarge(stored, wanted)
        grown = shown(stored, self.site.owner)
        if grown.size_bytes < wanted:
            raise StorageError(f"volume {there.name} has {grown.size_bytes} bytes instead of {wanted}")
        return grown

    def delete_volume(self, volume: UUID, op: Operation) -> bool:
        pools = [pool for pool in self._pools() if any(is_of(name, volume) for name in pool.names())]
        for pool in pools:
            Removal(self.site, pool, volume, op).whole()
        if not pools and any(foreign_id(foreign) == volume for foreign in foreign_in(self._pools())):
            raise not_ours(volume, None)
        return bool(pools)

    def download_volume(self, volume: UUID, target: LocalTarget, op: Operation) -> ImageInfo:
        stored = self._owned(volume)
        if target.format is not stored.name.format:
            raise InvalidSpec("target.format", target.format, f"{stored.name.format}, as the volume is kept")
        hint = "stop the guest or detach the volume; snapshots and backups are for guests that are on"
        with write_new_target(target) as path:
            refuse_running(self.site, stored, hint)
            changed = stored.volume.changed_at()
            op.stage("fetch the volume", CancelMode.IMMEDIATE)
            with path.open("wb") as file:
                stored.volume.download(file, op)
            refuse_running(self.site, stored, hint)  # started meanwhile: what was read may be torn
            if stored.volume.changed_at() != changed:
                raise Busy(f"volume {stored.name.name} was written to, or resized, while it was read", hint="try again")
            op.stage("check the image", CancelMode.IMMEDIATE)
            try:
                info = inspect_image(path, stored.name.name, op, declared=target.format)
            except ImageRejected as error:
                message = f"what is on volume {stored.name.name} is not safe to hand on: {error.why}"
                raise StorageError(message, hint="read it in a guest") from error
        return replace(info, ref=str(Path(target.path)))

    # --- what is meant --------------------------------------------------------------------------------------------

    def _pools(self) -> list[Pool]:
        return Places(self.site.connection(), self.site.pool).active_pools()

    def _owned(self, volume: UUID) -> Stored:
        """The complete volume of this id, which this connection may change.

        Raises:
            VolumeNotFound: there is none.
            PermissionDenied: it is somebody else's.
        """
        pools = self._pools()
        for stored in stored_in(pools):
            if stored.name.id == volume:
                if stored.name.owner != self.site.owner:
                    raise not_ours(volume, stored.name.owner)
                return stored
        if any(foreign_id(foreign) == volume for foreign in foreign_in(pools)):
            raise not_ours(volume, None)
        raise no_such(volume)

    def _with_guests(self, seen: StoredVolume, volume: Volume) -> StoredVolume:
        return replace(seen, guests=tuple(users_of(self.site.connection(), volume, volume.path())))


def refuse_running(site: Site, stored: Stored, hint: str) -> None:
    """Refuse a volume that a guest which is on uses.

    Raises:
        Busy: one does.
    """
    users = users_of(site.connection(), stored.volume, look(stored.volume).path)
    running = ", ".join(str(guest) for guest, is_on in users.items() if is_on)
    if running:
        raise Busy(f"volume {stored.name.id} is used by guest {running}, which is on", running, hint=hint)


def is_of(name: str, volume: UUID) -> bool:
    """Whether a volume of libvirt's is the volume of this id, or a claim on it."""
    said = StoredName.decode(name)
    return claimed_volume(name) == volume if said is None else said.id == volume


def no_such(volume: UUID) -> VolumeNotFound:
    """The error for a volume that is not there."""
    return VolumeNotFound(f"there is no volume {volume} in the pools of this endpoint", hint="list the volumes")


def not_ours(volume: UUID, owner: str | None) -> PermissionDenied:
    """The error for somebody else's volume."""
    whose = "was not made by this API" if owner is None else f"belongs to {owner!r}"
    return PermissionDenied(f"volume {volume} {whose}", hint="connect(owner=...) as its owner")
