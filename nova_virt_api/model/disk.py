"""Disks of a spec."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nova_virt_api.capability import Feature
from nova_virt_api.model.check import check, check_integer, check_text, check_type
from nova_virt_api.model.image import BackendUrl, ImageSource, LocalFile, Native, Store, Template, Url

LARGEST_DISK: Final = 2**50
"""One pebibyte; anything above is taken for a slip."""


class DiskBus(enum.Enum):
    """The bus on which a guest sees a disk."""

    VIRTIO = "virtio"
    SATA = "sata"
    SCSI = "scsi"
    IDE = "ide"


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
    """

    source: ImageSource | Blank
    size_bytes: int | None = None
    pool: str | None = None
    bus: DiskBus | None = None

    def __post_init__(self) -> None:
        sources = (LocalFile, Url, BackendUrl, Native, Template, Store, Blank)
        check_type("source", self.source, sources, "an image source or Blank()")
        if self.size_bytes is not None:
            check_integer("size_bytes", self.size_bytes, 1, LARGEST_DISK, "bytes, e.g. GiB(20),")
        blank_without_size = isinstance(self.source, Blank) and self.size_bytes is None
        check(not blank_without_size, "size_bytes", None, "a size, since a blank disk has none of its own")
        if self.pool is not None:
            check_text("pool", self.pool, 255)
        if self.bus is not None:
            check_type("bus", self.bus, DiskBus, "a DiskBus")

    def features(self) -> Iterator[tuple[Feature, str]]:
        """What an endpoint must declare for this disk, each with the field that asks for it."""
        if isinstance(self.source, Blank):
            yield Feature.BLANK_DISK, "source"
        else:
            yield from ((feature, "source") for feature in source_features(self.source))
        if self.bus is not None:
            yield Feature.DISK_BUS, "bus"


def source_features(source: ImageSource) -> Iterator[Feature]:
    """What an endpoint must declare for an image to come from there."""
    if isinstance(source, LocalFile | Url | Store):
        yield Feature.CLIENT_IMAGES
    elif isinstance(source, BackendUrl):
        yield Feature.BACKEND_URL
