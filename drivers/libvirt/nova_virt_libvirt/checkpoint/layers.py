"""The volumes that a guest's disks are made of, each an overlay of the one below."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import libvirt
from lxml import etree

from nova_virt_api.errors import StorageError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.foreign import is_own, volume_at, volume_of
from nova_virt_libvirt.names import guest_of, is_disk, is_of_point, is_of_resize, part_of, point_volume_name
from nova_virt_libvirt.storage.pools import Backing, Pool, Volume, storage_errors

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation

KNOWN_FORMATS: Final = {image_format.value: image_format for image_format in ImageFormat}


@dataclass(frozen=True, slots=True)
class Top:
    """A disk of a guest, and the volume that it writes to.

    Args:
        target: the disk's target, e.g. ``vda``.
        volume: the volume.
        path: where the hypervisor has it.
        format: its format.
    """

    target: str
    volume: Volume
    path: str
    format: ImageFormat


@dataclass(frozen=True, slots=True)
class Layer:
    """One volume of a guest's disk.

    Args:
        volume: the volume.
        path: where the hypervisor has it.
        backing: path of the volume below; None for none.
        format: its format.
    """

    volume: Volume
    path: str
    backing: str | None
    format: ImageFormat


def own_tops(connection: libvirt.virConnect, definition: etree._Element, uuid: UUID) -> list[Top]:
    """The disks of a definition that belong to the guest alone: volumes that bear its uuid.

    Raises:
        StorageError: one is in a pool that is not active.
        libvirt.libvirtError: the connection broke.
    """
    tops: list[Top] = []
    for disk in definition.iterfind("devices/disk"):
        native = volume_of(connection, disk) if is_own(disk) else None
        if native is None and guest_of(file_name(disk)) == uuid and is_own(disk):
            raise StorageError(
                f"disk {target_of(disk)} of guest {uuid} is in no active storage pool",
                hint="start its pool (virsh pool-start)",
            )
        if native is not None and guest_of(native.name()) == uuid:
            volume = Volume(Pool(connection, native.storagePoolLookupByVolume()), native)
            tops.append(Top(target_of(disk), volume, native.path(), format_of(disk.find("driver"))))
    return tops


def other_disks(definition: etree._Element, tops: Iterable[Top]) -> list[str]:
    """Targets of the writable disks that are not among these."""
    own = {top.target for top in tops}
    targets = [
        target_of(disk)
        for disk in definition.iterfind("devices/disk")
        if disk.get("device", "disk") in ("disk", "lun") and disk.find("readonly") is None
    ]
    return [target for target in targets if target not in own]


def file_name(disk: etree._Element) -> str:
    """The last part of the path of a ``<disk>``; empty for one that is no file."""
    source = disk.find("source")
    return "" if source is None else source.get("file", "").rpartition("/")[2]


def target_of(disk: etree._Element) -> str:
    """The target of a ``<disk>``."""
    target = disk.find("target")
    return "" if target is None else target.get("dev", "")


def format_of(element: etree._Element | None) -> ImageFormat:
    """The format that a ``<driver>`` or ``<format>`` tells; libvirt takes what says nothing for raw."""
    return KNOWN_FORMATS.get("raw" if element is None else element.get("type", "raw"), ImageFormat.RAW)


def put_disks(definition: etree._Element, paths: Mapping[str, tuple[str, ImageFormat]]) -> None:
    """Give disks of a definition other volumes.

    Args:
        definition: the definition, which is changed.
        paths: by the disk's target, path and format of its volume.
    """
    for disk in definition.iterfind("devices/disk"):
        found = paths.get(target_of(disk))
        if found is None:
            continue
        path, image_format = found
        disk.set("type", "file")
        for name in ("backingStore", "mirror", "source"):  # libvirt reads from the volume what is below it
            for element in disk.findall(name):
                disk.remove(element)
        etree.SubElement(disk, "source", file=path)
        driver = disk.find("driver")
        if driver is None:
            driver = etree.SubElement(disk, "driver", name="qemu")
        driver.set("type", image_format.value)


class Overlays:
    """New volumes for a guest's disks to write to.

    Args:
        uuid: the guest.
        token: part of their names.
    """

    def __init__(self, uuid: UUID, token: str) -> None:
        self._uuid = uuid
        self._token = token
        self._volumes: list[Volume] = []
        self.made: dict[str, tuple[str, ImageFormat]] = {}
        """By the disk's target, path and format."""

    def add(self, target: str, below: Volume, path: str, image_format: ImageFormat) -> None:
        """Make one, beside the volume that it lies on.

        Raises:
            NoCapacity: the pool is full.
            StorageError: it could not be made.
        """
        name = point_volume_name(self._uuid, part_of(below.name), self._token, ImageFormat.QCOW2)
        base = Backing(path=path, format=image_format)
        volume = below.pool.create(name, below.capacity_bytes(), ImageFormat.QCOW2, base=base)
        self._volumes.append(volume)
        self.made[target] = volume.path(), ImageFormat.QCOW2

    def remove(self) -> None:
        """Remove them; nothing must use them."""
        for volume in self._volumes:
            volume.remove()


