"""The disk that a guest boots from: which one it is, where it is, what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import is_base, is_own, paths_of_others, volume_at, volume_of
from nova_virt_libvirt.names import guest_of
from nova_virt_libvirt.storage.pools import OVERLAY_KINDS, Backing, Pool, Volume

if TYPE_CHECKING:
    import libvirt


@dataclass(frozen=True, slots=True)
class BootDisk:
    """A guest's boot disk.

    Args:
        element: its ``<disk>``.
        volume: the volume that it is.
    """

    element: Any
    volume: Volume

    @property
    def bus(self) -> str:
        """The bus that the guest sees it on."""
        return str(self.element.find("target").get("bus", ""))

    @property
    def is_in_files(self) -> bool:
        """Whether it is in a pool that can hold overlays."""
        return self.volume.pool.kind() in OVERLAY_KINDS

    def is_its_own(self, connection: libvirt.virConnect, uuid: str) -> bool:
        """Whether it is the guest's alone, in a pool that can hold overlays."""
        with translated("look at the guest's boot disk"):
            return (
                is_own(self.element)
                and self.element.find("encryption") is None
                and self.is_in_files
                and self.volume.native.path() not in paths_of_others(connection, uuid)
                and not is_base(self.volume.native)
            )

    def image(self) -> Backing | None:
        """The image that it was made from: what it, or the last of its own layers, is an overlay of; None for none."""
        with translated("look at the guest's boot disk"):
            volume, connection = self.volume.native, self.volume.pool.connection
            while volume is not None:
                base = backing_of(volume)
                if base is None or guest_of(base.path.rpartition("/")[2]) is None:
                    return base
                volume = volume_at(connection, base.path)
        return None


def backing_of(volume: libvirt.virStorageVol) -> Backing | None:
    """What a volume is an overlay of; None for one that stands alone."""
    backing = etree.fromstring(volume.XMLDesc(0)).find("backingStore")
    if backing is None or not (path := backing.findtext("path")):
        return None
    found = backing.find("format")
    return Backing(path=path, format=ImageFormat.RAW if found is None else ImageFormat(found.get("type", "raw")))


def boot_disk_of(connection: libvirt.virConnect, root: Any) -> BootDisk | None:
    """The disk that a definition boots from; None if there is none, or it is no volume of an active pool.

    Args:
        connection: the connection to look with.
        root: the definition.
    """
    element = boot_element_of(root)
    if element is None:
        return None
    with translated("look at the guest's boot disk"):
        native = volume_of(connection, element)
        if native is None:
            return None
        return BootDisk(element, Volume(Pool(connection, native.storagePoolLookupByVolume()), native))


def boot_element_of(root: Any) -> Any:
    """The ``<disk>`` that a definition boots from; None if there is none."""
    disks = [disk for disk in root.iterfind("devices/disk") if disk.get("device", "disk") == "disk"]
    return min(disks, key=boot_order, default=None)


def boot_order(disk: Any) -> float:
    """Its place in the order of booting; those that have none come last, in their own order."""
    boot = disk.find("boot")
    return float("inf") if boot is None else float(boot.get("order"))
