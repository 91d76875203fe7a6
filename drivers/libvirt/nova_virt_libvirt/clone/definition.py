"""The definition of a guest's copy: the original's, with what is one guest's alone made anew or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from nova_virt_api.capability import Capability
from nova_virt_api.errors import NotSupported
from nova_virt_libvirt.boot_disk import boot_element_of
from nova_virt_libvirt.definition import AGENT
from nova_virt_libvirt.devices.nic import stable_mac
from nova_virt_libvirt.devices.volume_disk import is_volume
from nova_virt_libvirt.foreign import is_own
from nova_virt_libvirt.names import guest_of
from nova_virt_libvirt.resize.definition import PASSWORD, lock_screens

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

REFUSED: Final = {
    "devices/memory/source/path": "memory that is a file or device of its host",
    "devices/tpm/backend[@type='passthrough']": "its host's own TPM",
    "devices/tpm/backend[@type='external']": "a TPM that another program keeps for it",
}
"""What a copy could neither share nor do without."""

REFUSED_DISKS: Final = {
    ".//encryption": "an encrypted disk: its copy would not be",
    "source/slices": "a disk that is a part of a file",
}
"""The same of a disk that would be copied."""

DROPPED: Final = (
    "hostdev",
    "interface[@type='hostdev']",
    "interface[@type='vdpa']",
    "interface[@type='vhostuser']",
    "filesystem",
    "input[@type='passthrough']",
    "input[@type='evdev']",
    "lease",
)
"""Devices that belong to the host, or that another program hands to this one guest."""

WITH_ENDS: Final = ("serial", "console", "parallel", "channel", "redirdev", "smartcard")
"""Devices with another end on the host."""

ENDS_OF_THEIR_OWN: Final = frozenset({"file", "pipe", "unix", "tcp", "udp", "dev"})
"""Such ends, of which two guests cannot have the same."""

OF_PORTS: Final = ("port", "tlsPort", "websocket", "socket")


def refuse_unlike(definition: Any, others: Collection[Any]) -> None:
    """Refuse a guest of which no copy can be made.

    Args:
        definition: its definition.
        others: its disks that are not copied.

    Raises:
        NotSupported: names what is in the way.
    """
    for path, what in REFUSED.items():
        found = definition.find(path)
        if found is not None:
            raise refused(f"the guest has {what}")
    for disk in [disk for disk in definition.iterfind("devices/disk[@device='disk']") if disk not in others]:
        for path, what in REFUSED_DISKS.items():
            if disk.find(path) is not None:
                raise refused(f"the guest has {what}")
    first = boot_element_of(definition)
    if first is not None and first in others:
        raise refused("the guest boots from a disk that is not its own alone, and its copy would have none")


def refused(reason: str) -> NotSupported:
    """The error for a guest that cannot be copied."""
    return NotSupported(Capability.CLONE, reason=reason)


def left_out(definition: Any) -> list[Any]:
    """The disks that a copy does not get: volumes of a storage service, shared ones and read-only ones."""
    return [
        disk
        for disk in definition.iterfind("devices/disk")
        if disk.get("device", "disk") in ("disk", "lun") and (is_volume(disk) or not is_own(disk))
    ]


def set_identity(definition: Any, uuid: UUID, name: str) -> None:
    """Make it another guest, for libvirt, for the firmware's tables and for the guest itself."""
    former = definition.findtext("uuid")
    definition.find("name").text = name
    definition.find("uuid").text = str(uuid)
    for entry in definition.iterfind("sysinfo//entry"):
        is_uuid = entry.get("name") == "uuid" and entry.getparent().tag == "system"
        if is_uuid or (entry.text or "").strip().lower() == former:  # Nova's guests have it as serial number, too
            entry.text = str(uuid)
    for generation in definition.iterfind("genid"):
        generation.text = None  # libvirt makes one up: that is how a guest sees that it is a copy
    renew_variables(definition)


def renew_variables(definition: Any) -> None:
    """Let libvirt make the firmware's variables anew from their template."""
    variables = definition.find("os/nvram")
    if variables is None:
        return
    template = variables.get("template")
    for inner in list(variables):
        variables.remove(inner)
    variables.attrib.clear()
    variables.text = None
    if template is None:
        variables.getparent().remove(variables)
    else:
        variables.set("template", template)


