"""The one poller of a connection: whoever waits for a node or watches all of them shares its lists.

Ironic tells a client of nothing by itself. So one thread lists the nodes, fast right after something happened, ever
slower while nothing does, never for more than a third of the time, and not at all while nobody wants to know.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from nova_virt_api.errors import AuthenticationFailed, PermissionDenied, Unavailable, VirtError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.listing import Listing, Snapshot
    from nova_virt_ironic.node import NodeRow

GROWTH: Final = 1.4
"""By what each pause is longer than the one before while nothing happens."""

SHARE: Final = 2.0
"""Pauses are at least this many times as long as a list takes."""

AFTER_DEADLINE: Final = 1.0
"""Seconds between looks at an operation that goes on after its deadline."""

LONGEST_FAREWELL: Final = 2.0
"""Seconds that closing waits for a list that is under way."""


class Observer(Protocol):
    """Wants to know of every list."""

    def seen(self, snapshot: Snapshot) -> None:
        """Take the nodes as they are now; on the watcher's thread, must not block and never raises."""

    def gap(self, reason: str) -> None:
        """For a while there were no lists; the next one follows. On the watcher's thread."""


class Waiter:
    """One verb that waits for one node.

    Args:
        node_uuid: the node.
    """

    def __init__(self, node_uuid: str) -> None:
        self.node_uuid = node_uuid
        self.since = time.monotonic()
        self._news = threading.Event()
        self._row: NodeRow | None = None
        self._error: VirtError | None = None
        self._told = False

    def tell(self, row: NodeRow | None) -> None:
        """The node as a list showed it; wakes the verb if it differs from what was told before."""
        if not self._told or row is not self._row:
            self._row, self._told = row, True
            self._news.set()

    def fail(self, error: VirtError) -> None:
        """There will be no more lists for now."""
        self._error = error
        self._news.set()

    def wake(self) -> None:
        """Let the verb look whether it was cancelled."""
        self._news.set()

    def next(self, op: Operation) -> NodeRow | None:
        """Wait until a list shows something new of the node.

        Raises:
            Cancelled: somebody asked to cancel.
            Timeout: the deadline passed.
            VirtError: the endpoint cannot be listed.
        """
        while True:
            self._news.wait(min(op.remaining() or AFTER_DEADLINE, threading.TIMEOUT_MAX))
            there = self._news.is_set()
            self._news.clear()
            op.checkpoint()
            if self._error is not None:
                raise self._error
            if there and self._told:
                return self._row


