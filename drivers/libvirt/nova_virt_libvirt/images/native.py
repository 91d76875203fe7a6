"""Images that are volumes of a pool already; their bytes are checked like any others before they are used."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import ImageNotFound, InvalidSpec
from nova_virt_api.model.image import LocalFile
from nova_virt_libvirt.names import guest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.images.cache import ImageCache
    from nova_virt_api.images.cached import CachedImage
    from nova_virt_api.model.image import Native
    from nova_virt_libvirt.places import Places


@contextmanager
def fetched(source: Native, field: str, places: Places, images: ImageCache, op: Operation) -> Iterator[CachedImage]:
    """The image as the client's cache has it.

    Args:
        source: ``pool/volume``, or a volume of the pool for disks that name none.
        field: what errors call the source.
        places: what names of pools mean.
        images: the cache.
        op: the operation worked for.

    Raises:
        ImageNotFound: there is no such volume.
        InvalidSpec: there is no such pool, or the volume is a guest's.
    """
    pool_name, _, name = source.ref.rpartition("/")
    pool = places.pool(field, pool_name or None)
    if guest_of(name) is not None:
        raise InvalidSpec(field, source.ref, "a volume that is not a guest's own, e.g. one that a snapshot made")
    volume = pool.find(name)
    if volume is None:
        raise ImageNotFound(f"there is no volume {name} in storage pool {pool.name}")
    with tempfile.TemporaryDirectory(prefix="nova-virt-") as directory:
        path = Path(directory) / "image"
        op.stage("fetch the image", CancelMode.IMMEDIATE)
        with path.open("wb") as file:
            volume.download(file, op)
        image = images.fetch(LocalFile(path), op)
    with image:
        yield image
