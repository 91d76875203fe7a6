"""Images as volumes of a pool, uploaded once and shared by the overlays of all guests; named by their digest.

An image may be used when its volume is there and no claim on it is: whoever uploads takes the claim first and removes
it once the volume is complete. A claim whose holder is gone shows a volume that never will be; unless it was one on its
removal, which takes a claim too. Whoever has made an overlay looks once more, see :func:`stays`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final
from uuid import uuid5

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import NoCapacity, StorageError, VirtError
from nova_virt_api.model.identity import NAMESPACE
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.record import Record
from nova_virt_libvirt.names import BASE_PREFIX, base_key
from nova_virt_libvirt.storage.pools import Backing

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.cached import CachedImage
    from nova_virt_libvirt.claims.claim import Chain
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.claims.records import Records
    from nova_virt_libvirt.storage.pools import Pool, Volume

PRUNING: Final = "pruning"
"""In place of the fingerprint in a claim of whoever removes an image."""

KNOWN: Final[dict[tuple[str, str, str], str]] = {}
"""Paths of complete images by host, pool and volume name: whoever found one complete need not look again."""


class BaseImages:
    """The images of one pool. Short-lived: made for one verb.

    Args:
        pool: where they are.
        records: the claims in the same pool.
        owner: in whose name to upload.
    """

    def __init__(self, pool: Pool, records: Records, owner: str) -> None:
        self._pool = pool
        self._records = records
        self._owner = owner

    def ensure(self, image: CachedImage, op: Operation) -> Backing:
        """The image in this pool; uploaded if it is not there. Of several that want it at once, one uploads.

        Raises:
            Busy: somebody else was still uploading it at the deadline.
            NoCapacity: the pool is full.
            StorageError: it could not be written.
        """
        key, name = base_key(image.sha256), base_name(image)
        known = (self._records.host, self._pool.name, name)
        path = KNOWN.get(known)
        while path is None:
            volume = self._find_or_upload(key, name, image, op)
            try:
                path = KNOWN[known] = volume.path()
            except StorageError:
                if self._pool.find(name) is not None:
                    raise  # else somebody has removed it since
        return Backing(path=path, format=image.format)

    def overlay(self, image: CachedImage, make: Callable[[Backing], Volume], op: Operation) -> Volume:
        """A volume based on the image; made once more where somebody removes the image meanwhile.

        Args:
            image: the image.
            make: makes the volume.
            op: the operation worked for.

        Raises:
            Busy: somebody else was still uploading the image at the deadline.
            NoCapacity: the pool is full.
            StorageError: something could not be written.
        """
        while True:
            base = self.ensure(image, op)
            op.stage(Stage.DISKS)
            try:
                volume = make(base)
            except NoCapacity:
                raise
            except StorageError:
                self._pool.refresh()  # another host may have removed the image
                if stays(self._records, base):
                    raise
            else:
                if stays(self._records, base):
                    return volume
                volume.remove()
            self.forget(image)

    def forget(self, image: CachedImage) -> None:
        """Look again next time: somebody may have removed it."""
        forget_volume(self._records.host, self._pool, base_name(image))

    def volume(self, image: CachedImage) -> Volume:
        """The image's volume.

        Raises:
            StorageError: it is not there.
        """
        volume = self._pool.find(base_name(image))
        if volume is None:
            raise StorageError(f"volume {base_name(image)} was removed from storage pool {self._pool.name} just now")
        return volume

    def _find_or_upload(self, key: str, name: str, image: CachedImage, op: Operation) -> Volume:
        record = Record(uuid=uuid5(NAMESPACE, key), owner=self._owner, fingerprint=image.sha256)
        while True:
            volume = self._pool.find(name)  # first the volume, then the claim: the claim is there before the volume
            chain = self._records.read(key)
            if volume is not None and chain is None:
                return volume
            if chain is None:
                hold = self._records.create(key, record)
                if hold is not None:
                    hold.begin()
            elif self._records.holder(chain) is None:
                hold = self._records.succeed(chain, record)
                if hold is not None and is_pruning(chain) and (there := self._pool.find(name)) is not None:
                    hold.remove()  # whoever wanted to remove it had not come to that
                    return there
            else:
                op.stage("wait for an upload of the image", CancelMode.IMMEDIATE)
                self._records.wait(key, op, f"the upload of image {name}")
                continue
            if hold is not None:
                return self._upload(hold, name, image, op)

    def _upload(self, hold: Hold, name: str, image: CachedImage, op: Operation) -> Volume:
        """Upload under a claim that is ours, and remove the claim."""
        try:
            if hold.before is None and (there := self._pool.find(name)) is not None:
                volume = there  # completed since we looked: no claim was on it
            else:
                volume = self._fill(name, image, op)
        except BaseException:
            with suppress(VirtError):  # what cannot be removed now is removed by the next one who wants the image
                hold.verify()  # else it is the image of whoever took over, and may be in use
                self._pool.remove(name)
                hold.remove()
            hold.end()
            raise
        hold.verify()
        hold.remove()
        return volume

    def _fill(self, name: str, image: CachedImage, op: Operation) -> Volume:
        op.stage(Stage.IMAGE, CancelMode.IMMEDIATE)
        self._pool.remove(name)
        volume = self._pool.create(name, image.size_bytes, ImageFormat.RAW)  # room for the image's bytes, of any format
        with image.path.open("rb") as file:
            volume.upload(file, image.size_bytes, op)
        return volume


def stays(records: Records, base: Backing) -> bool:
    """Whether an image on which an overlay was just based is there to stay: nobody has removed it, or is about to.

    Whoever removes one claims it first and then looks for overlays. So an overlay that was there before the claim is
    seen by him, and who made it later sees the claim, or that the image is gone.
    """
    name = PurePosixPath(base.path).name
    if not name.startswith(BASE_PREFIX):
        return True
    return records.read(name.rpartition(".")[0]) is None and records.pool.find(name) is not None


def base_name(image: CachedImage) -> str:
    """Volume that holds an image."""
    return f"{base_key(image.sha256)}.{image.format.value}"


def forget_volume(host: str, pool: Pool, name: str) -> None:
    """This process no longer takes it for granted that the image is there."""
    KNOWN.pop((host, pool.name, name), None)


def is_pruning(chain: Chain) -> bool:
    """Whether the last who worked on an image wanted to remove it."""
    claim = chain.newest.claim
    return claim is not None and claim.record.fingerprint == PRUNING
