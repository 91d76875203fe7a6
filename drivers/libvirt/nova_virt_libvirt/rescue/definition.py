"""A definition that boots a rescue system instead of the guest's own disk, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.devices.disk import MOST_IDE, PREFIXES, DiskFile, disk_element, letters, seed_element
from nova_virt_libvirt.names import rescue_disk_name, rescue_seed_name, seed_name
from nova_virt_libvirt.rescue.note import RescueNote, Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

BOOTING: Final = ("boot", "kernel", "initrd", "cmdline", "dtb")
"""What ``<os>`` may say of booting; none of it goes together with a disk that is to be booted instead."""


def put_rescue_in(root: Any, uuid: UUID, bus: str, disk: str, seed: str | None) -> RescueNote:
    """Let a definition boot the rescue disk, and nothing else; its own disks keep their names and places.

    Args:
        root: the definition, patched in place.
        uuid: the guest.
        bus: the bus of the disk that it boots from by itself.
        disk: path of the rescue disk.
        seed: path of the rescue system's first-boot data, which takes the place of the guest's own; None for none.

    Returns:
        What :func:`take_rescue_out` needs.
    """
    devices = root.find("devices")
    note = RescueNote(
        step=Step.ENTERING,
        boots=tuple(take_boot_order(devices)),
        os=tuple(take_booting(root.find("os"))),
        controllers=tuple(controllers(devices)),
        seed=None if seed is None else swap_seed(devices, seed_name(uuid), seed),
    )
    chosen = free_bus(devices, bus)
    devices.append(
        disk_element(
            DiskFile(path=disk, format=ImageFormat.QCOW2, bus=chosen), free_target(devices, chosen), boots=True
        )
    )
    if seed is not None and note.seed is None:
        chosen = free_bus(devices, bus)
        devices.append(seed_element(seed, chosen, free_target(devices, chosen)))
    return note


def take_rescue_out(root: Any, uuid: UUID, note: RescueNote) -> None:
    """Undo :func:`put_rescue_in`."""
    devices = root.find("devices")
    if note.seed is not None and (own := disk_of(devices, rescue_seed_name(uuid))) is not None:
        own.find("source").set("file", note.seed)
    for name in (rescue_disk_name(uuid), rescue_seed_name(uuid)):
        if (medium := disk_of(devices, name)) is not None:
            devices.remove(medium)
    for controller in devices.findall("controller"):
        if controller_name(controller) not in note.controllers:
            devices.remove(controller)
    orders = dict(note.boots)
    for device in devices:
        if (order := orders.get(device_name(device))) is not None and device.find("boot") is None:
            etree.SubElement(device, "boot", order=order)
    os = root.find("os")
    for text in note.os:
        os.append(etree.fromstring(text, PARSER))


# --- what decides on booting ------------------------------------------------------------------------------------------


def take_boot_order(devices: Any) -> Iterator[tuple[str, str]]:
    """Take the order of booting off all devices; tell it."""
    for device in devices:
        if (boot := device.find("boot")) is not None:
            yield device_name(device), boot.get("order")
            device.remove(boot)


def take_booting(os: Any) -> Iterator[str]:
    """Take off what ``<os>`` says of booting; tell it."""
    for element in [child for child in os if child.tag in BOOTING]:
        yield etree.tostring(element, encoding="unicode", with_tail=False)
        os.remove(element)


def device_name(device: Any) -> str:
    """What a device is known by while other devices come and go: where its guest finds it."""
    target, mac, address = device.find("target"), device.find("mac"), device.find("address")
    if device.tag == "disk" and target is not None:
        return f"disk {target.get('dev')}"
    if mac is not None:
        return f"{device.tag} {mac.get('address')}"
    place = {} if address is None else dict(address.attrib)
    return " ".join([str(device.tag), *(f"{key}={place[key]}" for key in sorted(place))])


def controllers(devices: Any) -> list[str]:
    """The controllers that there are."""
    return [controller_name(controller) for controller in devices.iterfind("controller")]


def controller_name(controller: Any) -> str:
    """What a controller is known by."""
    return f"{controller.get('type')} {controller.get('index')}"


# --- the media --------------------------------------------------------------------------------------------------------


def swap_seed(devices: Any, own: str, path: str) -> str | None:
    """Put another medium in place of the guest's own first-boot data, as cloud-init would read either.

    Returns:
        The path of the guest's own; None for a guest that has none, of which nothing is changed.
    """
    medium = disk_of(devices, own)
    if medium is None:
        return None
    source = medium.find("source")
    before = str(source.get("file"))
    source.set("file", path)
    return before


def disk_of(devices: Any, volume: str) -> Any:
    """The ``<disk>`` that is the volume of this name; None if there is none."""
    for disk in devices.iterfind("disk"):
        source = disk.find("source")
        if source is not None and source.get("file", "").rpartition("/")[2] == volume:
            return disk
    return None


def free_bus(devices: Any, wanted: str) -> DiskBus:
    """The bus for one more disk: the wanted one, for which the guest's kernel is sure to have a driver, or virtio."""
    bus = next((bus for bus in PREFIXES if bus.value == wanted), DiskBus.VIRTIO)
    in_use = sum(target.get("dev", "").startswith("hd") for target in devices.iterfind("disk/target"))
    return DiskBus.VIRTIO if bus is DiskBus.IDE and in_use >= MOST_IDE else bus


def free_target(devices: Any, bus: DiskBus) -> str:
    """The first name on this bus that no disk has."""
    taken = {target.get("dev") for target in devices.iterfind("disk/target")}
    number = 0
    while (name := PREFIXES[bus] + letters(number)) in taken:
        number += 1
    return name
