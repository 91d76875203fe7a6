"""Nova's tags of devices: given to the endpoint with the devices, and back to Nova with the places that these have.

Nova's metadata service tells a guest what is in its ``device_metadata``. A guest with first-boot data finds the same
there, where the endpoint's driver writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nova import context as nova_context, objects
from nova.objects import virt_device_metadata  # objects has its classes only when all are registered

import nova_virt_api as virt
from nova_virt_bridge.volume_ids import known_as

if TYPE_CHECKING:
    from uuid import UUID

NONE: Final[Mapping[str, str]] = MappingProxyType({})
BUSES: Final = {
    virt.DeviceBus.PCI: virt_device_metadata.PCIDeviceBus,
    virt.DeviceBus.SCSI: virt_device_metadata.SCSIDeviceBus,
    virt.DeviceBus.IDE: virt_device_metadata.IDEDeviceBus,
    virt.DeviceBus.USB: virt_device_metadata.USBDeviceBus,
}
"""Nova's words for buses; it has none for SATA."""


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What a server's devices are called.

    Args:
        nics: tags of ports, by their MAC addresses.
        volumes: tags of Cinder's volumes, by their ids.
        disks: tags of the guest's own disks, by Nova's names of the devices.
        root: tag of the disk from the image; None for none.
    """

    nics: Mapping[str, str] = field(default_factory=lambda: NONE)
    volumes: Mapping[str, str] = field(default_factory=lambda: NONE)
    disks: Mapping[str, str] = field(default_factory=lambda: NONE)
    root: str | None = None

    def __bool__(self) -> bool:
        return bool(self.nics or self.volumes or self.disks or self.root)

    def of_nic(self, nic: virt.Nic, vif: Any) -> virt.Nic:
        """A port's interface with its tag."""
        return replace(nic, tag=self.nics.get(vif["address"].lower()))

    def of_volume(self, volume: virt.Volume) -> virt.Volume:
        """A volume with its tag."""
        return replace(volume, tag=self.volumes.get(volume.id))


def tags_of(context: Any, instance: Any, told: virt.Capabilities) -> Tags:
    """The tags that Nova has of a server; none where the endpoint tells guests of none.

    Args:
        context: the request; without one Nova's own.
        instance: the server.
        told: the endpoint's capabilities.
    """
    context = context or nova_context.get_admin_context()
    nics, disks = NONE, []
    if told.has(virt.Feature.NIC_TAG):
        vifs = objects.VirtualInterfaceList.get_by_instance_uuid(context, instance.uuid)
        nics = {vif.address.lower(): vif.tag for vif in vifs if "tag" in vif and vif.tag}
    if told.has(virt.Feature.VOLUME_TAG):
        found = objects.BlockDeviceMappingList.get_by_instance_uuid(context, instance.uuid)
        disks = [each for each in found if "tag" in each and each.tag]
    own = [each for each in disks if not each.is_volume and told.has(virt.Feature.DISK_TAG)]
    return Tags(
        nics=nics,
        volumes={each.volume_id: each.tag for each in disks if each.is_volume and each.volume_id},
        disks={each.device_name: each.tag for each in own if each.boot_index != 0 and each.device_name},
        root=next((each.tag for each in own if each.boot_index == 0), None),
    )


def tagged(spec: virt.InstanceSpec, tags: Tags, vifs: tuple[Any, ...], block_devices: Any) -> virt.InstanceSpec:
    """A spec with the tags of its devices.

    Args:
        spec: of the server, without.
        tags: the server's.
        vifs: its ports, in the order of the spec's interfaces.
        block_devices: what ``nova.virt.driver.get_block_device_info`` returns.
    """
    if not tags:
        return spec
    ephemerals = [tags.disks.get(each["device_name"]) for each in block_devices.get("ephemerals") or ()]
    roots = [] if any(volume.boot for volume in spec.volumes) else [tags.root]
    names = [*roots, *ephemerals]
    disks = [replace(disk, tag=tag) for disk, tag in zip(spec.disks, names, strict=False)]
    return replace(
        spec,
        nics=[tags.of_nic(nic, vif) for nic, vif in zip(spec.nics, vifs, strict=True)],
        volumes=[tags.of_volume(volume) for volume in spec.volumes],
        disks=[*disks, *spec.disks[len(disks) :]],
    )


def tell_nova(compute: virt.Compute, guest: UUID, instance: Any, tags: Tags) -> None:
    """Put down in Nova's instance, which is not saved here, where a guest's tagged devices are.

    Args:
        compute: the endpoint.
        guest: the guest.
        instance: Nova's.
        tags: its tags.
    """
    if tags:
        devices = [*interfaces_of(compute, guest, tags), *disks_of(compute, guest, tags)]
        instance.device_metadata = objects.InstanceDeviceMetadata(devices=devices)


def interfaces_of(compute: virt.Compute, guest: UUID, tags: Tags) -> list[Any]:
    """The tagged interfaces that the guest has."""
    shown = compute.interfaces(guest) if tags.nics else ()
    return [
        objects.NetworkInterfaceMetadata(mac=one.mac, tags=[tag], **bus_of(one.address))
        for one in shown
        if one.mac is not None and (tag := tags.nics.get(one.mac)) is not None
    ]


def disks_of(compute: virt.Compute, guest: UUID, tags: Tags) -> list[Any]:
    """The tagged disks: volumes with their places; the endpoint shows none of the guest's own."""
    own = [tag for tag in (tags.root, *tags.disks.values()) if tag is not None]
    there = {volume.id: volume for volume in compute.volumes(guest)} if tags.volumes else {}
    found = [objects.DiskMetadata(serial=None, tags=[tag]) for tag in own]
    for volume_id, tag in tags.volumes.items():
        volume = there.get(known_as(compute, guest, volume_id))
        if volume is not None:
            found.append(objects.DiskMetadata(serial=volume_id, tags=[tag], **bus_of(volume.address)))
    return found


def bus_of(address: virt.DeviceAddress | None) -> dict[str, Any]:
    """Nova's object for a place, as a field of a device; none where Nova has no word for it."""
    kind = None if address is None else BUSES.get(address.bus)
    return {} if kind is None or address is None else {"bus": kind(address=address.text)}
