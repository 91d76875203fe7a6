"""The role Devices: what inspection found in a node, and the network cards that Ironic was told of.

The inventory is the one that Ironic Python Agent, or inspection by Redfish, makes (API reference: "Node
Inventory", microversion 1.81; its fields: Ironic Python Agent's documentation, "Hardware Inventory").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.devices import Devices
from nova_virt_api.model.device import Device, DeviceKind
from nova_virt_ironic.errors import NotThere
from nova_virt_ironic.inventory import pick
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.ports import Port, Ports
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nova_virt_ironic.node import NodeRow

MIB: Final = 1024**2


class IronicDevices(OnSite, Devices):
    """Reads a node's hardware inventory and its ports: two requests."""

    def devices(self, node: str | None = None) -> Sequence[Device]:
        row = pick(self.site.listing.snapshot().rows.values(), node)
        found = tuple(inspected(self._hardware_inventory(row)))
        return (*found, *enrolled(Ports(self.site.connection).of(row), found))

    def _hardware_inventory(self, row: NodeRow) -> Mapping[str, Any]:
        """What inspection wrote down; nothing where there never was one."""
        if not self.site.connection.serves(Call.HARDWARE_INVENTORY):
            return {}
        try:
            return self.site.connection.read(
                f"read the hardware inventory of node {row.label}",
                lambda client: client.node.get_inventory(row.uuid),
                at=Call.HARDWARE_INVENTORY,
            )
        except NotThere:
            return {}


def inspected(found: Mapping[str, Any]) -> Iterator[Device]:
    """The devices of an inventory. What it does not tell is left out; ids are made unique."""
    inventory = found.get("inventory") or {}
    cpu, memory = inventory.get("cpu") or {}, inventory.get("memory") or {}
    if cpu:
        name = f"{cpu.get('count', '?')} x {text(cpu, 'model_name') or 'processor'}"
        yield Device(id="cpu", kind=DeviceKind.PROCESSOR, name=name, product=text(cpu, "architecture"))
    size = memory.get("physical_mb")
    if size or memory.get("total"):
        total = int(size) * MIB if size else int(memory["total"])
        yield Device(id="memory", kind=DeviceKind.MEMORY, name="memory", size_bytes=total)
    for disk in inventory.get("disks") or ():
        yield disk_of(disk)
    for card in inventory.get("interfaces") or ():
        if card.get("mac_address"):
            yield card_of(card)
    for index, device in enumerate((found.get("plugin_data") or {}).get("pci_devices") or ()):
        yield pci_of(device, index)


def disk_of(disk: Mapping[str, Any]) -> Device:
    """A disk; it is named by what does not change when another one is put in."""
    identity = next((text(disk, key) for key in ("wwn", "serial", "by_path", "name") if disk.get(key)), "disk")
    return Device(
        id=identity,
        kind=DeviceKind.DISK,
        name=text(disk, "model"),
        vendor=text(disk, "vendor"),
        product=text(disk, "model"),
        address=text(disk, "name"),
        size_bytes=int(disk["size"]) if disk.get("size") else None,
    )


def card_of(card: Mapping[str, Any]) -> Device:
    """A network card."""
    address = text(card, "mac_address").lower()
    return Device(
        id=address,
        kind=DeviceKind.NIC,
        name=text(card, "name"),
        vendor=text(card, "vendor"),
        product=text(card, "product"),
        address=address,
    )


def pci_of(device: Mapping[str, Any], index: int) -> Device:
    """A PCI device, by its vendor's and product's numbers."""
    bus = text(device, "bus")
    return Device(
        id=bus or f"pci-{index}",
        kind=DeviceKind.PCI,
        name=text(device, "class"),
        vendor=text(device, "vendor_id"),
        product=text(device, "product_id"),
        address=bus,
    )


def enrolled(ports: Iterable[Port], found: Iterable[Device]) -> Iterator[Device]:
    """The network cards that inspection did not find, or that were enrolled where there was none."""
    known = {device.address for device in found if device.kind is DeviceKind.NIC}
    for port in ports:
        if port.address is not None and port.address not in known:
            yield Device(id=port.address, kind=DeviceKind.NIC, address=port.address)


def text(found: Mapping[str, Any], key: str) -> str:
    """A value as text; empty when there is none."""
    value = found.get(key)
    return "" if value is None else str(value)
