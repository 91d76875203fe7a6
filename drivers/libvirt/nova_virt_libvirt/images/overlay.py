"""Images as bases of disks: brought into a pool if they are not there, and overlays of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Busy
from nova_virt_api.model.image import ImageFormat, Native
from nova_virt_libvirt.build import GRANULE
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.images.base import BaseImages, stays
from nova_virt_libvirt.images.native import fetched

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.cached import CachedImage
    from nova_virt_api.model.image import ImageSource
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Backing, Pool, Volume


def fetched_image(
    site: Site, places: Places, source: ImageSource, field: str, op: Operation
) -> AbstractContextManager[CachedImage]:
    """An image as the client's cache has it.

    Args:
        site: the endpoint.
        places: what names of places mean.
        source: the image.
        field: what errors call the source.
        op: the operation worked for.

    Raises:
        ImageNotFound: the source has no such image.
        ImageRejected: it is not what was promised or not safe.
    """
    if isinstance(source, Native):
        return fetched(source, field, places, site.images, op)
    return site.images.fetch(source, op)


def base_in_pool(site: Site, pool: Pool, image: CachedImage, op: Operation) -> Backing:
    """The image as a base in a pool, uploaded if it is not there.

    Raises:
        Busy: somebody else was still uploading it at the deadline.
        NoCapacity: the pool is full.
        StorageError: it could not be written.
    """
    bases = BaseImages(pool, Records(pool, site.host()), site.owner)
    bases.forget(image)  # somebody may have removed it since it was seen last
    return bases.ensure(image, op)


def new_overlay(pool: Pool, name: str, size_bytes: int, base: Backing, op: Operation) -> Volume:
    """A disk that begins with the base's content.

    Raises:
        Busy: the base is being removed by somebody who did not know of this.
        NoCapacity: the pool is full.
        StorageError: it could not be made.
    """
    op.stage(Stage.DISKS)
    volume = pool.create(name, -(-size_bytes // GRANULE) * GRANULE, ImageFormat.QCOW2, base=base)
    if not stays(Records(pool, ""), base):
        volume.remove()
        raise Busy(f"the image {base.path} is being removed just now", hint="try again")
    return volume
