"""What the fake hypervisor tells guests of their tagged devices, and where the guests find these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.model.device_tag import DeviceAddress, DeviceBus
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.toolkit.device_list import DeviceType, TaggedDevice

if TYPE_CHECKING:
    from nova_virt_api.fake.guest import Attachment, Guest, Port
    from nova_virt_api.fake.state import State

CARDS, DISKS, VOLUMES = range(3)
"""PCI domains of the three kinds of devices, so that none has another's place."""

SLOTS: Final = 32
CONTROLLERS: Final = {DiskBus.SCSI: DeviceBus.SCSI, DiskBus.SATA: DeviceBus.SATA}


def devices_of(state: State, guest: Guest) -> tuple[TaggedDevice, ...]:
    """The guest's tagged devices, for the guest; none where it has no first-boot data to find them in."""
    if not any(key in state.volumes and state.volumes[key].kind == "seed" for key in guest.disks):
        return ()
    ports = [state.ports[name] for name in guest.ports if name in state.ports]
    cards = [
        TaggedDevice(type=DeviceType.NIC, tag=port.tag, address=card_address(port), mac=port.mac)
        for port in ports
        if port.tag is not None
    ]
    own = [(index, state.volumes[key]) for index, key in enumerate(guest.own_disks) if key in state.volumes]
    disks = [
        TaggedDevice(type=DeviceType.DISK, tag=disk.tag, address=address(DISKS, disk.bus, index), serial=disk.serial)
        for index, disk in own
        if disk.tag is not None
    ]
    volumes = [
        TaggedDevice(type=DeviceType.DISK, tag=one.tag, address=volume_address(one), serial=one.serial)
        for one in guest.attached
        if one.tag is not None
    ]
    return (*cards, *disks, *volumes)


def card_address(port: Port) -> DeviceAddress:
    """Where a guest finds an interface."""
    return address(CARDS, None, port.index)


def volume_address(attachment: Attachment) -> DeviceAddress:
    """Where a guest finds a volume."""
    return address(VOLUMES, attachment.bus, attachment.place)


def free_place(attached: tuple[Attachment, ...]) -> int:
    """The place that a guest's next volume gets."""
    return max((one.place for one in attached), default=-1) + 1


def address(kind: int, bus: DiskBus | None, number: int) -> DeviceAddress:
    """The place of the so-many-th device of a kind, on its bus."""
    if bus in CONTROLLERS:
        return DeviceAddress(bus=CONTROLLERS[bus], text=f"{kind}:0:{number}:0")
    if bus is DiskBus.IDE:
        return DeviceAddress(bus=DeviceBus.IDE, text=f"{number // 2}:{number % 2}")
    if bus is DiskBus.USB:
        return DeviceAddress(bus=DeviceBus.USB, text=f"{kind}:{number + 1}")
    return DeviceAddress(bus=DeviceBus.PCI, text=f"{kind:04x}:{number // SLOTS:02x}:{number % SLOTS:02x}.0")
