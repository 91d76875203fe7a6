"""Devices of a node."""

import enum
from dataclasses import dataclass


class DeviceKind(enum.Enum):
    """Kinds of device."""

    PROCESSOR = "processor"
    MEMORY = "memory"
    DISK = "disk"
    NIC = "nic"
    PCI = "pci"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of a node.

    Args:
        id: the backend's id for it, unique on the node.
        kind: what it is.
        name: what people call it, e.g. a model name.
        vendor: vendor's name or number, if known.
        product: product's name or number, if known.
        address: where it is on the node, e.g. a PCI address, a MAC address for a NIC, a device path for a disk.
        size_bytes: of memory and disks, if known.
    """

    id: str
    kind: DeviceKind
    name: str = ""
    vendor: str = ""
    product: str = ""
    address: str = ""
    size_bytes: int | None = None
