"""A guest's hardware, as libvirt's definition tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.nic import NicModel
from nova_virt_api.model.spec import Firmware
from nova_virt_conformance.hardware import HardDisk, Hardware, NetworkCard
from nova_virt_libvirt.rig.machine import machine_of
from nova_virt_libvirt.rig.settings import disk_settings, nic_settings
from nova_virt_libvirt.rig.shares import shares_of
from nova_virt_libvirt.rig.told import media_of, source_of, told_devices
from nova_virt_libvirt.rig.volumes import is_volume, volume_disks

if TYPE_CHECKING:
    from collections.abc import Iterator

PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True)


def hardware_of(native: Any, domain: Any) -> Hardware:
    """What a domain is made of."""
    definition, live = definition_of(domain), etree.fromstring(domain.XMLDesc(0), PARSER)
    media = media_of(native, definition)
    uefi = definition.find("os").get("firmware") == "efi" or definition.find("os/loader") is not None
    return Hardware(
        vcpus=vcpus_of(domain, definition),
        memory_bytes=memory_of(live, definition),
        disks=tuple(disks(native, domain, definition)),
        nics=tuple(cards(definition, live)),
        firmware=Firmware.UEFI if uefi else Firmware.BIOS,
        first_boot_data=any(not is_volume(disk) for disk in definition.findall("devices/disk/readonly/../source/..")),
        first_boot_source=source_of(media),
        volumes=tuple(disk.id for disk in volume_disks(definition)),
        volume_disks=tuple(volume_disks(definition)),
        shares=tuple(shares_of(definition)),
        machine=machine_of(live, definition),
        devices=tuple(told_devices(media)),
    )


def vcpus_of(domain: Any, definition: Any) -> int:
    """Virtual CPUs; those of a guest that runs must be those that it is started with.

    Raises:
        AssertionError: they are not.
    """
    vcpu = definition.find("vcpu")
    count = int(vcpu.get("current") or vcpu.text)
    if domain.isActive():
        running = domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE)
        check(running == count, f"it runs with {running} virtual CPUs, and is started with {count}")
    return count


def memory_of(live: Any, definition: Any) -> int:
    """Memory in bytes, without what the guest is not to use; the same whether it runs or is started.

    Raises:
        AssertionError: it is not.
    """
    running, started = (
        int(xml.findtext("memory"))  # libvirt tells all of these in KiB, whatever was said
        - sum(
            int(part.findtext("size")) - int(part.findtext("requested"))
            for part in xml.iterfind("devices/memory[@model='virtio-mem']/target")
        )
        for xml in (live, definition)
    )
    check(running == started, f"it runs with {running} KiB, and is started with {started} KiB")
    return started * 1024


def check(holds: bool, message: str) -> None:
    """Fail as an assertion does, also where Python leaves them out."""
    if not holds:
        raise AssertionError(message)


def definition_of(domain: Any) -> Any:
    """The definition that a domain is started from next time."""
    return etree.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)


def disks(native: Any, domain: Any, definition: Any) -> Iterator[HardDisk]:
    """The disks that the guest may write to."""
    for disk in definition.iterfind("devices/disk[@device='disk']"):
        if disk.find("readonly") is None and not is_volume(disk):
            capacity = native.storageVolLookupByPath(disk.find("source").get("file")).info()[1]
            yield HardDisk(
                size_bytes=capacity,
                bus=DiskBus(disk.find("target").get("bus")),
                settings=disk_settings(domain, disk),
            )


def cards(definition: Any, live: Any) -> Iterator[NetworkCard]:
    """The network interfaces, used as they are while the guest runs."""
    now = {card.find("mac").get("address"): card for card in live.iterfind("devices/interface")}
    for card in definition.iterfind("devices/interface"):
        yield NetworkCard(
            network=card.find("source").get("network", ""),
            mac=card.find("mac").get("address").lower(),
            model=NicModel(card.find("model").get("type")),
            settings=nic_settings(now.get(card.find("mac").get("address"), card)),
        )
