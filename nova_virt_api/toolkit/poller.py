"""Events for backends that have none: one listing per interval, whatever the number of watchers."""

import threading
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from nova_virt_api.errors import VirtError
from nova_virt_api.events import Emit, Gap
from nova_virt_api.model.instance import Instance
from nova_virt_api.toolkit.differences import differences

FASTEST: Final = 0.25
"""Seconds between listings right after a change."""

SLOWEST: Final = 4.0
"""Seconds between listings when nothing has happened for a while; the poller's event latency."""


class Poller:
    """Turns differences between listings into events: fast after a change, slower the longer nothing happens.

    Args:
        list_instances: one listing of all guests.
        emit: takes the events, from the poller's own thread.
    """

    def __init__(self, list_instances: Callable[[], Sequence[Instance]], emit: Emit) -> None:
        self._list = list_instances
        self._emit = emit
        self._stopped = threading.Event()
        self._known = {instance.uuid: instance for instance in list_instances()}
        self._thread = threading.Thread(target=self._run, name="nova-virt-poller", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop polling; idempotent."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        pause, failed = FASTEST, False
        while not self._stopped.wait(pause):
            try:
                now = {instance.uuid: instance for instance in self._list()}
            except VirtError:
                failed, pause = True, min(pause * 2, SLOWEST)
                continue
            if failed:
                self._emit(Gap("the endpoint could not be listed for a while"))
            changed = self._report(now)
            failed, pause = False, FASTEST if changed else min(pause * 1.5, SLOWEST)

    def _report(self, now: dict[UUID, Instance]) -> bool:
        before, self._known = self._known, now
        events = list(differences(before, now))
        for event in events:
            self._emit(event)
        return bool(events)
