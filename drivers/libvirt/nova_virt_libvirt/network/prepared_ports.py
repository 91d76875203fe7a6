"""Ports that os-vif makes for a guest before it comes: no mark tells of them here, so a small volume does.

It is written before they are made and removed last, or when the guest has come, whose mark tells of them then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import VirtError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.names import ports_name
from nova_virt_libvirt.network.vif import Owner
from nova_virt_libvirt.network.vif_note import VifNote

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_libvirt.network.vif import Vifs
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.storage.pools import Volume

SIZE: Final = 65536
"""Bytes of the volume, always written as a whole; a ticket, which tells of the ports too, is no longer."""


class PreparedPorts:
    """Those of one guest on one host. Short-lived: made for one verb.

    Args:
        places: what names of places mean.
        vifs: makes and removes ports.
        uuid: the guest.
        host: uuid of the host; a pool on shared storage is seen by several.
    """

    def __init__(self, places: Places, vifs: Vifs, uuid: UUID, host: str) -> None:
        self._places = places
        self._vifs = vifs
        self._owner = Owner(uuid, str(uuid))
        self._name = ports_name(uuid, host)

    def make(self, note: VifNote) -> None:
        """Make these ports, and remove others that were made. Idempotent.

        Raises:
            NetworkError: os-vif could not.
        """
        if self._known() != note:
            self.remove()
            if note.ports:
                volume = self._places.records_pool().create(self._name, SIZE, ImageFormat.RAW)
                volume.write(note.encode().encode().ljust(SIZE))
        self._vifs.plug_all(self._owner, note)

    def remove(self, told: VifNote | None = None) -> None:
        """Remove them. Idempotent.

        Args:
            told: what else tells of them, in case that the volume is gone.

        Raises:
            NetworkError: os-vif could not.
        """
        both = {**(told or VifNote()).ports, **self._known().ports}
        self._vifs.unplug_all(self._owner, VifNote(both))
        self.forget()

    def forget(self) -> None:
        """Leave them to the guest, which has come."""
        if (volume := self._volume()) is not None:
            volume.remove()

    def _known(self) -> VifNote:
        volume = self._volume()
        if volume is None:
            return VifNote()
        try:
            return VifNote.decode(volume.read(SIZE).rstrip(b"\0 ").decode(errors="replace"))
        except VirtError:
            if self._volume() is not None:
                raise
            return VifNote()  # it was removed meanwhile

    def _volume(self) -> Volume | None:
        return self._places.records_pool().find(self._name)
