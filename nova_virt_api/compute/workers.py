"""Threads that verbs run on: made on demand, reused, and never in the way of the interpreter's exit."""

import queue
import threading
from collections.abc import Callable


class Workers:
    """A pool of daemon threads. A thread in a native call that never returns must not keep the process from ending.

    Args:
        limit: at most so many threads; further tasks wait for a free one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._unclaimed = 0

    def run(self, task: Callable[[], None]) -> None:
        """Run a task, which must not raise, on some thread."""
        with self._lock:
            self._unclaimed -= 1
            grow = self._unclaimed < 0 and self._threads < self._limit
            self._threads += grow
        self._tasks.put(task)
        if grow:
            threading.Thread(target=self._work, name="nova-virt-worker", daemon=True).start()

    def close(self) -> None:
        """Let every thread end once its task, if it has one, returns."""
        with self._lock:
            threads, self._threads = self._threads, 0
        for _ in range(threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._unclaimed += 1
            task = self._tasks.get()
            if task is None:
                return
            task()
            del task
