"""Disks of a spec."""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_integer, check_text, check_type
from nova_virt_api.model.device_tag import check_tag
from nova_virt_api.model.image import BackendUrl, ImageSource, LocalFile, Native, Store, Template, Url
from nova_virt_api.model.limits import DiskLimits

LARGEST_DISK: Final = 2**50
"""One pebibyte; anything above is taken for a slip."""

SERIAL: Final = re.compile(r"[A-Za-z0-9_.-]{1,20}")
"""Virtio disks have room for 20 characters."""


class DiskBus(enum.Enum):
    """The bus on which a guest sees a disk."""

    VIRTIO = "virtio"
    SATA = "sata"
    SCSI = "scsi"
    IDE = "ide"
    NVME = "nvme"
    USB = "usb"


class DiskCache(enum.Enum):
    """How the host keeps what a guest reads and writes in its own memory."""

    NONE = "none"
    """Not at all; the guest's flushes count. Guests on such disks can migrate live."""

    WRITE_THROUGH = "writethrough"
    """Only what was read; each write is on the disk when it is done."""

    WRITE_BACK = "writeback"
    """What was read and written; the guest's flushes count."""

    DIRECT_SYNC = "directsync"
    """Not at all; each write is on the disk when it is done."""

    UNSAFE = "unsafe"
    """What was read and written; the guest's flushes count for nothing, so a host that fails takes the disk along."""


@dataclass(frozen=True, slots=True)
class Blank:
    """An empty disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk that belongs to one guest and is deleted with it. The first of a spec is the one to boot from.

    Args:
        source: its first content.
        size_bytes: its size; None takes the image's own. A size below the image's is refused by ``spawn``.
        pool: name or id of the storage pool; None takes the spec's ``placement.pool``.
        bus: None takes what suits the endpoint best.
        limits: how fast the guest may use it; None is without limit.
        cache: how the host caches it; None takes what suits the endpoint best.
        discard: whether space that the guest discards is given back; None takes what suits the endpoint best.
        serial: the serial number that the guest sees: 1 to 20 letters, digits, ``_``, ``.`` or ``-``.
        tag: what programs in the guest are to know it by, with its address in their first-boot data: 1 to 60 characters
            without ``/`` and ``,``.
    """

    source: ImageSource | Blank
    size_bytes: int | None = None
    pool: str | None = None
    bus: DiskBus | None = None
    limits: DiskLimits | None = None
    cache: DiskCache | None = None
    discard: bool | None = None
    serial: str | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        sources = (LocalFile, Url, BackendUrl, Native, Template, Store, Blank)
        check_type("source", self.source, sources, 'an image source, e.g. LocalFile("debian-13.qcow2"), or Blank()')
        if self.size_bytes is not None:
            check_integer("size_bytes", self.size_bytes, 1, LARGEST_DISK, "bytes, e.g. GiB(20),")
        blank_without_size = isinstance(self.source, Blank) and self.size_bytes is None
        check(not blank_without_size, "size_bytes", None, "a size, since a blank disk has none of its own")
        if self.pool is not None:
            check_text("pool", self.pool, 255)
        if self.bus is not None:
            check_type("bus", self.bus, DiskBus, "a DiskBus")
        if self.limits is not None:
            check_type("limits", self.limits, DiskLimits, "a DiskLimits")
        if self.cache is not None:
            check_type("cache", self.cache, DiskCache, "a DiskCache")
        if self.discard is not None:
            check_type("discard", self.discard, bool, "True or False")
        if self.serial is not None:
            good = isinstance(self.serial, str) and SERIAL.fullmatch(self.serial) is not None
            check(good, "serial", self.serial, "1 to 20 letters, digits, '_', '.' or '-'")
        check_tag(self.tag)

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this disk, each with the field that asks for it."""
        if isinstance(self.source, Blank):
            yield Feature.BLANK_DISK, "source"
        else:
            yield from ((feature, "source") for feature in source_features(self.source))
        if self.bus is not None:
            yield Feature.DISK_BUS, "bus"
        if self.limits is not None:
            yield Feature.DISK_LIMITS, "limits"
        if self.cache is not None:
            yield Feature.DISK_CACHE, "cache"
        if self.discard is not None:
            yield Feature.DISK_DISCARD, "discard"
        if self.serial is not None:
            yield Feature.DISK_SERIAL, "serial"
        if self.tag is not None:
            yield Feature.DISK_TAG, "tag"


def source_features(source: ImageSource) -> Iterator[Feature]:
    """What an endpoint must declare for an image to come from there."""
    if isinstance(source, LocalFile | Url | Store):
        yield Feature.CLIENT_IMAGES
    elif isinstance(source, BackendUrl):
        yield Feature.BACKEND_URL