def own_log(definition: Any, original: UUID) -> bool:
    """Whether the original's console is kept in a volume of its own."""
    return any(is_part_of(original, log.get("file", "")) for log in definition.iterfind("devices/*/log"))


def separate_devices(definition: Any, original: UUID, uuid: UUID, console_log: str | None) -> None:
    """Leave out or make anew what two guests cannot have both; disks that are copied are none of that.

    Args:
        definition: the original's definition.
        original: the original.
        uuid: the copy.
        console_log: path of what the copy's serial console is written to; None for nowhere.
    """
    devices = definition.find("devices")
    for disk in left_out(definition):
        devices.remove(disk)
    for drive in [disk for disk in devices.iterfind("disk") if holds_seed(disk, original)]:
        devices.remove(drive)
    for path in DROPPED:
        for device in devices.findall(path):
            devices.remove(device)
    for drive in devices.iterfind("disk"):
        if drive.get("device", "disk") in ("cdrom", "floppy"):
            eject(drive)
    for index, card in enumerate(devices.iterfind("interface")):
        renew_card(card, stable_mac(uuid, index))
    for tag in WITH_ENDS:
        for device in devices.iterfind(tag):
            renew_log(device, original, console_log)
            renew_end(device)
    for place in devices.findall("tpm/backend[@type='emulator']/source"):
        place.getparent().remove(place)  # where the original's TPM keeps its state
    for screen in devices.iterfind("graphics"):
        renew_screen(screen)
    lock_screens(definition)
    for address in devices.iterfind("vsock/cid"):
        address.attrib.pop("address", None)
        address.set("auto", "yes")


def holds_seed(disk: Any, original: UUID) -> bool:
    """Whether a drive is there for the original's first-boot data only."""
    source = disk.find("source")
    path = "" if source is None else source.get("file", "")
    return disk.get("device") == "cdrom" and is_part_of(original, path)


def is_part_of(guest: UUID, path: str) -> bool:
    """Whether a path is of a volume that was made for this guest."""
    return guest_of(path.rpartition("/")[2]) == guest


def eject(drive: Any) -> None:
    """Take the medium out of a drive."""
    for tag in ("source", "backingStore"):
        for element in drive.findall(tag):
            drive.remove(element)
    drive.set("type", "file")


def renew_card(card: Any, mac: str) -> None:
    """Give a network card an address of its own, and a new end on the host."""
    address = card.find("mac")
    if address is None:
        address = etree.Element("mac")
        card.insert(0, address)
    address.attrib.clear()
    address.set("address", mac)
    for own in (*card.findall("target"), *card.findall("portForward")):
        card.remove(own)
    for parameters in card.iterfind("virtualport/parameters"):
        for name in ("interfaceid", "instanceid"):
            parameters.attrib.pop(name, None)
    for rules in card.iterfind("filterref"):
        for parameter in [one for one in rules if one.get("name") in ("IP", "MAC")]:
            rules.remove(parameter)


def renew_log(device: Any, original: UUID, console_log: str | None) -> None:
    """Let what a device says be kept in the copy's own volume if it was in the original's, else nowhere."""
    for log in device.findall("log"):
        if console_log is not None and is_part_of(original, log.get("file", "")):
            log.set("file", console_log)
        else:
            device.remove(log)


def renew_end(device: Any) -> None:
    """Give a device another end on the host."""
    if device.get("type") not in ENDS_OF_THEIR_OWN:
        return
    for source in device.findall("source"):
        device.remove(source)
    for protocol in device.findall("protocol"):
        device.remove(protocol)
    target = device.find("target")
    virtio = device.tag == "channel" and target is not None and target.get("type") == "virtio"
    device.set("type", "unix" if virtio and target.get("name") == AGENT else "pty")


def renew_screen(screen: Any) -> None:
    """Let a screen have ports of its own, and no password of another's."""
    for name in PASSWORD:
        screen.attrib.pop(name, None)
    fixed = screen.get("autoport") != "yes" and any(name in screen.attrib for name in OF_PORTS)
    for name in OF_PORTS:
        screen.attrib.pop(name, None)
    if fixed:
        screen.set("autoport", "yes")
    for listener in screen.findall("listen[@type='socket']"):
        listener.attrib.pop("socket", None)
