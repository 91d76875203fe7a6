"""What is a volume of a pool and what is not, and who uses one: guests that others made name it in their own ways."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import Busy, NoCapacity
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_api.model.instance import Scope
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.storage.pools import Pool
from nova_virt_libvirt.stored_volumes.name import PREFIX

POOL, SIZE = "nova-virt", MiB(8)

Run = Callable[..., Any]


@pytest.fixture
def pool(native: Any) -> Iterator[Pool]:
    """The tests' pool; what they made there is removed."""
    pool = Pool(native, native.storagePoolLookupByName(POOL))
    before = pool.names()
    yield pool
    for name in set(pool.names()) - set(before):
        pool.remove(name)


def name_volume(native: Any, guest: Any, name: str) -> None:
    """Give a guest a disk as others do: by the pool and the name of the volume."""
    domain = native.lookupByUUID(guest.uuid.bytes)
    definition: Any = etree.fromstring(domain.XMLDesc(0))
    disk = E.disk(
        E.driver(name="qemu", type="qcow2"),
        E.source(pool=POOL, volume=name),
        E.target(dev="vdx", bus="virtio"),
        type="volume",
        device="disk",
    )
    definition.find("devices").append(disk)
    native.defineXML(etree.tostring(definition, encoding="unicode"))


def test_a_volume_that_a_guest_names_by_its_pool(driver: Any, run: Run, pool: Pool, native: Any, blank: Any) -> None:
    """It is as much in use as one that is named by its path."""
    made: StoredVolume = run(driver.create_volume, StoredVolumeSpec(name="named", size_bytes=SIZE))
    (name,) = [name for name in pool.names() if name.startswith(PREFIX)]
    guest = blank("by-hand", owner=None)
    name_volume(native, guest, name)
    assert driver.stored_volume(made.id).guests == (guest.uuid,)
    with pytest.raises(Busy, match=str(guest.uuid)):
        run(driver.delete_volume, made.id)
    native.lookupByUUID(guest.uuid.bytes).create()
    with pytest.raises(Busy, match=str(guest.uuid)):
        run(driver.resize_volume, made.id, 2 * SIZE)
    native.lookupByUUID(guest.uuid.bytes).destroy()
    native.lookupByUUID(guest.uuid.bytes).undefine()
    assert run(driver.delete_volume, made.id)


def test_a_disk_that_another_guest_names_by_its_pool_is_kept(
    make_driver: Any, run: Run, pool: Pool, native: Any, blank: Any
) -> None:
    """Whoever removes a guest of other making removes only what is that guest's alone."""
    driver = make_driver(manage=Manage.ALL)
    volume = pool.create("shared-by-hand.qcow2", SIZE, ImageFormat.QCOW2)
    first, second = blank("first", owner=None), blank("second", owner=None)
    for guest in (first, second):
        name_volume(native, guest, volume.name)
    run(driver.destroy, first, foreign=True)
    pool.refresh()
    assert pool.find(volume.name) is not None
    run(driver.destroy, second, foreign=True)
    assert pool.find(volume.name) is None


def test_what_the_driver_notes_in_a_pool_is_no_volume(driver: Any, pool: Pool) -> None:
    for name in ("nova-virt-host-cpus.claim", f"nova-virt-maintenance-{driver.host.uuid}", "nova-virt-doctor-0a1b2c3d"):
        pool.create(name, 4096, ImageFormat.RAW)
    assert driver.stored_volumes(scope=Scope.ALL) == ()


@pytest.mark.parametrize("kind", [ImageFormat.RAW, ImageFormat.QCOW2])
def test_no_room_for_an_image(
    kind: ImageFormat, small_pool: str, driver: Any, run: Run, raw: Any, tmp_path: Path
) -> None:
    """A pool that is full in the middle of an upload is said to be so, and nothing is left there."""
    image = tmp_path / "image.raw"
    image.write_bytes(b"\7" * SIZE)
    with pytest.raises(NoCapacity) as caught:
        run(
            driver.upload_volume,
            StoredVolumeSpec(name="large", pool=small_pool, format=kind),
            LocalFile(image, format=ImageFormat.RAW),
        )
    assert caught.value.resource == small_pool
    pool = raw().storagePoolLookupByName(small_pool)
    pool.refresh(0)
    assert (pool.listVolumes(), driver.leftovers(), driver.stored_volumes()) == ([], [], ())
