"""Making volumes that no guest owns: empty, or with an image's content.

Whoever makes one claims it first, in the volume's own pool, looks whether it is there, and only then says that he makes
it. The claim goes once the volume is complete. One that says so and whose holder is gone shows a volume that never
will be.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, InvalidSpec, StorageError, VirtError, VolumeExists, VolumeNotFound
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.images.overlay import fetched_image
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.storage.pools import VolumeExists as NameTaken
from nova_virt_libvirt.stored_volumes.listing import Stored, shown, stored_in
from nova_virt_libvirt.stored_volumes.name import BLANK, DIGITS, StoredName, volume_key
from nova_virt_libvirt.stored_volumes.removal import (
    claims_on,
    is_torn,
    remove_all,
    remove_unwanted,
    volumes_named,
)
from nova_virt_libvirt.stored_volumes.size import enlarge, is_recognised, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.cached import CachedImage
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Volume


class Making:
    """One volume that is made.

    Args:
        site: the endpoint.
        spec: what is wanted.
        op: the operation worked for.
    """

    def __init__(self, site: Site, spec: StoredVolumeSpec, op: Operation) -> None:
        self._site = site
        self._spec = spec
        self._op = op
        self._places = Places(site.connection(), site.pool)
        self._pool = self._places.pool("pool", spec.pool)
        self._id = spec.identity(site.owner, self._pool.name)

    def blank(self) -> StoredVolume:
        """Make it empty."""
        if self._spec.size_bytes is None:
            raise InvalidSpec("size_bytes", None, "a size: only an image has one of its own")
        return self._made(BLANK, whole(self._spec.size_bytes), None)

    def filled(self, source: ImageSource) -> StoredVolume:
        """Make it with an image's content."""
        with fetched_image(self._site, self._places, source, "source", self._op) as image:
            wanted = self._spec.size_bytes or image.virtual_size_bytes
            if wanted < image.virtual_size_bytes:
                raise InvalidSpec("size_bytes", wanted, f"at least {image.virtual_size_bytes}, the image's own size")
            with self._converted(image) as bytes_of_it:
                return self._made(image.sha256[:DIGITS], whole(wanted), bytes_of_it)

    @contextmanager
    def _converted(self, image: CachedImage) -> Iterator[CachedImage]:
        """The image in the format of the volume."""
        if image.format is self._spec.format:
            yield image
            return
        source = LocalFile(image.path, format=image.format)
        with self._site.images.fetch(source, self._op, formats={self._spec.format}) as converted:
            yield converted

    # --- under a claim --------------------------------------------------------------------------------------------

    def _made(self, origin: str, size_bytes: int, image: CachedImage | None) -> StoredVolume:
        owner = self._site.owner
        name = StoredName(id=self._id, owner=owner, name=self._spec.name, origin=origin, format=self._spec.format)
        if there := self._complete():
            return self._same(there, name, size_bytes)
        self._op.stage(Stage.CLAIM)
        record = Record(uuid=self._id, owner=owner, fingerprint=origin, phase=Phase.READY)
        records = Records(self._pool, self._site.host())
        hold = records.acquire(volume_key(self._id), record, self._op, f"volume {self._id}")
        try:
            there = self._still_there(hold)
            if there is None:
                hold.rewrite(phase=Phase.BUILDING)
        except BaseException:
            with suppress(VirtError):
                hold.retract()
            hold.end()
            raise
        return self._instead(hold, there, name, size_bytes) if there else self._under(hold, name, size_bytes, image)

    def _instead(self, hold: Hold, there: Stored, name: StoredName, size_bytes: int) -> StoredVolume:
        """Leave a volume that is complete as it is."""
        hold.remove()
        return self._same(there, name, size_bytes)

    def _complete(self) -> Stored | None:
        """The volume, in whichever pool."""
        return next((one for one in stored_in(self._places.active_pools()) if one.name.id == self._id), None)

    def _still_there(self, hold: Hold) -> Stored | None:
        """The volume if it became complete since we looked, or was about to be removed and is used.

        Raises:
            Busy: somebody makes or removes one of this id in another pool.
        """
        for pool in self._places.active_pools():
            if pool.name != self._pool.name:
                if claims_on(pool.names(), self._id):
                    message = f"volume {self._id} is being made or removed in storage pool {pool.name}"
                    raise Busy(message, hint="try again, or delete it first")
                if elsewhere := volumes_named(pool, self._id):
                    return elsewhere[0]
        return next(iter(remove_unwanted(self._site, hold, self._pool, self._id)), None)

    def _under(self, hold: Hold, name: StoredName, size_bytes: int, image: CachedImage | None) -> StoredVolume:
        """Make it, or leave nothing."""
        try:
            volume = self._blank(name, size_bytes) if image is None else self._upload(name, size_bytes, image)
            made = shown(Stored(name, volume), self._site.owner)
            if made.size_bytes < size_bytes:
                raise StorageError(f"volume {name.name} has {made.size_bytes} bytes instead of {size_bytes}")
        except BaseException as error:
            if isinstance(error, NameTaken) and not (hold.before and is_torn(hold.before)):
                (there,) = volumes_named(self._pool, self._id)  # another host's work, which libvirt here sees only now
                return self._instead(hold, there, name, size_bytes)
            with suppress(VirtError):  # what cannot be removed now is among the leftovers: its claim stays
                hold.verify()  # else what is there is somebody else's
                remove_all(self._pool, self._id)
                hold.remove()
            hold.end()
            raise
        hold.verify()
        hold.remove()
        return made

    def _blank(self, name: StoredName, size_bytes: int) -> Volume:
        self._op.stage(Stage.DISKS, CancelMode.NONE)
        return self._pool.create(name.encode(), size_bytes, name.format)

    def _upload(self, name: StoredName, size_bytes: int, image: CachedImage) -> Volume:
        """Bytes go into room for just as many, which reads as zeros, so that holes need not be sent."""
        self._op.stage("upload the image", CancelMode.IMMEDIATE)
        raw = name.format is ImageFormat.RAW
        volume = self._pool.create(name.encode(), size_bytes if raw else image.size_bytes, ImageFormat.RAW)
        with image.path.open("rb") as file:
            volume.upload(file, image.size_bytes, self._op)
        stored = Stored(name, volume)
        self._op.stage("size the volume", CancelMode.IMMEDIATE)
        if not raw:
            self._op.wait_until(lambda: is_recognised(stored))
            if image.virtual_size_bytes < size_bytes:
                enlarge(stored, size_bytes)
        return volume

    def _same(self, there: Stored, wanted: StoredName, size_bytes: int) -> StoredVolume:
        """What is there, if it is what is wanted.

        Raises:
            VolumeExists: it is not.
            Busy: somebody removes it just now.
        """
        try:
            found = shown(there, self._site.owner)
        except VolumeNotFound as error:
            raise Busy(f"volume {self._id} is being removed just now", hint="try again") from error
        said = there.name == wanted and there.pool.name == self._pool.name
        if said and found.size_bytes >= size_bytes:
            return found
        raise VolumeExists(
            f"volume {self._id} is {found.name} in storage pool {found.pool}, of owner {found.owner}, and was asked "
            "for with another name, pool, size, format or content",
            hint="choose another name or id, or delete it first",
        )
