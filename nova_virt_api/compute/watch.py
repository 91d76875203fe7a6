"""Watching guests: first what is there, then every change, across lost connections."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from nova_virt_api.compute.hub import Hub, Slots
from nova_virt_api.errors import VirtError
from nova_virt_api.events import Change, Changed, Gap, Gone, InstanceEvent, WatchEvent
from nova_virt_api.model.instance import Instance, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from uuid import UUID

    from nova_virt_api.events import DriverEvent

PAUSE_BEFORE_RELISTING: Final = 0.5


class Watch:
    """An endless iterator over events; a context manager. Threads do not share one, but any may ``close`` it.

    A watcher that reads slowly misses intermediate states and nothing else: the last state always comes. After a
    :class:`Gap` follow, as synthetic events, all differences between what was told before and what is there now; while
    that comparison still has to be made, ``behind`` is true.
    """

    def __init__(self, hub: Hub, slots: Slots, list_instances: Callable[..., Sequence[Instance]], scope: Scope) -> None:
        self._hub = hub
        self._list = list_instances
        self._scope = scope
        self._slots = slots
        self._known: dict[UUID, Instance] = {}
        self._ready: deque[WatchEvent] = deque()
        self.behind = False
        hub.join(self._slots)
        try:
            self._compare(Change.PRESENT, synthetic=False)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[WatchEvent]:
        return self

    def __next__(self) -> WatchEvent:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout: float | None = None) -> WatchEvent | None:
        """The next event; None when none came within ``timeout`` seconds or the watch was closed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready and not self._slots.closed:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if self.behind:
                self._try_resync(left)
            else:
                event = self._slots.take(left)
                if event is not None:
                    self._digest(event)
            if left == 0.0:
                break
        return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        """End the watch; whoever waits for its next event gets the end. Idempotent."""
        self._slots.close()
        self._hub.leave(self._slots)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _digest(self, event: DriverEvent) -> None:
        match event:
            case Gap():
                self._ready.append(event)
                self.behind = True
            case Changed(instance):
                self._tell(instance, Change.APPEARED, synthetic=False)
            case Gone(uuid):
                self._tell_gone(uuid, synthetic=False)

    def _try_resync(self, left: float | None) -> None:
        try:
            self._compare(Change.APPEARED, synthetic=True)
            self.behind = False
        except VirtError as error:
            if not error.retryable:
                raise
            self._slots.pause(PAUSE_BEFORE_RELISTING if left is None else min(left, PAUSE_BEFORE_RELISTING))

    def _compare(self, new: Change, *, synthetic: bool) -> None:
        now = {instance.uuid: instance for instance in self._list(fresh=synthetic)}
        for instance in now.values():
            self._tell(instance, new, synthetic=synthetic)
        for uuid in self._known.keys() - now.keys():
            self._tell_gone(uuid, synthetic=synthetic)

    def _tell(self, instance: Instance, new: Change, *, synthetic: bool) -> None:
        if self._scope is Scope.OWNED and not instance.owned:
            self._tell_gone(instance.uuid, synthetic=synthetic)
            return
        previous = self._known.get(instance.uuid)
        if instance == previous:
            return
        self._known[instance.uuid] = instance
        change = new if previous is None else Change.CHANGED
        told = InstanceEvent(change=change, instance=instance, previous=previous, synthetic=synthetic)
        self._ready.append(told)

    def _tell_gone(self, uuid: UUID, *, synthetic: bool) -> None:
        previous = self._known.pop(uuid, None)
        if previous is not None:
            told = InstanceEvent(change=Change.GONE, instance=previous, previous=previous, synthetic=synthetic)
            self._ready.append(told)
