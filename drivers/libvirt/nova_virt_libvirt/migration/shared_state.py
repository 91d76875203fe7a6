"""What libvirt keeps of a guest in a directory that both hosts of a move see: there it is in use, and must stay."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.errors import VirtError
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.kept_files import TPM, VARIABLES, KeptFile, bare, kept_files
from nova_virt_libvirt.resize.definition import parsed
from nova_virt_libvirt.storage.opened_directory import opened_directory
from nova_virt_libvirt.storage.pools import storage_errors

if TYPE_CHECKING:
    from uuid import UUID

LOG: Final = logging.getLogger(__name__)

LOOKS: Final = 5
"""Times that a file is looked at which changes all the time, before it counts as the same."""


def seen_by_both(source: Any, here: Any, destination: Any, there: Any, uuid: UUID) -> frozenset[str]:
    """What of a guest's state is in the same files for both hosts; ``VARIABLES``, ``TPM``, both or nothing.

    What cannot be looked at counts as the same: a file that is left behind does less harm than one that is gone.

    Args:
        source: the source's libvirt.
        here: the guest's domain there, which has gone.
        destination: the destination's libvirt.
        there: the guest's domain there.
        uuid: the guest.
    """
    try:
        own, theirs = (files_of(*end, uuid) for end in ((source, here), (destination, there)))
        both = own.keys() & theirs.keys()
        return frozenset(what for what in both if is_same(source, own[what], destination, theirs[what], uuid))
    except VirtError as error:
        LOG.warning("guest %s: firmware variables and TPM stay at the source, as it cannot be told: %s", uuid, error)
        return frozenset((VARIABLES, TPM))


def files_of(connection: Any, domain: Any, uuid: UUID) -> dict[str, KeptFile]:
    """Where a host keeps a guest's state, by what it is."""
    with translated("look at the guest"):
        definition = parsed(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return {file.what: file for file in kept_files(connection, bare(definition), uuid)}


def is_same(source: Any, own: KeptFile, destination: Any, theirs: KeptFile, uuid: UUID) -> bool:
    """Whether two hosts' files are one.

    Libvirt tells no inode. But when an inode was last changed can be set by nobody, and is told to the nanosecond.
    """
    for _ in range(LOOKS):
        before = inode_changed(destination, theirs, uuid)
        seen = inode_changed(source, own, uuid)
        if None in (before, seen):
            return False
        if seen == before:
            return True
        if inode_changed(destination, theirs, uuid) == before:
            return False
    return True


def inode_changed(connection: Any, file: KeptFile, uuid: UUID) -> str | None:
    """When a file's inode was last changed (``st_ctim``); None if there is no such file."""
    with opened_directory(connection, uuid, file.directory) as pool:
        volume = None if pool is None else pool.find(file.name)
        if pool is None or volume is None:
            return None
        with storage_errors(f"look at {file.what}", pool.name):
            return str(parsed(volume.native.XMLDesc(0)).findtext("target/timestamps/ctime"))
