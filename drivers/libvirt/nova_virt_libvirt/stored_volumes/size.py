"""Sizes of volumes that no guest owns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.errors import Busy
from nova_virt_libvirt.build import GRANULE
from nova_virt_libvirt.images.misread import refuse_misread
from nova_virt_libvirt.storage.pools import storage_errors
from nova_virt_libvirt.stored_volumes.listing import look

if TYPE_CHECKING:
    from nova_virt_libvirt.stored_volumes.listing import Stored


def whole(size_bytes: int) -> int:
    """A size rounded up to what volumes are counted in."""
    return -(-size_bytes // GRANULE) * GRANULE


def is_recognised(stored: Stored) -> bool:
    """Whether the daemon takes a volume's bytes for what they are, perhaps after it has looked at them once more.

    It does so by itself some time after an upload, but not while somebody makes a volume in that pool.

    Raises:
        StorageError: it has looked, and does not.
    """
    if look(stored.volume).format == stored.name.format.value:
        return True
    try:
        with storage_errors("refresh", stored.pool.name):
            stored.pool.native.refresh(0)
    except Busy:
        return False
    refuse_other_bytes(stored)
    return True


def refuse_other_bytes(stored: Stored) -> None:
    """Refuse a volume whose bytes the daemon takes for something else than what its name says.

    Raises:
        StorageError: it does.
    """
    what, hint = f"volume {stored.name.name}", "attach it to a running guest and extend it there"
    refuse_misread(stored.volume, stored.name.format, what, hint)


def enlarge(stored: Stored, size_bytes: int) -> None:
    """Make a volume larger.

    Raises:
        NoCapacity: the pool is full.
        StorageError: it could not be made larger, or does not read as what it is.
    """
    refuse_other_bytes(stored)
    with storage_errors(f"resize volume {stored.name.name}", stored.pool.name):
        stored.volume.native.resize(size_bytes, 0)
