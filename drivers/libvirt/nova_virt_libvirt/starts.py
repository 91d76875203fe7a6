"""Starting guests over connections of their own, so that nothing else has to wait for that."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Unavailable
from nova_virt_libvirt.native_call import LOOK_SECONDS, answered, begun

if TYPE_CHECKING:
    from collections.abc import Sequence

    import libvirt

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.connection import Connection

AT_ONCE: Final = 4
"""Starts over one connection. Of a client that has five requests under way (``max_client_requests``) libvirtd reads
nothing more, not even its signs of life, and takes it for dead after half a minute.
"""

CONNECTIONS: Final = 3
"""So that starts that hang leave libvirtd workers for everything else: it has 20 (``max_workers``) for all clients
together. With all of them taken nobody could even ask for the mark of the guest that is to be destroyed.
"""


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

    def start(self, domain: libvirt.virDomain, hold: Hold, op: Operation) -> None:
        """Start a guest that is off; returns when it runs. Waits while too many others are being started.

        Args:
            domain: the guest, found over any connection.
            hold: the claim that it is made under.
            op: the operation worked for.

        Raises:
            libvirt.libvirtError: it cannot be started.
            Busy: somebody else took over while this process was silent.
            Cancelled: somebody asked to; if it was no longer waiting, the guest may still start.
            Timeout: the deadline came first; likewise.
        """
        with ExitStack() as giving_back:
            index = self._take(op)
            giving_back.callback(self._give_back, index)
            op.stage(Stage.START, CancelMode.NONE)
            guest = self._found_over(index, domain)
            hold.verify()
            op.checkpoint()
            start = begun(guest.create)
            given_back = giving_back.pop_all()  # from now on when libvirt answers, which nobody may wait for any more
        start.add_done_callback(lambda _: given_back.close())
        answered(start, op)

    def _take(self, op: Operation) -> int:
        """Take room on the first connection that has some, once there is."""
        if not self._room.acquire(blocking=False):
            op.stage("wait until others have started", CancelMode.IMMEDIATE)
            while not self._room.acquire(timeout=min(LOOK_SECONDS, op.remaining())):
                op.checkpoint()
        with self._lock:
            index = next(index for index, count in enumerate(self._under_way) if count < AT_ONCE)
            self._under_way[index] += 1
        return index

    def _give_back(self, index: int) -> None:
        with self._lock:
            self._under_way[index] -= 1
        self._room.release()

    def _found_over(self, index: int, domain: libvirt.virDomain) -> Any:
        try:
            native = self._connections[index].native
        except Unavailable:  # e.g. the daemon takes no more clients; the guest is all but done
            return domain
        return native.lookupByUUID(domain.UUID())

    def close(self) -> None:
        """Disconnect for good. Idempotent."""
        for connection in self._connections:
            connection.close()
