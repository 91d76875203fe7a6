"""Copies of images that an endpoint keeps: made, used, removed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.image_cache import ImageCache
from nova_virt_api.errors import ImageNotFound, InvalidSpec
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_api.model.image_copy import ImageCopy
from nova_virt_conformance.aftermath import leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab

SLACK: Final = 60.0
"""Seconds by which clocks may differ, or are rounded."""

A_DAY: Final = 86400.0


@covers(Capability.IMAGE_CACHE, ImageCache.cached_images)
def test_copies_are_well_formed(lab: Lab) -> None:
    """Each copy is told once, with a pool that is there."""
    found = lab.compute.cached_images()
    assert len({(copy.pool, copy.id) for copy in found}) == len(found), "a copy twice"
    assert {copy.pool for copy in found} <= {pool.name for pool in lab.compute.storage_pools()}
    for copy in found:
        assert type(copy) is ImageCopy
        assert copy.size_bytes >= 0
        assert copy.made_at <= time.time() + SLACK


@needs(Feature.CLIENT_IMAGES)
@covers(Capability.IMAGE_CACHE, ImageCache.prefetch_image, ImageCache.prune_images, ImageCache.cached_images)
def test_a_copy_is_made_once_and_removed(lab: Lab, tmp_path: Path) -> None:
    """An image is brought into a pool once; a pruning that is not for old ones only takes it away again."""
    image, pool = new_image(tmp_path), lab.rig.target.pools[0]
    copy = lab.compute.prefetch_image(image, pool=pool, timeout=lab.patience)
    assert (copy.pool, copy.used) == (pool, False)
    assert abs(copy.made_at - time.time()) < SLACK
    assert lab.other.prefetch_image(image, pool=pool, timeout=lab.patience) == copy
    assert lab.compute.cached_images().count(copy) == 1
    assert copy not in lab.compute.prune_images(older_than_seconds=A_DAY, timeout=lab.patience)
    assert copy in lab.compute.cached_images()
    assert copy in lab.compute.prune_images(timeout=lab.patience)
    assert copy not in lab.compute.cached_images()
    assert copy not in lab.compute.prune_images(timeout=lab.patience)


@needs(Feature.CLIENT_IMAGES)
@covers(Capability.IMAGE_CACHE, ImageCache.prune_images, ImageCache.prefetch_image, Driver.spawn, Driver.destroy)
def test_a_copy_that_is_used_stays(lab: Lab, tmp_path: Path) -> None:
    """A copy that a guest's disk is based on is not pruned; without that guest it is."""
    image, pool = new_image(tmp_path), lab.rig.target.pools[0]
    copy = lab.compute.prefetch_image(image, pool=pool, timeout=lab.patience)
    guest = lab.spawn(disks=(Disk(source=image, pool=pool),), power_on=False)
    used = [one for one in lab.other.cached_images() if (one.pool, one.id) == (copy.pool, copy.id)]
    assert [one.used for one in used] == [True]
    assert copy.id not in {one.id for one in lab.compute.prune_images(timeout=lab.patience)}
    lab.compute.destroy(guest, timeout=lab.patience)
    assert copy.id in {one.id for one in lab.compute.prune_images(timeout=lab.patience)}


@needs(Feature.CLIENT_IMAGES)
@covers(Capability.IMAGE_CACHE, ImageCache.prune_images, Driver.spawn)
def test_what_was_pruned_is_made_anew(lab: Lab, tmp_path: Path) -> None:
    """A guest can be made from an image whose copy was removed, by a connection that has used it before."""
    image, pool = new_image(tmp_path), lab.rig.target.pools[0]
    for _ in range(2):
        guest = lab.spawn(disks=(Disk(source=image, pool=pool),), power_on=False)
        lab.compute.destroy(guest, timeout=lab.patience)
        lab.other.prune_images(timeout=lab.patience)
    assert not [copy for copy in lab.compute.cached_images() if not copy.used]


@needs(Feature.CLIENT_IMAGES)
@covers(Capability.IMAGE_CACHE, ImageCache.prefetch_image, InvalidSpec, ImageNotFound)
def test_images_that_are_not_there(lab: Lab, tmp_path: Path) -> None:
    """An image that is not there, or is wanted where there is no pool, leaves nothing."""
    image = new_image(tmp_path)
    with leaving_nothing(lab, "the failed prefetch"):
        with pytest.raises(InvalidSpec) as caught:
            lab.compute.prefetch_image(image, pool="no-such-pool", timeout=lab.patience)
        assert caught.value.field == "pool"
        with pytest.raises(ImageNotFound):
            lab.compute.prefetch_image(LocalFile(tmp_path / "nothing"), timeout=lab.patience)


def new_image(directory: Path) -> LocalFile:
    """An image that nobody has used before: its bytes are new."""
    path = directory / "new.raw"
    path.write_bytes(uuid4().bytes.ljust(65536, b"\0"))
    return LocalFile(path, format=ImageFormat.RAW)
