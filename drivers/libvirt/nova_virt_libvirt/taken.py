"""What of an earlier guest, or of another one, is in the way of a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libvirt

from nova_virt_api.errors import InstanceExists, StorageError

if TYPE_CHECKING:
    from nova_virt_libvirt.storage.pools import Pool


def refuse_taken_name(connection: libvirt.virConnect, name: str) -> None:
    """Refuse a new guest's name that a guest has.

    Raises:
        InstanceExists: names it.
        libvirt.libvirtError: the connection broke.
    """
    try:
        other = connection.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return
        raise
    raise InstanceExists(f"the name {name} is taken by guest {other.UUIDString()}", hint="names are unique in libvirt")


def kept_disk(name: str, pool: Pool) -> StorageError:
    """The error for a disk that an earlier guest of the same uuid left on purpose."""
    hint = f"delete it (virsh vol-delete {name} --pool {pool.name}) or use another uuid"
    return StorageError(f"disk {name} of an earlier guest is still in storage pool {pool.name}", hint=hint)
