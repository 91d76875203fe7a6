"""Telling a guest of its tagged devices: a file on its first-boot medium, written once libvirt has placed them.

What came and went since is told at the next start. Until then the guest's mark has a note that there is news, written
before the device is touched: whoever starts the guest next brings the file up to date, whatever became of the one who
had changed it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import StorageError, Unavailable
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.toolkit.device_list import DeviceType, TaggedDevice, device_lines, place_on
from nova_virt_libvirt.claims.guest_claim import claimed, claimed_at_rest
from nova_virt_libvirt.definition import PARSER, interface_of
from nova_virt_libvirt.devices.tag import tag_of
from nova_virt_libvirt.devices.volume_disk import label_of
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import volume_of
from nova_virt_libvirt.machine.device_addresses import address_of
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.names import seed_name
from nova_virt_libvirt.rescue.definition import disk_of
from nova_virt_libvirt.storage.pools import Pool, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.site import Site

ROLE: Final = "device-tags"
"""Name of the note in the guest's mark."""

NEWS: Final = "news"
"""All that it says: what the guest was told is not up to date, or may not be."""


def tagged_devices(root: Any) -> list[TaggedDevice]:
    """The devices of a definition that have tags: interfaces, then disks and volumes, each in its order there."""
    cards = [
        TaggedDevice(type=DeviceType.NIC, tag=tag, address=address_of(card), mac=interface_of(card).mac)
        for card in root.iterfind("devices/interface")
        if (tag := tag_of(card)) is not None
    ]
    disks = [
        TaggedDevice(type=DeviceType.DISK, tag=tag, address=address_of(disk), serial=disk.findtext("serial"))
        for disk in root.iterfind("devices/disk")
        if (tag := tag_of_disk(disk)) is not None
    ]
    return cards + disks


def tag_of_disk(disk: Any) -> str | None:
    """The tag of a disk or of a volume; None for none."""
    label = label_of(disk)
    return tag_of(disk) if label is None else label.tag


def tell(medium: Volume, content: bytes, root: Any) -> None:
    """Write down on a guest's medium what tagged devices a definition has.

    A medium without a place for that, of an older version or of other making, stays as it is.

    Args:
        medium: the guest's own.
        content: what is on it.
        root: the definition, with the addresses that libvirt has given.

    Raises:
        StorageError: it cannot be written.
    """
    place = place_on(content)
    if place is not None:
        medium.write(device_lines(tagged_devices(root)), place)


def defined(native: libvirt.virDomain) -> Any:
    """A guest's definition, with the addresses that libvirt has given."""
    with translated("look at the guest's devices"):
        return etree.fromstring(native.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), PARSER)


def tell_of(connection: libvirt.virConnect, native: libvirt.virDomain, uuid: UUID) -> bool:
    """The same for a guest as it is defined now; False if its own medium is not in its drive.

    Raises:
        StorageError: it cannot be read or written.
        Unavailable: the connection broke.
    """
    root = defined(native)
    with translated("look at the guest's first-boot data"):
        drive = disk_of(root.find("devices"), seed_name(uuid))
        found = None if drive is None else volume_of(connection, drive)
        if found is None:
            return False
        medium = Volume(Pool(connection, found.storagePoolLookupByVolume()), found)
    tell(medium, medium.read(medium.capacity_bytes()), root)
    return True


def has_news(mark: Mark | None) -> bool:
    """Whether what a guest was told of its devices may not be up to date."""
    return mark is not None and ROLE in mark.notes


@contextmanager
def changing(site: Site, domain: Domain, op: Operation, tag: str | None) -> Iterator[None]:
    """Change a device of a guest: as :func:`claimed_at_rest`; for a tagged one, there is a note that it is news before.

    Args:
        site: the endpoint.
        domain: the guest.
        op: the operation worked for.
        tag: the device's; None for none.

    Raises:
        Busy: somebody works on the guest and went on doing so until the deadline.
        InvalidState: its removal was begun.
    """
    with claimed_at_rest(site, domain, op) if tag is None else claimed(site, domain, op):
        if tag is not None:
            note_news(domain)
        yield


def note_news(domain: Domain) -> None:
    """Note that a tagged device comes or goes. The guest's claim is held."""
    with translated("note that the guest's devices change"):
        mark = read_mark(domain.native)
        if mark is not None and not has_news(mark):
            write_mark(domain.native, mark.noting(ROLE, NEWS))


def is_due(native: libvirt.virDomain) -> bool:
    """Whether there still is news for a guest that does not run. Its claim is held: another start may have come first.

    A guest that has crashed reads nothing any more.
    """
    with translated("look at the guest"):
        state, _ = native.state()
        return state in (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_CRASHED) and has_news(read_mark(native))


def tell_news(site: Site, domain: Domain, op: Operation) -> None:
    """Bring up to date what a guest that is off was told of its devices; nothing happens where that is so.

    A medium that cannot be written now does not keep the guest from being started: the next start tries again.

    Raises:
        Busy: somebody works on the guest and went on doing so until the deadline.
        InvalidState: its removal was begun.
    """
    if not has_news(domain.mark):
        return
    op.stage("tell the guest of its devices", CancelMode.AT_NEXT_STEP)
    with claimed(site, domain, op):
        tell_news_now(site.connection(), domain.native, domain.uuid)


def tell_news_now(connection: libvirt.virConnect, native: libvirt.virDomain, uuid: UUID) -> None:
    """As :func:`tell_news`, for verbs that hold the guest's claim."""
    if not is_due(native):
        return
    try:
        told = tell_of(connection, native, uuid)
    except (StorageError, Unavailable):
        return
    with translated("note that the guest knows its devices"):
        mark = read_mark(native)
        if mark is not None and (told or mark.standing is not Lifecycle.RESCUED):
            write_mark(native, mark.noting(ROLE, None))
