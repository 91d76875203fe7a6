"""Disks that are volumes of a storage service: the element, and what its alias says of the volume.

A disk's alias is a place for text of ours that libvirt keeps in a definition and never changes: ``ua-nv-`` and the
volume's id, and its tag if it has one. While a volume is swapped, the alias in the persistent definition says so and
names the other volume as well, so that whoever comes later knows how far it got. A running guest's own aliases cannot
be changed, so there a disk is known by the persistent definition's disk of the same target.
"""

from __future__ import annotations

import hashlib
import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml.builder import E

from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.volume import AttachedVolume
from nova_virt_api.model.volume_connection import FileVolume, NfsVolume
from nova_virt_libvirt.devices.tag import escaped, unescaped
from nova_virt_libvirt.machine.device_addresses import address_of

if TYPE_CHECKING:
    from lxml import etree

    from nova_virt_api.model.volume import Volume

PREFIX: Final = "ua-nv-"
INTO: Final = "_to_"
AT: Final = "_at_"
TAGGED: Final = "_tag_"
"""None of the three can come of an id or a tag: there, two hexadecimal digits follow each ``_``."""

LONGEST_SERIAL: Final = 36
"""Characters that libvirt's SCSI disks take; virtio disks show the first twenty."""

SERIAL: Final = re.compile(r"[^A-Za-z0-9_.+-]")
BUSES: Final = {bus.value: bus for bus in DiskBus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a disk's alias says.

    Args:
        id: the volume's id.
        into: id of the volume that it is being swapped for; None for none.
        at: digest of the place of that volume; empty for none.
        tag: what the guest is told of it; None for nothing.
    """

    id: str
    into: str | None = None
    at: str = ""
    tag: str | None = None

    def alias(self) -> str:
        """The alias that says this."""
        known = PREFIX + escaped(self.id) + ("" if self.tag is None else TAGGED + escaped(self.tag))
        if self.into is None:
            return known
        return f"{known}{INTO}{escaped(self.into)}{AT}{self.at}"


def label_of(disk: etree._Element) -> Label | None:
    """What the alias of a ``<disk>`` says; None for one that is no volume of ours."""
    alias = disk.find("alias")
    name = "" if alias is None else alias.get("name", "")
    if not name.startswith(PREFIX):
        return None
    first, _, rest = name.removeprefix(PREFIX).partition(INTO)
    known, _, tag = first.partition(TAGGED)
    second, _, at = rest.partition(AT)
    return Label(
        id=unescaped(known), into=unescaped(second) if rest else None, at=at, tag=unescaped(tag) if tag else None
    )


def is_volume(disk: etree._Element) -> bool:
    """Whether a ``<disk>`` is a volume that this driver attached, and which outlives the guest."""
    return label_of(disk) is not None


def place_of(source: etree._Element) -> str:
    """Where a ``<source>`` leads, in one line; libvirt's own additions do not count."""
    protocol = source.get("protocol")
    if protocol is None:
        return source.get("file") or source.get("dev") or ""
    ports = protocol != "nfs"  # libvirt knows of none there and may add one
    hosts = sorted(
        host.get("socket") or f"{host.get('name')}{':' + host.get('port', '') if ports else ''}"
        for host in source.iterfind("host")
    )
    return f"{protocol}:{','.join(hosts)}/{source.get('name', '')}"


def digest_of(source: etree._Element) -> str:
    """A short name of the place that a ``<source>`` leads to."""
    return hashlib.sha256(place_of(source).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class VolumeDisk:
    """A volume that a guest is made with.

    Args:
        volume: the volume.
        source: the ``<source>`` of its disk.
    """

    volume: Volume
    source: etree._Element

    @property
    def bus(self) -> DiskBus:
        """On which bus the guest sees it."""
        return bus_of(self.volume)

    def element(self, target: str) -> etree._Element:
        """Its disk, of this name."""
        return volume_element(self.volume, self.source, target)


def volume_element(volume: Volume, source: etree._Element, target: str) -> etree._Element:
    """The disk that a volume becomes.

    The hypervisor's host caches nothing of what others may write or have to find after it crashed; only a file of one
    guest may be on a file system that knows no other way.
    """
    shape = getattr(volume.connection, "format", ImageFormat.RAW)
    driver = E.driver(name="qemu", type=shape.value, discard="unmap")
    if volume.shared or not isinstance(volume.connection, FileVolume):
        driver.set("cache", "none")
    element = E.disk(
        driver,
        source,
        E.target(dev=target, bus=bus_of(volume).value),
        E.serial(volume.serial or SERIAL.sub("-", volume.id)[:LONGEST_SERIAL]),
        E.alias(name=Label(id=volume.id, tag=volume.tag).alias()),
        type=kind_of(source),
        device="disk",
    )
    if volume.read_only:
        element.append(E.readonly())
    if volume.shared:
        element.append(E.shareable())
    if volume.boot:
        element.append(E.boot(order="1"))
    return element


def mirror_element(volume: Volume, source: etree._Element) -> etree._Element:
    """The disk that a block copy writes to."""
    shape = volume.connection.format if isinstance(volume.connection, FileVolume | NfsVolume) else ImageFormat.RAW
    return E.disk(E.driver(name="qemu", type=shape.value), source, type=kind_of(source), device="disk")


def part_element(volume: Volume, source: etree._Element, size_bytes: int) -> etree._Element:
    """As :func:`mirror_element`, of which only the beginning is used: until the guest is started next."""
    part = deepcopy(source)
    part.insert(0, E.slices(E.slice(type="storage", offset="0", size=str(size_bytes))))
    return mirror_element(volume, part)


def kind_of(source: etree._Element) -> str:
    """The ``type`` of a disk with this ``<source>``."""
    if source.get("protocol") is not None:
        return "network"
    return "block" if source.get("dev") is not None else "file"


def bus_of(volume: Volume) -> DiskBus:
    """On which bus the guest sees a volume."""
    return volume.bus or DiskBus.VIRTIO


def shown(label: Label, disk: etree._Element) -> AttachedVolume:
    """A ``<disk>`` as everybody sees it.

    Args:
        label: what is said of it.
        disk: it.
    """
    target = disk.find("target")
    return AttachedVolume(
        id=label.id,
        device=None if target is None else target.get("dev"),
        bus=None if target is None else BUSES.get(target.get("bus", "")),
        boot=disk.find("boot[@order='1']") is not None,
        encrypted=disk.find("source/encryption") is not None or disk.find("encryption") is not None,
        shared=disk.find("shareable") is not None,
        read_only=disk.find("readonly") is not None,
        serial=disk.findtext("serial"),
        tag=label.tag,
        address=address_of(disk),
    )
