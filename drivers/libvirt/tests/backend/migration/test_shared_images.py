"""Base images in a pool that two hosts see: what one does with them, the other's libvirtd does not notice."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_libvirt.storage.pools import Pool


@pytest.fixture
def ends(hosts: Any, connect: Callable[..., virt.Compute]) -> list[virt.Compute]:
    """A connection to each, with guests in the pool that both see."""
    return [connect(host, pool="shared") for host in hosts]


@pytest.fixture
def disks(image: virt.LocalFile) -> list[virt.Disk]:
    return [virt.Disk(source=image, size_bytes=virt.MiB(16))]


def base(host: Any, guest: virt.Instance) -> str:
    """The image that a guest's disk is based on; empty if that is gone."""
    raw = host.raw()
    pool = Pool(raw, raw.storagePoolLookupByName("shared"))
    pool.refresh()
    volume = pool.find(f"{guest.uuid}.disk0.qcow2")
    assert volume is not None
    path = volume.native.XMLDesc(0).partition("<backingStore>")[2].partition("<path>")[2].partition("</path>")[0]
    name = path.rpartition("/")[2]
    return name if name in pool.names() else ""


def test_an_image_that_another_hosts_guest_needs_stays(
    hosts: Any, ends: list[virt.Compute], spawn: Any, disks: list[virt.Disk], image: virt.LocalFile
) -> None:
    here, there = ends
    here.prefetch_image(image)
    hosts[1].raw().storagePoolLookupByName("shared").refresh(0)
    guest = spawn(there, disks=disks, power_on=False)
    here.prune_images()
    assert base(hosts[1], guest)


def test_an_image_that_another_host_has_removed_is_uploaded_again(
    hosts: Any, ends: list[virt.Compute], spawn: Any, disks: list[virt.Disk], image: virt.LocalFile
) -> None:
    here, there = ends
    first = spawn(there, disks=disks, power_on=False)
    there.destroy(first)
    hosts[0].raw().storagePoolLookupByName("shared").refresh(0)
    assert here.prune_images()
    assert base(hosts[1], spawn(there, disks=disks, power_on=False))
