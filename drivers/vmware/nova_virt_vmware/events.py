"""Changes of guests, as the server tells them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nova_virt_api.events import Gap
from nova_virt_api.toolkit.differences import differences

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.events import DriverEvent, Emit
    from nova_virt_api.model.instance import Instance
    from nova_virt_vmware.instances import Guests
    from nova_virt_vmware.inventory_cache import InventoryCache
    from nova_virt_vmware.known import Known


class Subscriber:
    """One subscription: differences go to ``emit`` until it is closed.

    Args:
        guests: makes guests of virtual machines.
        cache: knows of changes.
        emit: takes the events.
    """

    def __init__(self, guests: Guests, cache: InventoryCache, emit: Emit) -> None:
        self._guests = guests
        self._cache = cache
        self._emit = emit
        self._lock = threading.RLock()  # emit may close its own subscription
        self._open = True
        self._told: dict[UUID, Instance] = {}

    def begin(self) -> None:
        """Tell of what changes from now on.

        Raises:
            VirtError: the endpoint cannot be listed, so there is nothing to compare with.
        """
        self._told = {instance.uuid: instance for instance in self._guests.on(self._cache.known())}
        self._cache.observe(self)

    def seen(self, known: Known) -> None:
        """Tell of guests that differ from what was told; one that did not change is the same object."""
        now = {instance.uuid: instance for instance in self._guests.on(known)}
        before, self._told = self._told, now
        for event in differences(before, now):
            self._tell(event)

    def gap(self, reason: str) -> None:
        """Events may have been missed; what differs now follows."""
        self._tell(Gap(reason))

    def close(self) -> None:
        """No event is emitted after this returned. Idempotent."""
        with self._lock:
            self._open = False
        self._cache.forget(self)

    def _tell(self, event: DriverEvent) -> None:
        with self._lock:
            if self._open:
                self._emit(event)


def subscribe(guests: Guests, cache: InventoryCache, emit: Emit) -> Subscriber:
    """Report changes from now on.

    Raises:
        VirtError: the endpoint cannot be listed, so there is nothing to compare with.
    """
    subscriber = Subscriber(guests, cache, emit)
    subscriber.begin()
    return subscriber
