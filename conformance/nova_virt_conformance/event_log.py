"""Takes a driver's events down, so that a test can wait for one."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nova_virt_api.events import Changed, Gap, Gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.events import DriverEvent
    from nova_virt_api.model.instance import Instance, PowerState

SLACK: Final = 3.0
"""Seconds beyond the declared latency, which holds usually, before an event counts as lost."""


class EventLog:
    """What one subscription delivered, in order. Thread-safe."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._events: list[DriverEvent] = []

    def emit(self, event: DriverEvent) -> None:
        """Take an event down."""
        with self._arrived:
            self._events.append(event)
            self._arrived.notify_all()

    @property
    def events(self) -> tuple[DriverEvent, ...]:
        """All events so far."""
        with self._arrived:
            return tuple(self._events)

    def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds; looked at after every event. Returns whether it does."""
        end = time.monotonic() + seconds
        while not holds():
            with self._arrived:
                seen = len(self._events)
            if holds():
                return True
            with self._arrived:
                arrived = self._arrived.wait_for(lambda seen=seen: len(self._events) > seen, end - time.monotonic())  # type: ignore[misc]
            if not arrived:
                return holds()
        return True

    def of(self, guest: UUID) -> list[Changed | Gone]:
        """The events of one guest."""
        mine = [event for event in self.events if not isinstance(event, Gap)]
        return [event for event in mine if (event.uuid if isinstance(event, Gone) else event.instance.uuid) == guest]

    def last(self, guest: UUID) -> Instance | None:
        """A guest as last told; None if nothing was told of it or it is gone."""
        events = self.of(guest)
        return events[-1].instance if events and isinstance(events[-1], Changed) else None

    def shows(self, guest: UUID, state: PowerState) -> bool:
        """Whether a guest was last told to be in this state."""
        last = self.last(guest)
        return last is not None and last.power_state is state

    def gone(self, guest: UUID) -> bool:
        """Whether a guest was last told to be gone."""
        events = self.of(guest)
        return bool(events) and isinstance(events[-1], Gone)

    def states(self, guest: UUID) -> list[PowerState]:
        """The power states told of a guest, each once in a row."""
        told = [event.instance.power_state for event in self.of(guest) if isinstance(event, Changed)]
        return [state for index, state in enumerate(told) if index == 0 or told[index - 1] is not state]


@contextmanager
def subscribed(driver: Driver) -> Iterator[EventLog]:
    """All events of a driver while the block runs."""
    log = EventLog()
    subscription = driver.events(log.emit)
    try:
        yield log
    finally:
        subscription.close()
