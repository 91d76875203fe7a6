"""The devices of a host, from libvirt's node devices: PCI and mediated devices, virtual functions, disks, cards.

Their XML is described in libvirt's "Node devices XML format".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import libvirt
from lxml import etree

from nova_virt_api.driver.devices import Devices
from nova_virt_api.model.device import Device, DeviceKind
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.host.host import Host

LISTED: Final[int] = (
    libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV
    | libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET
    | libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE
    | libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV
)
ROOT: Final = "computer"
"""Parent of what is no hardware: bridges, guests' taps, loop devices."""

MISSING: Final = frozenset({libvirt.VIR_ERR_NO_NODE_DEVICE})


class LibvirtDevices(Devices):
    """The role Devices."""

    reading: Connection
    host: Host

    def devices(self, node: str | None = None) -> Sequence[Device]:
        self.host.check_node(node)
        with translated("look at the host's devices"):
            native = self.reading.native
            found = [*built_in(native), *map(device_of, definitions(native))]
        devices = [device for device in found if device is not None]
        known = {device.id for device in devices}
        return tuple(device if device.parent in known else without_parent(device) for device in devices)


def built_in(native: Any) -> Iterator[Device]:
    """Processors and memory, which are no node devices."""
    model, memory_mib, cpus, *_ = native.getInfo()
    capabilities = etree.fromstring(native.getCapabilities(), PARSER)
    name = capabilities.findtext("host/cpu/model") or model
    vendor = capabilities.findtext("host/cpu/vendor") or ""
    yield Device(id="processor", kind=DeviceKind.PROCESSOR, name=f"{cpus} x {name}", vendor=vendor, product=model)
    yield Device(id="memory", kind=DeviceKind.MEMORY, name="memory", size_bytes=memory_mib * 1024**2)


def definitions(native: Any) -> Iterator[Any]:
    """The XML of each node device; none where libvirt cannot list them."""
    try:
        listed = native.listAllDevices(LISTED)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return
        raise
    for device in listed:
        try:
            xml = device.XMLDesc(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in MISSING:  # taken out meanwhile
                raise
        else:
            yield etree.fromstring(xml, PARSER)


def device_of(definition: Any) -> Device | None:
    """A node device as a device; None for what is no hardware, or of no kind that is listed."""
    for capability in definition.iterfind("capability"):
        read = READERS.get(capability.get("type"))
        if read is not None:
            return read(definition, capability)
    return None


def pci_device(definition: Any, capability: Any) -> Device:
    """A PCI device, or a virtual function of one."""
    physical = capability.find("capability[@type='phys_function']/address")
    virtual = physical is not None and capability.find("capability[@type='virt_functions']/address") is None
    product, vendor = capability.find("product"), capability.find("vendor")
    node = capability.find("numa")
    return Device(
        id=name_of(definition),
        kind=DeviceKind.VIRTUAL_FUNCTION if virtual else DeviceKind.PCI,
        name=" ".join(text for text in (text_of(vendor), text_of(product)) if text),
        vendor=number_of(vendor),
        product=number_of(product),
        address=pci_address(*(int(capability.findtext(part)) for part in ("domain", "bus", "slot", "function"))),
        parent=pci_name(physical) if virtual else parent_of(definition),
        numa_node=None if node is None else int(node.get("node")),
    )


def mediated_device(definition: Any, capability: Any) -> Device:
    """A mediated device, known by its uuid, named after its type, which its parent offers."""
    uuid = capability.findtext("uuid") or name_of(definition).removeprefix("mdev_").replace("_", "-")[:36]
    return Device(
        id=name_of(definition),
        kind=DeviceKind.MEDIATED,
        name=capability.find("type").get("id", ""),
        address=str(UUID(uuid)),
        parent=parent_of(definition),
    )


def network_card(definition: Any, capability: Any) -> Device | None:
    """A network card; None for an interface without one."""
    if parent_of(definition) in ("", ROOT):
        return None
    return Device(
        id=name_of(definition),
        kind=DeviceKind.NIC,
        name=capability.findtext("interface") or "",
        address=capability.findtext("address") or "",
        parent=parent_of(definition),
    )


def disk(definition: Any, capability: Any) -> Device | None:
    """A disk; None for another drive, and for what is no hardware."""
    if capability.findtext("drive_type") != "disk" or parent_of(definition) in ("", ROOT):
        return None
    size = int(capability.findtext("size") or 0)
    return Device(
        id=name_of(definition),
        kind=DeviceKind.DISK,
        name=capability.findtext("model") or "",
        vendor=capability.findtext("vendor") or "",
        product=capability.findtext("model") or "",
        address=capability.findtext("block") or "",
        size_bytes=size or None,
        parent=parent_of(definition),
    )


READERS: Final[dict[str, Callable[[Any, Any], Device | None]]] = {
    "pci": pci_device,
    "mdev": mediated_device,
    "net": network_card,
    "storage": disk,
}


# --- words ------------------------------------------------------------------------------------------------------------


def name_of(definition: Any) -> str:
    """Libvirt's name of a device."""
    return str(definition.findtext("name"))


def parent_of(definition: Any) -> str:
    """Libvirt's name of what a device is on."""
    return definition.findtext("parent") or ""


def pci_address(domain: int, bus: int, slot: int, function: int) -> str:
    """An address as Linux writes it."""
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def pci_name(address: Any) -> str:
    """Libvirt's name of the PCI device at an ``<address>``."""
    domain, bus, slot, function = (int(address.get(part), 16) for part in ("domain", "bus", "slot", "function"))
    return f"pci_{domain:04x}_{bus:02x}_{slot:02x}_{function:x}"


def text_of(element: Any) -> str:
    """What people call it."""
    return "" if element is None else (element.text or "").strip()


def number_of(element: Any) -> str:
    """Its number as PCI's register of vendors has it, without ``0x``."""
    return "" if element is None else str(element.get("id", "")).removeprefix("0x")


def without_parent(device: Device) -> Device:
    """The device, when what it is on is not listed."""
    return replace(device, parent="")
