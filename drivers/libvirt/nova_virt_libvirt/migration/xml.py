"""A guest's definition as its destination needs it: the source's own, patched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

import libvirt
from lxml import etree

from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.metadata import INSTANCE, parse_mark
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.network.wire import Wire, rewire
from nova_virt_libvirt.resize.definition import set_mark
from nova_virt_libvirt.volumes.moved import log_in_as, reach

if TYPE_CHECKING:
    from nova_virt_libvirt.migration.ticket import Offer, Room

TRAVELLING: Final[int] = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
"""Without what the host added by itself, and with the password of the screen, or the screen would have none there."""

FOUND_AGAIN: Final = ("backingStore", "mirror")
"""What libvirt sees for itself when it opens a disk, and what ends with the copying."""

PATHS: Final = ("file", "dev", "path")
ANYWHERE: Final = frozenset({"127.0.0.1", "::1", "localhost", "0.0.0.0", "::"})  # noqa: S104 - compared only
"""Addresses that mean the same on every host."""


def live_xml(domain: Any, room: Room, offer: Offer) -> str:
    """The definition of the running guest as it is to run at the destination. Holds secrets."""
    with translated("look at the guest"):
        text = domain.XMLDesc(TRAVELLING)
    return etree.tostring(patched(text, room, offer), encoding="unicode")


def persistent_xml(domain: Any, room: Room, offer: Offer) -> str:
    """The definition that the guest starts from next time, as the destination is to keep it. Holds secrets."""
    with translated("look at the guest"):
        text = domain.XMLDesc(TRAVELLING | libvirt.VIR_DOMAIN_XML_INACTIVE)
    root = patched(text, room, offer)
    for mark in root.iterfind(f"metadata/{INSTANCE}"):
        mark.attrib.pop("standing", None)  # when it starts next time, the journey is over
    return etree.tostring(root, encoding="unicode")


def patched(text: str, room: Room, offer: Offer) -> Any:
    """A definition with the destination's paths, networks, addresses, processors and cells."""
    root: Any = etree.fromstring(text, PARSER)
    guest = UUID(root.findtext("uuid"))
    if (mark := parse_mark(root.find(f"metadata/{INSTANCE}"), guest)) is not None:
        set_mark(root, VifNote(room.ports).put_into(mark))  # the source's are not there
    for disk in root.iterfind("devices/disk"):
        for name in FOUND_AGAIN:
            for child in disk.findall(name):
                disk.remove(child)
        if (there := room.volumes.get(disk.find("target").get("dev"))) is not None:
            reach(disk, etree.fromstring(there, PARSER))
    log_in_as(root, offer.host)
    for element in root.iterfind("devices//*"):
        for attribute in PATHS:
            path = room.paths.get(element.get(attribute, ""))
            if path is not None:
                element.set(attribute, path)
    for interface in root.iterfind("devices/interface"):
        connect(interface, room, guest)
    if room.parts is not None:
        room.parts.put_into(root)
    for graphics in root.iterfind("devices/graphics"):
        listen(graphics, offer)
    return root


def connect(interface: etree._Element, room: Room, guest: UUID) -> None:
    """Put an interface on the destination's network."""
    mac = "" if (element := interface.find("mac")) is None else element.get("address", "").lower()
    there = room.networks.get(mac)
    if there is not None:
        rewire(interface, Wire.of_id(there), uuid5(guest, mac))


def listen(graphics: etree._Element, offer: Offer) -> None:
    """Let a screen that listened on an address of the source's listen on the destination's."""
    for element, attribute in ((graphics, "listen"), *((child, "address") for child in graphics.iterfind("listen"))):
        address = element.get(attribute)
        if address is not None and address not in ANYWHERE:
            element.set(attribute, offer.address or "127.0.0.1")