class Watcher:
    """Lists nodes for waiting verbs and for observers.

    Args:
        listing: what it asks.
        options: the driver's options: ``poll_interval``, ``busy_poll_interval``, ``idle_poll_interval``,
            ``outage_timeout``.
    """

    def __init__(self, listing: Listing, options: Any) -> None:
        self._listing = listing
        self._first = float(options.poll_interval)
        self._busy = max(self._first, float(options.busy_poll_interval))
        self._idle = max(self._first, float(options.idle_poll_interval))
        self._outage_seconds = float(options.outage_timeout)
        self._wanted = threading.Condition()
        self._waiters: list[Waiter] = []
        self._observers: list[Observer] = []
        self._thread: threading.Thread | None = None
        self._hurried = False
        self._closed = False
        self._list_seconds = 0.0

    @property
    def latency_seconds(self) -> float:
        """Within what time a change is seen, usually: the longest pause and the list that follows it."""
        return max(self._idle, SHARE * self._list_seconds) + self._list_seconds

    # --- for verbs ------------------------------------------------------------------------------------------------

    def wait(self, op: Operation, node_uuid: str, condition: Callable[[NodeRow | None], bool]) -> NodeRow | None:
        """Return once the node is as wanted; a request to cancel ends the wait at once.

        The condition sees only lists that were asked for after the call, so what was done before it is in them. It is
        asked on the caller's thread and may raise, e.g. because the node failed.

        Args:
            op: the operation worked for.
            node_uuid: the node.
            condition: whether it is as wanted; gets None when there is no such node any more.

        Returns:
            The node that satisfied the condition.

        Raises:
            Cancelled: somebody asked to cancel.
            Timeout: the deadline passed.
            Unavailable: the endpoint was away for longer than the option ``outage_timeout``.
            ConnectionLost: the same.
        """
        waiter = Waiter(node_uuid)
        self._join(self._waiters, waiter)
        try:
            op.on_cancel(waiter.wake)
            while True:
                row = waiter.next(op)
                if condition(row):
                    return row
        finally:
            self._leave(self._waiters, waiter)

    def hurry(self) -> None:
        """Something was done just now: list soon, if anybody wants to know."""
        with self._wanted:
            self._hurried = True
            self._wanted.notify_all()

    # --- for events -----------------------------------------------------------------------------------------------

    def observe(self, observer: Observer) -> None:
        """Tell of every list from now on."""
        self._join(self._observers, observer)

    def forget(self, observer: Observer) -> None:
        """Tell of no more lists. One that is under way may still be told. Idempotent."""
        self._leave(self._observers, observer)

    def close(self) -> None:
        """Tell nobody any more; verbs that wait fail. Idempotent."""
        with self._wanted:
            self._closed = True
            self._observers.clear()
            for waiter in self._waiters:
                waiter.fail(Unavailable("the connection to Ironic was closed"))
            self._wanted.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(LONGEST_FAREWELL)

    def _join(self, whom: list[Any], one: Any) -> None:
        with self._wanted:
            if self._closed:
                raise Unavailable("the connection to Ironic was closed", hint="connect anew")
            whom.append(one)
            self._hurried = True
            self._wanted.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nova-virt-ironic-watcher", daemon=True)
                self._thread.start()

    def _leave(self, whom: list[Any], one: Any) -> None:
        with self._wanted:
            with suppress(ValueError):
                whom.remove(one)
            self._wanted.notify_all()

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause, reason = self._first, ""
        away_since: float | None = None
        while self._rest(pause, hurry=away_since is None):
            began = time.monotonic()
            try:
                before, snapshot = self._listing.last, self._listing.snapshot(fresh=True)
            except VirtError as error:
                away_since = began if away_since is None else away_since
                reason = error.message
                self._fail(error, away_since)
                pause = min(pause * 2, self._busy if self._waiters else self._idle)
                continue
            self._list_seconds = snapshot.seconds
            if away_since is not None:
                for observer in self._copy(self._observers):
                    observer.gap(f"the endpoint could not be listed for a while: {reason}")
            pause, away_since = self._tell(before, snapshot, pause), None

    def _rest(self, pause: float, *, hurry: bool) -> bool:
        """Wait until the next list is due; whether anybody still wants one.

        Args:
            pause: how long it may take, in seconds.
            hurry: whether to list sooner when somebody came or something was done.
        """
        least = time.monotonic() + min(pause, max(self._first, SHARE * self._list_seconds))
        most = time.monotonic() + pause
        with self._wanted:
            while True:
                if not (self._waiters or self._observers):
                    self._thread = None
                    return False
                now = time.monotonic()
                due = least if self._hurried and hurry else most
                if now >= due:
                    self._hurried = False
                    return True
                self._wanted.wait(due - now)

    def _tell(self, before: Snapshot | None, snapshot: Snapshot, pause: float) -> float:
        """Hand a list to all; the pause until the next."""
        waiters = self._copy(self._waiters)
        for waiter in waiters:
            if snapshot.began >= waiter.since:
                waiter.tell(snapshot.rows.get(waiter.node_uuid))
        for observer in self._copy(self._observers):
            observer.seen(snapshot)
        changed = before is None or snapshot.differs_from(before)
        longest = self._busy if waiters else self._idle
        pause = self._first if changed else min(pause * GROWTH, longest)
        return max(pause, SHARE * snapshot.seconds)

    def _fail(self, error: VirtError, away_since: float) -> None:
        """Let verbs know, when waiting longer makes no sense."""
        hopeless = isinstance(error, AuthenticationFailed | PermissionDenied)
        for waiter in self._copy(self._waiters):
            if hopeless or time.monotonic() - max(away_since, waiter.since) >= self._outage_seconds:
                waiter.fail(error)

    def _copy(self, whom: list[Any]) -> list[Any]:
        with self._wanted:
            return list(whom)
