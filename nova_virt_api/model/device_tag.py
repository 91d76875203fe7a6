"""Tags of a guest's devices: what programs in a guest know its interfaces and disks by, whatever their order is."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from nova_virt_api.model.check import check, check_text, check_type

LONGEST_TAG: Final = 60
NOT_IN_TAGS: Final = re.compile("[/,]")
TAG: Final = "^[^/,]+$"
"""A tag as a pattern of JSON Schema, beside its length."""


class DeviceBus(enum.Enum):
    """The kind of an address by which a guest's system knows a device."""

    PCI = "pci"
    SCSI = "scsi"
    SATA = "sata"
    IDE = "ide"
    USB = "usb"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAddress:
    """Where a guest's system finds a device.

    Args:
        bus: the kind of address. A virtio disk on PCI has one of PCI.
        text: for PCI ``domain:bus:slot.function``, e.g. ``0000:01:00.0``; for SCSI and SATA
            ``controller:bus:target:unit``; for IDE ``channel:unit``; for USB ``bus:port``. Hexadecimal for PCI only.
    """

    bus: DeviceBus
    text: str

    def __post_init__(self) -> None:
        check_type("bus", self.bus, DeviceBus, "a DeviceBus")
        check_text("text", self.text, 63)


def check_tag(tag: str | None) -> None:
    """Refuse what is no tag as Nova's API knows them; None is none at all."""
    if tag is None:
        return
    allowed = f"text of 1 to {LONGEST_TAG} characters, none of them '/', ',' or a control character"
    good = isinstance(tag, str) and NOT_IN_TAGS.search(tag) is None
    check(good, "tag", tag, allowed)
    check_text("tag", tag, LONGEST_TAG)
