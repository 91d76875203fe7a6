"""Base images that are pruned while guests are made of them, by somebody who may die."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.disk import Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import DiskPolicy
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.names import BASE_PREFIX, guest_of
from nova_virt_libvirt.storage.pools import Pool

POOL = "nova-virt"
ROUNDS = 12

MakeSpec = Callable[..., InstanceSpec]
Run = Callable[..., Any]


@pytest.fixture
def pool(native: Any) -> Pool:
    """The tests' pool."""
    return Pool(native, native.storagePoolLookupByName(POOL))


@pytest.fixture
def spec_of_image(make_spec: MakeSpec, image: Path) -> MakeSpec:
    """Makes specs of guests from the image."""
    return lambda: make_spec(disks=[Disk(source=LocalFile(image))])


def destroy(driver: LibvirtDriver, run: Run, spec: InstanceSpec) -> None:
    run(driver.destroy, InstanceRef(uuid=spec.uuid), disks=DiskPolicy.DELETE)


def claims(pool: Pool) -> list[str]:
    return [name for name in pool.names() if name.startswith(BASE_PREFIX) and "claim" in name]


@pytest.mark.parametrize("removed", [False, True], ids=["before the removal", "after the removal"])
def test_whoever_prunes_may_die(
    driver: LibvirtDriver, run: Run, spec_of_image: MakeSpec, pool: Pool, removed: bool
) -> None:
    first, second = spec_of_image(), spec_of_image()
    run(driver.prune_images)  # what other tests left
    run(driver.spawn, first)
    destroy(driver, run, first)
    (copy,) = [copy for copy in driver.cached_images() if not copy.used]
    hold = driver._claim(pool, copy.id.rpartition(".")[0])
    assert hold is not None
    if removed:
        pool.remove(copy.id)
    hold.end()  # what a dead process leaves
    assert claims(pool)
    run(driver.spawn, second)
    (again,) = driver.cached_images()
    assert (again.made_at == copy.made_at) is not removed
    assert again.used
    assert not claims(pool)
    destroy(driver, run, second)
    assert [one.id for one in run(driver.prune_images)] == [copy.id]
    assert not claims(pool)


def test_guests_that_are_made_while_somebody_prunes_have_their_image(
    make_driver: Callable[..., LibvirtDriver], run: Run, spec_of_image: MakeSpec, pool: Pool
) -> None:
    maker, pruner = make_driver(), make_driver()
    over = threading.Event()

    def prune() -> None:
        while not over.wait(0.05):  # else whoever wants the image may find it claimed whenever it looks
            run(pruner.prune_images)

    thread = threading.Thread(target=prune)
    thread.start()
    made = []
    try:
        for number in range(ROUNDS):
            spec = spec_of_image()
            run(maker.spawn, spec)
            made.append(spec)
            if number % 2:  # so that the image is unused for a moment
                for one in made:
                    destroy(maker, run, one)
                made = []
            else:
                assert based_on_what_is_there(pool, spec)
    finally:
        over.set()
        thread.join(60)
        for spec in made:
            destroy(maker, run, spec)


def based_on_what_is_there(pool: Pool, spec: InstanceSpec) -> bool:
    """Whether the guest's disk has its base."""
    pool.refresh()
    disk = next(name for name in pool.names() if guest_of(name) == spec.uuid and "disk" in name)
    base = pool.native.storageVolLookupByName(disk).XMLDesc(0).partition("<backingStore>")[2]
    path = base.partition("<path>")[2].partition("</path>")[0]
    return Path(path).name in pool.names()
