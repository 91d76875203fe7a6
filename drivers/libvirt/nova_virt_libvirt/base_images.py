"""Images as volumes of a pool, uploaded once and shared by the overlays of all guests; named by their digest.

An image may be used when its volume is there and no claim on it is: whoever uploads takes the claim first and removes
it once the volume is complete. A claim whose holder is gone shows a volume that never will be.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid5

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import VirtError
from nova_virt_api.model.identity import NAMESPACE
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.record import Record
from nova_virt_libvirt.names import base_key
from nova_virt_libvirt.storage import Backing

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.cached import CachedImage
    from nova_virt_libvirt.hold import Hold
    from nova_virt_libvirt.records import Records
    from nova_virt_libvirt.storage import Pool, Volume

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
        key = base_key(image.sha256)
        name = f"{key}.{image.format.value}"
        known = (self._records.host, self._pool.name, name)
        if known not in KNOWN:
            KNOWN[known] = self._find_or_upload(key, name, image, op).path()
        return Backing(path=KNOWN[known], format=image.format)

    def forget(self, image: CachedImage) -> None:
        """Look again next time: somebody may have removed it."""
        KNOWN.pop((self._records.host, self._pool.name, f"{base_key(image.sha256)}.{image.format.value}"), None)

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
