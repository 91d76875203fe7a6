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
    VIRTUAL_FUNCTION = "virtual_function"
    """A part of a PCI device that can be given to a guest as if it were one (SR-IOV)."""

    MEDIATED = "mediated"
    """A part of a device that its driver on the host shares out, e.g. a virtual GPU."""

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
        parent: id of the listed device that it is a part of, or on; empty if there is none, or it is not known.
        numa_node: the host's NUMA node that it is near to, if known.
    """

    id: str
    kind: DeviceKind
    name: str = ""
    vendor: str = ""
    product: str = ""
    address: str = ""
    size_bytes: int | None = None
    parent: str = ""
    numa_node: int | None = None
