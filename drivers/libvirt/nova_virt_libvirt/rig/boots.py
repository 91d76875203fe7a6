"""Counts, by libvirt's own events, how often guests are started."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Final
from uuid import UUID

import libvirt

PATIENCE: Final = 10.0
"""Seconds within which libvirtd tells of what has happened."""


class Boots:
    """Starts of guests since it began to listen.

    Args:
        native: a connection on which nothing was registered yet.
    """

    def __init__(self, native: Any) -> None:
        self._native = native
        self._heard = threading.Condition()
        self._boots: Counter[UUID] = Counter()
        self._running: dict[UUID, int] = {}
        self._callbacks = [
            native.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None),
            native.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._reboot, None),
        ]

    def stop(self) -> None:
        """Listen no more."""
        for callback in self._callbacks:
            self._native.domainEventDeregisterAny(callback)

    def of(self, guest: UUID) -> int:
        """How often a guest was started from nothing.

        Events arrive a moment after what they tell of; so this waits until they have told of the guest's present state.
        """
        running = self._native.lookupByUUID(guest.bytes).ID()
        with self._heard:
            told = self._heard.wait_for(lambda: self._running.get(guest, -1) == running, PATIENCE)
            assert told, f"libvirt's events do not tell that guest {guest} runs as domain {running}"  # noqa: S101
            return self._boots[guest]

    def _lifecycle(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        guest = UUID(bytes=domain.UUID())
        with self._heard:
            if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
                self._running[guest] = domain.ID()
                self._boots[guest] += detail == libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED
            elif event in (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED):
                self._running.pop(guest, None)
            self._heard.notify_all()

    def _reboot(self, _connection: Any, domain: Any, _opaque: Any) -> None:
        with self._heard:
            self._boots[UUID(bytes=domain.UUID())] += 1
