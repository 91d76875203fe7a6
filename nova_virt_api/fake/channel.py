"""Delivery of a world's changes to one watcher."""

import threading
from collections import deque
from collections.abc import Callable, Iterable

from nova_virt_api.events import DriverEvent, Emit, Gap


class Channel:
    """Events on their way to one watcher, in the order in which things happened.

    They are handed over by whoever made the change, after the world's lock was released: a watcher may read the world
    from within its callback, and may hold locks of its own while it reads.

    Args:
        emit: takes the events.
        on_close: called once when the channel is closed.
    """

    def __init__(self, emit: Emit, on_close: Callable[["Channel"], None]) -> None:
        self._emit = emit
        self._on_close = on_close
        self._waiting: deque[DriverEvent] = deque()
        self._delivering = threading.Condition()
        self._deliverer: threading.Thread | None = None
        self._cut = False
        self.closed = False

    def offer(self, events: Iterable[DriverEvent]) -> None:
        """Put events in line; while the connection is cut they are lost."""
        if not self._cut:
            self._waiting.extend(events)

    def deliver(self) -> None:
        """Hand over what is in line, unless another thread is doing so: that one takes these along."""
        while self._waiting and not self.closed:
            with self._delivering:
                if self._deliverer is not None:
                    return
                self._deliverer = threading.current_thread()
            try:
                while self._waiting and not self.closed:
                    self._emit(self._waiting.popleft())
            finally:
                with self._delivering:
                    self._deliverer = None
                    self._delivering.notify_all()

    def cut(self) -> None:
        """From now on events are lost."""
        self._cut = True

    def restore(self, reason: str) -> None:
        """Events flow again after :meth:`cut`; the watcher is told of the gap."""
        if self._cut:
            self._cut = False
            self.offer([Gap(reason)])
            self.deliver()

    def close(self) -> None:
        """Stop; no event is handed over after it returned. Idempotent."""
        with self._delivering:
            self.closed = True
            if self._deliverer is not threading.current_thread():
                self._delivering.wait_for(lambda: self._deliverer is None)
        self._on_close(self)
