"""Finds guests whose QEMU hangs: libvirt notices only when somebody has asked it something."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import libvirt

from nova_virt_api.errors import VirtError
from nova_virt_libvirt.health import SILENT_MILLISECONDS

if TYPE_CHECKING:
    from nova_virt_libvirt.connection import Connection

USUAL_PAUSE: Final = 10.0
SHORT_PAUSE: Final = 1.0
"""Seconds from one round to the next, and where somebody wants to know it exactly."""

MOST_STUCK: Final = 2
"""Rounds that may wait for a hung guest; each keeps one of the five requests that libvirtd serves a client at once."""

PATIENCE: Final = SILENT_MILLISECONDS / 1000 + 0.5
"""Seconds after which libvirt's books show who it is that does not answer."""

QUESTION: Final = libvirt.VIR_DOMAIN_STATS_IOTHREAD
"""The cheapest that no QEMU can be asked behind its back."""

FLAGS: Final = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
"""All running guests, but for those that an earlier round still waits for."""


class Pulse:
    """Asks all running guests for a sign, in rounds of one request each, behind the back of whoever lists them.

    Args:
        connection: a connection that may be held up.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._under_way: dict[int, float] = {}
        self._begun = 0.0
        self._rounds = 0

    def feel(self, *, now: bool) -> bool:
        """Begin a round if the last was a while ago; waits for nothing.

        Returns:
            Whether a round has waited for so long that a guest hangs. That is told once for each round; which guest it
            is, libvirt's own books say.
        """
        moment = time.monotonic()
        with self._lock:
            pause = SHORT_PAUSE if now else USUAL_PAUSE
            if moment - self._begun > pause and len(self._under_way) < MOST_STUCK:
                self._begun, self._rounds = moment, self._rounds + 1
                self._under_way[self._rounds] = moment
                threading.Thread(
                    target=self._ask, args=(self._rounds,), name="nova-virt-libvirt-pulse", daemon=True
                ).start()
            late = [number for number, since in self._under_way.items() if moment - since > PATIENCE]
            self._under_way |= dict.fromkeys(late, float("inf"))
        return bool(late)

    def _ask(self, number: int) -> None:
        with suppress(libvirt.libvirtError, VirtError):  # the loss of the connection is noted elsewhere
            self._connection.native.getAllDomainStats(QUESTION, FLAGS)
        with self._lock:
            del self._under_way[number]
