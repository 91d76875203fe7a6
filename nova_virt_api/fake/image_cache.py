"""Copies of images in pools."""

import time
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.image_cache import ImageCache
from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Volume
from nova_virt_api.fake.images import image_of
from nova_virt_api.fake.places import check_pool
from nova_virt_api.fake.state import State
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.image import ImageFormat, ImageSource
from nova_virt_api.model.image_copy import ImageCopy
from nova_virt_api.model.spec import require_one

KIND = "image copy"


class FakeImageCache(ImageCache):
    """The role ``ImageCache`` of the fake driver, whose disks stand alone unless their image has a copy in the pool."""

    connection: Connection

    def cached_images(self) -> Sequence[ImageCopy]:
        self.connection.require(Capability.IMAGE_CACHE)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            return tuple(shown(volume, state) for volume in copies(state))

    def prefetch_image(self, source: ImageSource, op: Operation, *, pool: str | None = None) -> ImageCopy:
        self.connection.require(Capability.IMAGE_CACHE)
        place = require_one("pool", pool, self.connection.world.shape.pools)
        self.connection.step(Step.PREFETCH_IMAGE, op)
        image = image_of(self.connection, source, "source", op)
        name = copy_name(image.sha256)
        with self.connection.world.changing() as state:
            volume = state.volumes.get((place, name))
            if volume is None:
                check_pool(state, self.connection.world.shape, place, image.size_bytes)
                volume = Volume(
                    pool=place,
                    name=name,
                    kind=KIND,
                    size_bytes=image.size_bytes,
                    content=image.text,
                    made_at=time.time(),
                )
                state.put_volume(volume)
            return shown(volume, state)

    def prune_images(self, op: Operation, *, older_than_seconds: float = 0.0) -> Sequence[ImageCopy]:
        self.connection.require(Capability.IMAGE_CACHE)
        latest = time.time() - older_than_seconds
        with self.connection.world.reading() as state:
            keys = [volume.key for volume in copies(state) if volume.made_at <= latest]
        removed = []
        for key in keys:
            self.connection.step(Step.PRUNE_IMAGE, op)
            with self.connection.world.changing() as state:
                if key in state.volumes and not (found := shown(state.volumes[key], state)).used:
                    state.drop_volume(key)
                    removed.append(found)
        return tuple(removed)


def copy_name(sha256: str) -> str:
    """The volume that holds the copy of an image; no other bears such a name."""
    return f"image-{sha256}"


def copies(state: State) -> list[Volume]:
    """The copies of images in all pools."""
    return [volume for volume in state.volumes.values() if volume.kind == KIND]


def shown(volume: Volume, state: State) -> ImageCopy:
    """A copy as everybody sees it."""
    return ImageCopy(
        id=volume.name,
        pool=volume.pool,
        format=ImageFormat.RAW,
        size_bytes=volume.size_bytes,
        made_at=volume.made_at,
        used=any((other.pool, other.base) == volume.key for other in state.volumes.values()),
    )
