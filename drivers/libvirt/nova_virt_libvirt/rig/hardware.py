"""A guest's hardware, as libvirt's definition tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.nic import NicModel
from nova_virt_api.model.spec import Firmware
from nova_virt_conformance.hardware import HardDisk, Hardware, NetworkCard

if TYPE_CHECKING:
    from collections.abc import Iterator

PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True)


def hardware_of(native: Any, domain: Any) -> Hardware:
    """What a domain is made of."""
    definition = definition_of(domain)
    uefi = definition.find("os").get("firmware") == "efi" or definition.find("os/loader") is not None
    return Hardware(
        vcpus=int(definition.findtext("vcpu")),
        memory_bytes=int(definition.findtext("memory")) * 1024,  # libvirt tells it in KiB, whatever was said
        disks=tuple(disks(native, definition)),
        nics=tuple(cards(definition)),
        firmware=Firmware.UEFI if uefi else Firmware.BIOS,
        first_boot_data=definition.find("devices/disk/readonly/../source") is not None,
    )


def definition_of(domain: Any) -> Any:
    """The definition that a domain is started from next time."""
    return etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)


def disks(native: Any, definition: Any) -> Iterator[HardDisk]:
    """The disks that the guest may write to."""
    for disk in definition.iterfind("devices/disk[@device='disk']"):
        if disk.find("readonly") is None:
            capacity = native.storageVolLookupByPath(disk.find("source").get("file")).info()[1]
            yield HardDisk(size_bytes=capacity, bus=DiskBus(disk.find("target").get("bus")))


def cards(definition: Any) -> Iterator[NetworkCard]:
    """The network interfaces."""
    for card in definition.iterfind("devices/interface"):
        yield NetworkCard(
            network=card.find("source").get("network"),
            mac=card.find("mac").get("address").lower(),
            model=NicModel(card.find("model").get("type")),
        )
