"""A fake world: its state, the lock around it, and everybody who looks at it."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol
from uuid import UUID

from nova_virt_api.errors import Busy
from nova_virt_api.events import DriverEvent, Emit
from nova_virt_api.fake.channel import Channel
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.shape import Shape
from nova_virt_api.fake.state import State
from nova_virt_api.fake.told import devices_of

Translate = Callable[[State, UUID, Guest | None], Sequence[DriverEvent]]
"""Makes events out of a guest's change, the way one connection sees them; the guest is None when it went."""


class Store(Protocol):
    """Where a world is kept between processes."""

    def refresh(self, state: State) -> State:
        """The state as stored if that is newer, otherwise the one given."""

    def lock(self) -> None:
        """Keep other processes from changing it."""

    def unlock(self) -> None:
        """Let other processes change it again."""

    def save(self, state: State) -> None:
        """Store the state in one step."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A verb that is at work on a guest.

    Args:
        holder: the connection that runs it.
        verb: what it does.
    """

    holder: str
    verb: str


class World:
    """Everything that one fake hypervisor has. Thread-safe.

    Args:
        name: its name.
        shape: its sizes and places.
        store: where it is kept; None keeps it in memory only.
        key: what no other world is called by, in any process that sees this one; None for a world of one process.
    """

    def __init__(self, name: str, shape: Shape, store: Store | None = None, *, key: str | None = None) -> None:
        self.name: Final = name
        self.key: Final = key or secrets.token_hex(8)
        self.shape: Final = shape
        self.born: Final = time.monotonic()
        self.store = store
        self._state = State(shape.images)
        self._lock = threading.RLock()
        self._holds: dict[UUID, Hold] = {}
        self._channels: dict[Channel, Translate] = {}
        self._timers: dict[str, threading.Timer] = {}
        self.refresh()

    def reachable(self) -> str:
        """Let guests of other worlds of this process come here; returns the key that they name it by."""
        from nova_virt_api.fake.parcel import REACHED

        REACHED[self.key] = self
        return self.key

    @property
    def revision(self) -> int:
        """A number that grows with every change; reading it takes no lock."""
        if self.store is not None:
            self.refresh()
        return self._state.revision

    @contextmanager
    def reading(self) -> Iterator[State]:
        """The state, which does not change until the block ends."""
        with self._lock:
            self.refresh()
            yield self._state

    @contextmanager
    def changing(self) -> Iterator[State]:
        """The state to be changed. A block checks first and changes last: what it did before it raised stays done."""
        with self._lock:
            if self.store is not None:
                self.store.lock()
            try:
                self.refresh()
                before = self._state.revision
                yield self._state
                if self.store is not None and self._state.revision != before:
                    self.store.save(self._state)
            finally:
                if self.store is not None:
                    self.store.unlock()
            channels = self._announce()
        for channel in channels:
            channel.deliver()

    def refresh(self) -> None:
        """Take over what another process stored."""
        if self.store is None:
            return
        with self._lock:
            state = self.store.refresh(self._state)
            if state is not self._state:
                state.revision += self._state.revision + 1
                self._state = state
                for guest in [guest for guest in state.guests.values() if guest.ready_at is not None]:
                    self._await_boot(state, guest)

    # --- who works on what ----------------------------------------------------------------------------------------

    @contextmanager
    def hold(self, uuid: UUID, hold: Hold) -> Iterator[None]:
        """Be the only one in this process who changes a guest.

        Raises:
            Busy: somebody else is.
        """
        with self._lock:
            other = self._holds.get(uuid)
            if other is not None:
                raise Busy(f"another connection is at it: {other.verb}", other.holder)
            self._holds[uuid] = hold
        try:
            yield
        finally:
            with self._lock:
                del self._holds[uuid]

    def held(self, uuid: UUID) -> Hold | None:
        """Who in this process changes a guest now."""
        with self._lock:
            return self._holds.get(uuid)

    # --- time and watchers ----------------------------------------------------------------------------------------

    def boot(self, state: State, guest: Guest) -> Guest:
        """Start a guest; it has booted after the world's boot time."""
        booted = guest.booted(time.time(), self.shape.boot_seconds)
        started = state.put(replace(booted, told=devices_of(state, guest)))
        self._await_boot(state, started)
        return started

    def watch(self, emit: Emit, translate: Translate) -> Channel:
        """Hand every change to a watcher from now on."""
        channel = Channel(emit, self._unwatch)
        with self._lock:
            self._channels[channel] = translate
        return channel

    def end(self) -> None:
        """Stop the world's clocks; nobody looks at it any more."""
        with self._lock:
            timers = list(self._timers.values())
            self._timers.clear()
            if self.store is not None:
                self.store.close()
        for timer in timers:
            timer.cancel()

    def _unwatch(self, channel: Channel) -> None:
        with self._lock:
            self._channels.pop(channel, None)

    def _announce(self) -> list[Channel]:
        touched, self._state.touched = self._state.touched, []
        for channel, translate in self._channels.items():
            for uuid, guest in touched:
                channel.offer(translate(self._state, uuid, guest))
        for native_id in list(self._timers):
            booting = self._state.guests.get(native_id)
            if booting is None or booting.ready_at is None:
                self._timers.pop(native_id).cancel()
        return list(self._channels) if touched else []

    def _await_boot(self, state: State, guest: Guest) -> None:
        if guest.ready_at is None:
            return
        left = guest.ready_at - time.time()
        if left <= 0.0:  # it went on booting while no process looked
            state.put(guest.settled())
            return
        timer = threading.Timer(left, self._settle, (guest.native_id, guest.boots))
        timer.daemon = True
        before = self._timers.pop(guest.native_id, None)
        if before is not None:
            before.cancel()
        self._timers[guest.native_id] = timer
        timer.start()

    def _settle(self, native_id: str, boots: int) -> None:
        with self.changing() as state:
            guest = state.guests.get(native_id)
            if guest is not None and guest.boots == boots and guest.ready_at is not None:
                state.put(guest.settled())
