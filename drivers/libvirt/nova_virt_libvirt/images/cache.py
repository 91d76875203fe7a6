"""The role of seeing, making and removing the base images of pools."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid5

import libvirt
from lxml import etree

from nova_virt_api.driver.image_cache import ImageCache
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import VirtError
from nova_virt_api.model.identity import NAMESPACE
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.image_copy import ImageCopy
from nova_virt_api.model.record import Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import base_path, is_base
from nova_virt_libvirt.images.base import PRUNING, BaseImages, forget_volume
from nova_virt_libvirt.images.overlay import base_in_pool, fetched_image
from nova_virt_libvirt.names import BASE_PREFIX
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.storage.pools import Volume

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.image import ImageSource
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Pool


class LibvirtImageCache(ImageCache):
    """The role ImageCache: copies are the base images of overlays."""

    site: Site

    def cached_images(self) -> Sequence[ImageCopy]:
        pools = self._places().active_pools()
        with translated("look for base images"):
            used = {path for pool in pools for volume in pool.native.listAllVolumes(0) if (path := base_path(volume))}
        return tuple(found for pool in pools for volume in base_images(pool) if (found := shown(volume, used)))

    def prefetch_image(self, source: ImageSource, op: Operation, *, pool: str | None = None) -> ImageCopy:
        places = self._places()
        place = places.pool("pool", pool)
        with fetched_image(self.site, places, source, "source", op) as image:
            base_in_pool(self.site, place, image, op)
            volume = BaseImages(place, Records(place, self.site.host()), self.site.owner).volume(image)
        with translated("look for overlays"):
            used = {volume.path()} if is_base(volume.native) else set()
        return shown(volume, used) or self.prefetch_image(source, op, pool=pool)  # None: pruned since

    def prune_images(self, op: Operation, *, older_than_seconds: float = 0.0) -> Sequence[ImageCopy]:
        latest = time.time() - older_than_seconds
        unused = [found for found in self.cached_images() if not found.used and found.made_at <= latest]
        places, removed = self._places(), []
        for number, found in enumerate(unused):
            op.stage(Stage.CLEAN_UP, CancelMode.AT_NEXT_STEP)
            op.progress(number, len(unused))
            if self._prune(places.pool("pool", found.pool), found.id):
                removed.append(found)
        return tuple(removed)

    def _prune(self, pool: Pool, name: str) -> bool:
        """Remove a base image under a claim; False if it is used, gone, or somebody works on it.

        Whoever makes an overlay looks for such a claim afterwards, so of the two that meet one sees the other.
        """
        hold = self._claim(pool, name.rpartition(".")[0])
        if hold is None:
            return False
        try:
            pool.refresh()  # another host may have made overlays
            volume = pool.find(name)
            with translated(f"see whether volume {name} is in use"):
                free = volume is not None and not is_base(volume.native)
            if free:
                hold.verify()
                pool.remove(name)
            forget_volume(self.site.host(), pool, name)
        finally:
            with suppress(VirtError):  # otherwise whoever wants the image next sees that we are gone
                hold.remove()
            hold.end()
        return free

    def _claim(self, pool: Pool, key: str) -> Hold | None:
        records = Records(pool, self.site.host())
        record = Record(uuid=uuid5(NAMESPACE, key), owner=self.site.owner, fingerprint=PRUNING)
        chain = records.read(key)
        if chain is None:
            hold = records.create(key, record)
            if hold is not None:
                hold.begin()
            return hold
        newest = chain.newest.claim
        is_ours = newest is not None and newest.record.fingerprint == PRUNING
        return records.succeed(chain, record) if is_ours and records.holder(chain) is None else None

    def _places(self) -> Places:
        return Places(self.site.connection(), self.site.pool)


def base_images(pool: Pool) -> Iterator[Volume]:
    """The base images of a pool, complete or not."""
    with translated("look for base images"):
        for native in pool.native.listAllVolumes(0):
            volume = Volume(pool, native)
            if volume.name.startswith(BASE_PREFIX) and format_of(volume) is not None:
                yield volume


def shown(volume: Volume, used: Collection[str]) -> ImageCopy | None:
    """A base image as everybody sees it; None if it is gone."""
    image_format = format_of(volume)
    with suppress(VirtError), translated("look at a base image"):
        definition = etree.fromstring(volume.native.XMLDesc(0))
        if image_format is not None:
            return ImageCopy(
                id=volume.name,
                pool=volume.pool.name,
                format=image_format,
                size_bytes=int(volume.native.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2]),
                made_at=float(definition.findtext("target/timestamps/mtime") or 0.0),
                used=volume.path() in used,
            )
    return None


def format_of(volume: Volume) -> ImageFormat | None:
    """What a base image is, as its name says; None for what is no image, e.g. a claim on one."""
    ending = volume.name.rpartition(".")[2]
    return next((member for member in ImageFormat if member.value == ending), None)
