"""Guests that begin to use a volume of a pool just when somebody removes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt

from nova_virt_api.errors import Busy
from nova_virt_api.model.volume_connection import FileVolume
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.storage.pools import Pool
from nova_virt_libvirt.stored_volumes.name import StoredName, head_of

if TYPE_CHECKING:
    from nova_virt_api.model.volume import Volume


def is_stored(volume: Volume) -> bool:
    """Whether a volume is one that the role ``StorageVolumes`` made, going by its path."""
    return said_of(volume) is not None


def refuse_going(connection: libvirt.virConnect, volume: Volume) -> None:
    """Refuse a volume of a pool that is being made or removed. Call it once the guest's definition names the volume.

    Whoever removes a volume claims it, then looks at all definitions. So one of both always sees the other.

    Raises:
        Busy: it is, or was removed just now.
    """
    name, path = said_of(volume), getattr(volume.connection, "path", "")
    if name is None or (pool := pool_at(connection, path.rpartition("/")[0])) is None:
        return
    if pool.find(head_of(name.id)) is None and is_there(pool, name.encode()):
        return
    raise Busy(f"volume {volume.id} is being removed, or not complete", hint="look whether it is there, and try again")


def said_of(volume: Volume) -> StoredName | None:
    """What the name of a volume's file says; None for one that this driver did not make."""
    reached = volume.connection
    return StoredName.decode(reached.path.rpartition("/")[2]) if isinstance(reached, FileVolume) else None


def is_there(pool: Pool, name: str) -> bool:
    """Whether a pool has a volume of this name, perhaps one that another host has put there."""
    if pool.find(name) is None:
        pool.refresh()
    return pool.find(name) is not None


def pool_at(connection: libvirt.virConnect, directory: str) -> Pool | None:
    """The active pool whose volumes are in a directory; None if there is none."""
    with translated(f"look for the storage pool of {directory}"):
        try:
            native = connection.storagePoolLookupByTargetPath(directory)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL:
                return None
            raise
    return Pool(connection, native)
