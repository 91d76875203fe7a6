"""One subscription to a driver's events for any number of watchers and waiters of a connection."""

import threading
from collections.abc import Callable
from typing import Final
from uuid import UUID

from nova_virt_api.compute.guard import guarded
from nova_virt_api.driver.driver import Driver
from nova_virt_api.events import Changed, DriverEvent, Gap, Gone, Subscription

GAP: Final = None
"""The slot of a gap, which belongs to no guest."""


class Slots:
    """What one watcher has not read yet: the newest event of each guest, so a slow reader loses only what lay between.

    Args:
        guest: whose events are kept, and gaps; None keeps everybody's.
        on_event: called, from the driver's thread, after something was put in; must not block.
    """

    def __init__(self, guest: UUID | None = None, on_event: Callable[[], None] | None = None) -> None:
        self._guest = guest
        self._filled = threading.Condition()
        self._events: dict[UUID | None, DriverEvent] = {}
        self._on_event = on_event
        self.closed = False

    def put(self, event: DriverEvent) -> None:
        """Keep an event until it is read or a newer one of the same guest replaces it."""
        slot = slot_of(event)
        if self._guest is not None and slot not in (self._guest, GAP):
            return
        with self._filled:
            if slot is GAP:
                self._events.pop(GAP, None)  # what came before it must be read before it
            self._events[slot] = event
            self._filled.notify_all()
        if self._on_event is not None:
            self._on_event()

    def take(self, timeout: float | None) -> DriverEvent | None:
        """The event that has waited longest; None when none came in time or the slots were closed."""
        with self._filled:
            self._filled.wait_for(lambda: self._events or self.closed, timeout)
            if self.closed or not self._events:
                return None
            return self._events.pop(next(iter(self._events)))

    def pause(self, seconds: float) -> None:
        """Wait that long, or until the slots are closed."""
        with self._filled:
            self._filled.wait_for(lambda: self.closed, seconds)

    def close(self) -> None:
        """Wake whoever waits; nothing is taken any more."""
        with self._filled:
            self.closed = True
            self._filled.notify_all()
        if self._on_event is not None:
            self._on_event()


class Hub:
    """Hands a driver's events on. Subscribes when the first listener comes and ends it when the last has gone."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._subscribing = threading.Lock()
        self._listeners: tuple[Slots, ...] = ()
        self._subscription: Subscription | None = None

    def join(self, slots: Slots) -> None:
        """Put every event from now on into these slots."""
        with self._subscribing:
            self._listeners = (*self._listeners, slots)
            if self._subscription is None:
                try:
                    self._subscription = self._driver.events(self._emit)
                except BaseException:
                    self._listeners = tuple(other for other in self._listeners if other is not slots)
                    raise

    def leave(self, slots: Slots) -> None:
        """Put nothing more into these slots. Idempotent."""
        with self._subscribing:
            self._listeners = tuple(other for other in self._listeners if other is not slots)
            last = not self._listeners
            if last and self._subscription is not None:
                subscription, self._subscription = self._subscription, None
                guarded("events", None, subscription.close)

    def close(self) -> None:
        """End every watch."""
        for slots in self._listeners:
            slots.close()
            self.leave(slots)

    def _emit(self, event: DriverEvent) -> None:
        for slots in self._listeners:
            slots.put(event)


def slot_of(event: DriverEvent) -> UUID | None:
    """The guest that an event is about."""
    match event:
        case Changed(instance):
            return instance.uuid
        case Gone(uuid):
            return uuid
        case Gap():
            return GAP
