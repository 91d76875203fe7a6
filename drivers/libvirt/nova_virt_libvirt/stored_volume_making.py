"""Making volumes that no guest owns: empty, or with an image's content.

Whoever makes one claims it first, in the volume's own pool, and removes the claim once the volume is complete. A claim
whose holder is gone shows a volume that never will be.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, InvalidSpec, StorageError, VirtError, VolumeExists, VolumeNotFound
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.overlay import fetched_image
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.records import Records
from nova_virt_libvirt.stored_volume_listing import Stored, shown, stored_in
from nova_virt_libvirt.stored_volume_name import BLANK, DIGITS, StoredName, volume_key
from nova_virt_libvirt.stored_volume_removal import remove_all, volumes_named
from nova_virt_libvirt.stored_volume_size import enlarge, is_recognised, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.cached import CachedImage
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage import Volume


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
        there = [stored for stored in stored_in(self._places.active_pools()) if stored.name.id == self._id]
        if there:
            return self._same(there[0], name, size_bytes)
        self._op.stage(Stage.CLAIM)
        record = Record(uuid=self._id, owner=owner, fingerprint=origin, phase=Phase.BUILDING)
        records = Records(self._pool, self._site.host())
        hold = records.acquire(volume_key(self._id), record, self._op, f"volume {self._id}")
        if hold.before is None and (finished := volumes_named(self._pool, self._id)):  # since we looked
            hold.remove()
            return self._same(finished[0], name, size_bytes)
        try:
            remove_all(self._pool, self._id)  # of somebody who is gone
            volume = self._blank(name, size_bytes) if image is None else self._upload(name, size_bytes, image)
            made = shown(Stored(name, volume), owner)
            if made.size_bytes < size_bytes:
                raise StorageError(f"volume {name.name} has {made.size_bytes} bytes instead of {size_bytes}")
        except BaseException:
            with suppress(VirtError):  # what cannot be removed now is among the leftovers: its claim stays
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
