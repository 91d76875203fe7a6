"""Where a guest's system finds its devices, as libvirt says it of a definition or of a running guest."""

from __future__ import annotations

from typing import Any, Final

from nova_virt_api.model.device_tag import DeviceAddress, DeviceBus

DRIVES: Final = {"scsi": DeviceBus.SCSI, "sata": DeviceBus.SATA, "ide": DeviceBus.IDE}
"""Kinds of addresses that libvirt calls ``drive``, by the bus of the disk."""


def address_of(device: Any) -> DeviceAddress | None:
    """The address of an ``<interface>`` or a ``<disk>``; None where libvirt has given it none, or one of another kind.

    Args:
        device: it.
    """
    address = device.find("address")
    if address is None:
        return None
    match address.get("type"):
        case "pci":
            domain, bus, slot, function = (int(address.get(part), 0) for part in ("domain", "bus", "slot", "function"))
            return DeviceAddress(bus=DeviceBus.PCI, text=f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
        case "usb":
            return DeviceAddress(bus=DeviceBus.USB, text=f"{address.get('bus')}:{address.get('port')}")
        case "drive":
            return drive_address(device, address)
    return None


def drive_address(disk: Any, address: Any) -> DeviceAddress | None:
    """The address of a disk on a controller; None for a bus that the API does not know."""
    target = disk.find("target")
    bus = None if target is None else DRIVES.get(target.get("bus"))
    if bus is None:
        return None
    parts = ("bus", "unit") if bus is DeviceBus.IDE else ("controller", "bus", "target", "unit")
    return DeviceAddress(bus=bus, text=":".join(address.get(part, "0") for part in parts))
