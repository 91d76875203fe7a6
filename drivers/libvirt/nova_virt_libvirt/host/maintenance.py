"""The mark of a host that takes no new guests: a small volume, seen by whoever uses the host's libvirt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import NoCapacity, VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.names import MAINTENANCE_PREFIX
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.storage.pools import VolumeExists

if TYPE_CHECKING:
    import libvirt

    from nova_virt_libvirt.storage.pools import Volume

SIZE: Final = 4096
"""Bytes of the volume, always written as a whole; a reason has at most 255 characters."""


class Maintenance:
    """Whether one host is out of use. Short-lived: made for one verb.

    It is written to the pool of this connection's records and read from all: connections may have chosen other pools.

    Args:
        connection: the connection to use.
        configured_pool: the driver's option ``pool``.
        host: uuid of the host; a pool on shared storage is seen by several.
    """

    def __init__(self, connection: libvirt.virConnect, configured_pool: str | None, host: str) -> None:
        self._places = Places(connection, configured_pool)
        self._name = f"{MAINTENANCE_PREFIX}{host}"

    def reason(self) -> str | None:
        """Why the host takes no guests, empty if that was not written yet; None if it takes them."""
        for volume in self._volumes():
            try:
                return volume.read(SIZE).rstrip(b"\0 ").decode(errors="replace")
            except VirtError:  # it was removed meanwhile
                continue
        return None

    def enter(self, reason: str) -> None:
        """Take the host out of use, or give another reason."""
        pool = self._places.records_pool()
        try:
            volume = pool.create(self._name, SIZE, ImageFormat.RAW)
        except VolumeExists:
            volume = pool.find(self._name) or pool.create(self._name, SIZE, ImageFormat.RAW)
        volume.write(reason.encode().ljust(SIZE))
        for other in self._volumes():
            if other.pool.name != pool.name:
                other.remove()

    def leave(self) -> None:
        """Take the host into use again."""
        for volume in self._volumes():
            volume.remove()

    def refuse_new(self) -> None:
        """Refuse to make a guest on a host that is out of use.

        Raises:
            NoCapacity: it is.
        """
        reason = self.reason()
        if reason is not None:
            message = f"the host takes no new guests, it was taken out of use: {reason or 'no reason was given'}"
            raise NoCapacity("nodes", message, hint="leave_maintenance takes it into use again")

    def _volumes(self) -> list[Volume]:
        found = [pool.find(self._name) for pool in self._places.active_pools()]
        return [volume for volume in found if volume is not None]