class Layers:
    """What lies below one guest's disks, as libvirt's storage drivers read it now.

    Args:
        connection: the connection to look with.
        uuid: the guest.
        pools: where its volumes may be.
        op: the operation worked for, until whose deadline a pool may be busy; None for a short while.
    """

    def __init__(
        self, connection: libvirt.virConnect, uuid: UUID, pools: Iterable[Pool], op: Operation | None = None
    ) -> None:
        self._op = op
        self._connection = connection
        self._uuid = uuid
        self._pools = list(pools)
        self._layers: dict[str, Layer] = {}
        self._sides: dict[str, Volume] = {}
        for pool in self._pools:
            if any(guest_of(name) == uuid for name in pool.names()):
                self._read(pool)

    def of(self, path: str) -> Layer | None:
        """The guest's own layer of this path; None for a base image's or another's."""
        return self._layers.get(path)

    def under(self, paths: Iterable[str]) -> set[str]:
        """These volumes and all below them."""
        found: set[str] = set()
        for path in paths:
            found.update(self.chain(path))
        return found

    def chain(self, path: str) -> Iterator[str]:
        """This volume and all that are below it, down to what is not the guest's."""
        here: str | None = path
        while here is not None:
            yield here
            layer = self._layers.get(here)
            here = None if layer is None else layer.backing

    def overlays(self, path: str, *, gone: Collection[str] = ()) -> list[Layer]:
        """The volumes that lie on this one, also those of a disk that is not at the guest now.

        Args:
            path: the lower one.
            gone: names of volumes that were removed since this was read.
        """
        return [layer for layer in self._layers.values() if layer.backing == path and layer.volume.name not in gone]

    def unused(self, used: Collection[str], tops: Collection[str]) -> list[Volume]:
        """The volumes that were made with checkpoints, or by a resize that is over, and are none of those in use.

        Those of a disk that is not at the guest now are nobody's to remove: it may come back.

        Args:
            used: paths of the volumes in use.
            tops: paths of the volumes that the guest's disks write to.
        """
        parts = {part_of(layer.volume.name) for path, layer in self._layers.items() if path in tops}
        layers = {path: layer.volume for path, layer in self._layers.items() if part_of(layer.volume.name) in parts}
        everything = layers | self._sides
        left = [volume for path, volume in everything.items() if path not in used]
        return [volume for volume in left if is_of_point(volume.name) or is_of_resize(volume.name)]

    def _read(self, pool: Pool) -> None:
        pool.refresh(self._op)  # QEMU writes itself what a layer is an overlay of
        with storage_errors("look at the guest's volumes", pool.name):
            for native in pool.native.listAllVolumes(0):
                if guest_of(native.name()) != self._uuid:
                    continue
                volume = Volume(pool, native)
                if is_disk(volume.name):
                    self._layers[volume.path()] = layer_of(volume)
                elif is_of_point(volume.name):  # others come and go with what somebody else does to the guest
                    self._sides[volume.path()] = volume


def layer_at(connection: libvirt.virConnect, path: str) -> Layer | None:
    """The layer of this path; None if there is none.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    native = volume_at(connection, path)
    return None if native is None else layer_of(Volume(Pool(connection, native.storagePoolLookupByVolume()), native))


def layer_of(volume: Volume) -> Layer:
    """A volume as a layer, as libvirt's storage driver last read it.

    Raises:
        libvirt.libvirtError: the volume is gone, or the connection.
    """
    description = etree.fromstring(volume.native.XMLDesc(0), PARSER)
    return Layer(
        volume=volume,
        path=volume.path(),
        backing=description.findtext("backingStore/path"),
        format=format_of(description.find("target/format")),
    )
