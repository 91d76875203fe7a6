"""Which guests have their memory in a managed save image."""

import time
from typing import Any, Final

import libvirt

FRESH_SECONDS: Final = 1.0
"""For how long a listing believes what it knows: libvirt tells of new images by events, of removed ones not at all."""


class SavedGuests:
    """The uuids of suspended guests, found with one request for all."""

    def __init__(self) -> None:
        self._uuids: frozenset[bytes] = frozenset()
        self._told = 0.0

    @property
    def uuids(self) -> frozenset[bytes]:
        """As known."""
        return self._uuids

    @property
    def is_stale(self) -> bool:
        """Whether an image that is known may have been removed since."""
        return bool(self._uuids) and time.monotonic() - self._told > FRESH_SECONDS

    def refresh(self, native: Any) -> None:
        """Ask for all. Touches no guest.

        Raises:
            libvirt.libvirtError: the connection broke.
        """
        told = time.monotonic()
        domains = native.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
        self._uuids, self._told = frozenset(domain.UUID() for domain in domains), told

    def refresh_one(self, domain: Any) -> bool:
        """Ask for one guest that is shut off.

        Raises:
            libvirt.libvirtError: it is gone, or the connection broke.
        """
        uuid: bytes = domain.UUID()
        saved = bool(domain.hasManagedSaveImage(0))
        if saved != (uuid in self._uuids):
            self._uuids = self._uuids | {uuid} if saved else self._uuids - {uuid}
        return saved
