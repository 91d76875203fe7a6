"""Changes of guests: libvirt's callbacks take note, one thread reads the guests again and tells who subscribed."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import libvirt

from nova_virt_api.errors import InstanceNotFound, VirtError
from nova_virt_api.events import Changed, Gap, Gone
from nova_virt_api.model.identity import InstanceRef

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nova_virt_api.events import DriverEvent, Emit
    from nova_virt_api.model.instance import Instance

EVENTS: Final = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
    libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR,
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND,
    libvirt.VIR_DOMAIN_EVENT_ID_PMWAKEUP,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
    libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
)
"""All that can change what an ``Instance`` shows."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between attempts to reconnect while the endpoint is away."""

SWEEP: Final = 2.0
"""Seconds between listings while somebody listens: for what libvirt tells of by no event, above all addresses."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Something happened to this guest."""

    uuid: UUID


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection was lost; events are missing until it is back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wake:
    """There is somebody who listens, or nothing more to do."""


Note: TypeAlias = Touched | Broken | Wake


class Subscriber:
    """One subscription: events go to ``emit`` until it is closed."""

    def __init__(self, emit: Emit, forget: Callable[[Subscriber], None]) -> None:
        self._emit = emit
        self._forget = forget
        self._lock = threading.RLock()  # emit may close its own subscription
        self._open = True

    def tell(self, event: DriverEvent) -> None:
        """Hand an event on, unless closed."""
        with self._lock:
            if self._open:
                self._emit(event)

    def close(self) -> None:
        """No event is emitted after this returned. Idempotent."""
        with self._lock:
            self._open = False
        self._forget(self)


class Events:
    """Events of one endpoint, from its first connection to its last.

    Args:
        forget: called at once for each guest that something happened to; must not block.
        clear: called when changes may have been missed; must not block.
        look: reads one guest as it is now.
        list_all: lists all guests; the same objects for those that did not change.
        reconnect: makes sure that there is a connection again, or raises.
    """

    def __init__(
        self,
        *,
        forget: Callable[[UUID], None],
        clear: Callable[[], None],
        look: Callable[[InstanceRef], Instance],
        list_all: Callable[[], Sequence[Instance]],
        reconnect: Callable[[], object],
    ) -> None:
        self._forget = forget
        self._clear = clear
        self._look = look
        self._list_all = list_all
        self._reconnect = reconnect
        self._notes: queue.SimpleQueue[Note] = queue.SimpleQueue()
        self._subscribers: list[Subscriber] = []
        self._told: dict[UUID, Instance] = {}
        self._registered: tuple[Any, list[int]] = (None, [])
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def register(self, native: Any) -> None:
        """Ask a new connection for events. What was known before may be out of date."""
        self.unregister()
        registered = []
        for event in EVENTS:
            try:
                registered.append(native.domainEventRegisterAny(None, event, self._heard, None))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                    raise
        self._registered = (native, registered)
        self._clear()

    def unregister(self) -> None:
        """Ask for no more events; a connection with callbacks is never freed. Idempotent."""
        (native, callbacks), self._registered = self._registered, (None, [])
        for callback in callbacks:
            with suppress(libvirt.libvirtError):  # the connection was lost
                native.domainEventDeregisterAny(callback)

    def lost(self, reason: str) -> None:
        """The connection was lost. Only takes note."""
        self._notes.put(Broken(reason))

    def start(self) -> None:
        """Begin to work on what was noted."""
        self._thread = threading.Thread(target=self._run, name="nova-virt-libvirt-dispatch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all subscriptions. Idempotent."""
        self.unregister()
        self._ended.set()
        self._notes.put(Wake())
        for subscriber in list(self._subscribers):
            subscriber.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def subscribe(self, emit: Emit) -> Subscriber:
        """Report changes from now on."""
        subscriber = Subscriber(emit, self._unsubscribe)
        self._subscribers.append(subscriber)
        self._notes.put(Wake())
        return subscriber

    def _unsubscribe(self, subscriber: Subscriber) -> None:
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)

    def _heard(self, _connection: Any, domain: Any, *_: Any) -> None:
        """Libvirt's callback, on the event loop's thread: no request, no lock, no log."""
        uuid = UUID(bytes=domain.UUID())
        self._forget(uuid)
        self._notes.put(Touched(uuid))

    # --- the dispatcher -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        swept = time.monotonic()
        while not self._ended.is_set():
            notes = self._next_notes(swept + SWEEP if self._subscribers else None)
            broken = next((note for note in notes if isinstance(note, Broken)), None)
            if broken is not None:
                self._come_back(broken.reason)
            for uuid in dict.fromkeys(note.uuid for note in notes if isinstance(note, Touched)):
                self._report(uuid)
            if self._subscribers and time.monotonic() - swept >= SWEEP:  # also while events come without a pause
                self._sweep()
                swept = time.monotonic()

    def _next_notes(self, until: float | None) -> list[Note]:
        """Wait for a note; take all that are there, so that several changes of one guest become one.

        Args:
            until: when to wait no longer, on the monotonic clock; None for as long as it takes.
        """
        notes: list[Note] = []
        try:
            notes.append(self._notes.get(timeout=None if until is None else max(0.0, until - time.monotonic())))
            while True:
                notes.append(self._notes.get_nowait())
        except queue.Empty:
            return notes

    def _come_back(self, reason: str) -> None:
        """Reconnect, as long as it takes; then tell of the gap: from here on events flow again."""
        pause = FIRST_PAUSE
        while not self._ended.is_set():
            try:
                self._reconnect()
            except VirtError:
                self._ended.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._tell(Gap(reason))
                return

    def _report(self, uuid: UUID) -> None:
        if not self._subscribers:
            return
        try:
            instance = self._told[uuid] = self._look(InstanceRef(uuid=uuid))
            self._tell(Changed(instance))
        except InstanceNotFound:
            self._told.pop(uuid, None)
            self._tell(Gone(uuid))
        except VirtError as error:
            if not self._ended.is_set():
                self._notes.put(Broken(f"a guest could not be read: {error.message}"))

    def _sweep(self) -> None:
        """Tell of guests that differ from what was told; the first time, only look."""
        try:
            now = {instance.uuid: instance for instance in self._list_all()}
        except VirtError:  # the loss of the connection is noted elsewhere
            return
        before, self._told = self._told, now
        for uuid, instance in now.items():
            known = before.get(uuid)
            if known is not None and known is not instance and known != instance:
                self._tell(Changed(instance))

    def _tell(self, event: DriverEvent) -> None:
        for subscriber in list(self._subscribers):
            subscriber.tell(event)
