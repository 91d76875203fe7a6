"""Changes of guests, found by comparing the watcher's lists."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from uuid import UUID

from nova_virt_api.events import Gap
from nova_virt_api.toolkit.differences import differences

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.events import DriverEvent, Emit
    from nova_virt_api.model.instance import Instance
    from nova_virt_ironic.instances import Guests
    from nova_virt_ironic.listing import Listing, Snapshot
    from nova_virt_ironic.watcher import Watcher


class Subscriber:
    """One subscription: differences go to ``emit`` until it is closed.

    Args:
        guests: makes guests of nodes.
        known: the guests when the subscription began.
        emit: takes the events, on the watcher's thread.
        forget: called when it is closed.
    """

    def __init__(
        self, guests: Guests, known: dict[UUID, Instance], emit: Emit, forget: Callable[[Subscriber], None]
    ) -> None:
        self._guests = guests
        self._known = known
        self._emit = emit
        self._forget = forget
        self._lock = threading.RLock()  # emit may close its own subscription
        self._open = True

    def seen(self, snapshot: Snapshot) -> None:
        """Tell of guests that differ from what was told; one that did not change is the same object."""
        now = {instance.uuid: instance for instance in self._guests.on(snapshot)}
        before, self._known = self._known, now
        for event in differences(before, now):
            self._tell(event)

    def gap(self, reason: str) -> None:
        """Events may have been missed; what differs now follows."""
        self._tell(Gap(reason))

    def close(self) -> None:
        """No event is emitted after this returned. Idempotent."""
        with self._lock:
            self._open = False
        self._forget(self)

    def _tell(self, event: DriverEvent) -> None:
        with self._lock:
            if self._open:
                self._emit(event)


def subscribe(guests: Guests, listing: Listing, watcher: Watcher, emit: Emit) -> Subscriber:
    """Report changes from now on.

    Raises:
        VirtError: the endpoint cannot be listed, so there is nothing to compare with.
    """
    known = {instance.uuid: instance for instance in guests.on(listing.snapshot(fresh=True))}
    subscriber = Subscriber(guests, known, emit, watcher.forget)
    watcher.observe(subscriber)
    return subscriber
