"""Starting guests over connections of their own, so that nothing else has to wait for that."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import libvirt

    from nova_virt_libvirt.connection import Connection

AT_ONCE: Final = 4
"""Starts over one connection. Of a client that has five requests under way (``max_client_requests``) libvirtd reads
nothing more, not even its signs of life, and takes it for dead after half a minute.
"""

CONNECTIONS: Final = 5
"""As many as it takes to start 20 guests at once: libvirtd has no more workers than that, for all clients together."""


class Starts:
    """Spreads starts over a few connections, each opened when those before it are taken.

    Args:
        connections: the connections; for nothing else.
    """

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = connections
        self._room = threading.Semaphore(len(connections) * AT_ONCE)
        self._lock = threading.Lock()
        self._under_way = [0] * len(connections)

    def start(self, domain: libvirt.virDomain) -> None:
        """Start a guest that is off; returns when it runs. Waits while too many others are being started.

        Args:
            domain: the guest, found over any connection.

        Raises:
            libvirt.libvirtError: it cannot be started.
            Unavailable: the endpoint cannot be reached now.
        """
        with self._free() as native:
            native.lookupByUUID(domain.UUID()).create()

    @contextmanager
    def _free(self) -> Iterator[Any]:
        """The first connection that has room for one more."""
        with self._room:
            with self._lock:
                index = next(index for index, count in enumerate(self._under_way) if count < AT_ONCE)
                self._under_way[index] += 1
            try:
                yield self._connections[index].native
            finally:
                with self._lock:
                    self._under_way[index] -= 1

    def close(self) -> None:
        """Disconnect for good. Idempotent."""
        for connection in self._connections:
            connection.close()
