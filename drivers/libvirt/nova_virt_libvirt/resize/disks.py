"""A guest's own disks, as its definition names them and as the volumes that they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_virt_api.capability import Capability
from nova_virt_api.errors import InvalidSpec, NotSupported, StorageError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.foreign import volume_of
from nova_virt_libvirt.names import guest_of, is_disk
from nova_virt_libvirt.storage.pools import Backing, Pool, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import libvirt
    from lxml import etree

    from nova_virt_api.model.size import Size

GRANULE = 1024
"""Disks are whole kibibytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDisk:
    """One of the guest's own disks.

    Args:
        element: its ``<disk>``.
        volume: what it is.
    """

    element: etree._Element
    volume: Volume

    @property
    def format(self) -> ImageFormat:
        """Its format, as the definition says."""
        driver = self.element.find("driver")
        return ImageFormat("raw" if driver is None else driver.get("type", "raw"))

    def backing(self) -> Backing:
        """It as what a layer is based on."""
        return Backing(path=self.volume.path(), format=self.format)


def own_disks(connection: libvirt.virConnect, definition: etree._Element, uuid: UUID) -> list[OwnDisk]:
    """The disks that are volumes made for this guest, in the definition's order.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    found: list[OwnDisk] = []
    for element in definition.iterfind("devices/disk"):
        native = volume_of(connection, element)
        if native is not None and guest_of(native.name()) == uuid and is_disk(native.name()):
            pool = Pool(connection, native.storagePoolLookupByVolume())
            found.append(OwnDisk(element=element, volume=Volume(pool, native)))
    return found


def new_sizes(disks: Sequence[OwnDisk], size: Size, field: str = "size") -> list[int]:
    """The size in bytes of each disk after the resize.

    Raises:
        InvalidSpec: a disk would shrink, or there is no such disk.
    """
    if len(size.disks) > len(disks):
        last = len(size.disks) - 1
        raise InvalidSpec(f"{field}.disks[{last}]", size.disk(last), f"sizes of the guest's {len(disks)} own disks")
    sizes: list[int] = []
    for index, disk in enumerate(disks):
        before = disk.volume.capacity_bytes()
        wanted = size.disk(index)
        if wanted is not None and wanted < before:
            raise InvalidSpec(f"{field}.disks[{index}]", wanted, f"at least {before}, the disk's size: disks only grow")
        sizes.append(before if wanted is None else -(-wanted // GRANULE) * GRANULE)
    return sizes


def refuse_unfit(definition: etree._Element, disks: Sequence[OwnDisk], uuid: UUID) -> None:
    """Refuse a guest of whose own disks some cannot be found, as its pool may not be active, or cannot be layered.

    Raises:
        NotSupported: names the disk that is encrypted.
        StorageError: names the disk.
    """
    known = {disk.element for disk in disks}
    for element in definition.iterfind("devices/disk"):
        source = element.find("source")
        path = "" if source is None else source.get("file", "")
        name = path.rpartition("/")[2]
        if element in known and element.find(".//encryption") is not None:
            raise NotSupported(Capability.RESIZE, reason=f"disk {name} is encrypted, and a layer on it would not be")
        if element not in known and guest_of(name) == uuid and is_disk(name):
            raise StorageError(
                f"disk {path} of guest {uuid} is no volume of an active storage pool",
                hint="start the pool of the disk: virsh pool-start",
            )
