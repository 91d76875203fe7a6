"""libvirt's XML for backups: which disks there are, what is to be held on to, and from when on changes are noted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import libvirt
from lxml import etree
from lxml.builder import E

from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.foreign import is_own, volume_of
from nova_virt_libvirt.storage.pools import Pool, Volume

BITMAP: Final = "changed"
"""What NBD clients ask for; ``qemu:dirty-bitmap:`` goes before it."""

KEEPS_ACCOUNT: Final = "qcow2"
"""The format in which a disk can note what changes."""


OLD: Final = "0.10"
"""What libvirt calls the version of qcow2 that QEMU 0.10 had."""


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """A disk of a running guest.

    Args:
        target: what libvirt and NBD clients call it.
        volume: the volume that it is.
        keeps_account: whether what changes can be noted.
    """

    target: str
    volume: Volume
    keeps_account: bool


@dataclass(frozen=True, slots=True)
class HeldDisk:
    """A disk that is held on to.

    Args:
        target: what libvirt and NBD clients call it.
        scratch: path of the volume that takes what is overwritten meanwhile.
        since: the checkpoint since which changes are told; None for everything.
        keeps_account: whether changes are noted from now on.
    """

    target: str
    scratch: str
    since: str | None
    keeps_account: bool


def guest_disks(connection: libvirt.virConnect, definition: str) -> list[GuestDisk]:
    """The disks that are a guest's own, the one to boot from first.

    Args:
        connection: looks for volumes.
        definition: the running guest's.
    """
    root = etree.fromstring(definition, PARSER)
    disks = [disk for disk in root.iterfind("devices/disk") if is_own(disk)]
    disks.sort(key=lambda disk: disk.find("boot[@order='1']") is None)  # stable: the rest stays in order
    found = [(disk, volume_of(connection, disk)) for disk in disks]
    return [
        GuestDisk(
            target=str(disk.xpath("string(target/@dev)")),
            volume=Volume(Pool(connection, native.storagePoolLookupByVolume()), native),
            keeps_account=disk.xpath("string(driver/@type)") == KEEPS_ACCOUNT and not is_old(native),
        )
        for disk, native in found
        if native is not None
    ]


def is_old(volume: libvirt.virStorageVol) -> bool:
    """Whether a volume is of qcow2's second version, which has no place for what is noted."""
    return bool(etree.fromstring(volume.XMLDesc(0), PARSER).findtext("target/compat") == OLD)


def all_targets(definition: str) -> list[str]:
    """What libvirt calls the guest's disks and drives, of whatever kind."""
    return [str(target) for target in etree.fromstring(definition, PARSER).xpath("devices/disk/target/@dev")]


def backup_xml(disks: Sequence[HeldDisk], targets: Iterable[str], socket: str) -> str:
    """A ``<domainbackup>`` that lets these disks be read from a socket; ``virDomainBackupBegin``."""
    held = {disk.target: disk for disk in disks}
    elements = [held_disk(held[target]) if target in held else E.disk(name=target, backup="no") for target in targets]
    root = E.domainbackup(E.server(transport="unix", socket=socket), E.disks(*elements), mode="pull")
    return etree.tostring(root, encoding="unicode")


def held_disk(disk: HeldDisk) -> etree._Element:
    """A ``<disk>`` of a ``<domainbackup>``."""
    element = E.disk(E.driver(type="qcow2"), E.scratch(file=disk.scratch), name=disk.target, backup="yes", type="file")
    element.set("exportname", disk.target)
    if disk.since is None:
        element.set("backupmode", "full")
    else:
        element.set("backupmode", "incremental")
        element.set("incremental", disk.since)
        element.set("exportbitmap", BITMAP)
    return element


def checkpoint_xml(name: str, disks: Sequence[HeldDisk], targets: Iterable[str]) -> str | None:
    """A ``<domaincheckpoint>``: what changes is noted from now on; None if no disk can do that."""
    noting = {disk.target for disk in disks if disk.keeps_account}
    if not noting:
        return None
    elements = [E.disk(name=target, checkpoint="bitmap" if target in noting else "no") for target in targets]
    return etree.tostring(E.domaincheckpoint(E.name(name), E.disks(*elements)), encoding="unicode")


def noting_targets(checkpoint: str) -> set[str]:
    """The disks of a ``<domaincheckpoint>`` whose changes are noted."""
    root = etree.fromstring(checkpoint, PARSER)
    return {str(target) for target in root.xpath("disks/disk[@checkpoint='bitmap']/@name")}


def socket_of(backup: str) -> str:
    """The socket of a ``<domainbackup>`` that is under way; empty if it has none."""
    return str(etree.fromstring(backup, PARSER).xpath("string(server/@socket)"))
