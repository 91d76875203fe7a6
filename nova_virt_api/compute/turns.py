"""One verb at a time per guest and per node: whose turn it is, and who waits."""

import os
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from nova_virt_api.compute.operation import Operation
from nova_virt_api.compute.workers import Workers
from nova_virt_api.errors import Busy, Unavailable

MOST_ABANDONED: Final = 8
MOST_THREADS: Final = 256

Task = Callable[[], None]


class Turns:
    """Runs operations on worker threads: of one guest or node in order, of different ones side by side."""

    def __init__(self) -> None:
        self._workers = Workers(MOST_THREADS)
        self._lock = threading.Condition()
        self._queues: dict[Hashable, deque[tuple[Operation[Any], Task]]] = {}
        self._process = os.getpid()
        self.closed = False

    def add(self, operation: Operation[Any], task: Task, *, pre_empt: bool = False) -> None:
        """Run the task when it is the operation's turn.

        Args:
            operation: what is to be run.
            task: does it.
            pre_empt: ask all other verbs that run or wait for this guest to stop, and do not wait for those that are
                abandoned: their native calls may return only when this one is done. Operations of the same verb want
                the same and go first.

        Raises:
            Busy: too many abandoned operations hang at this endpoint, and this one does not pre-empt them.
            Unavailable: closed, or made in another process.
        """
        if os.getpid() != self._process:  # threads and locks do not come along
            raise Unavailable("this connection was opened before the process forked", hint="connect in the child")
        turn = operation.turn
        with self._lock:
            self._refuse_if_closed()
            if not pre_empt:
                self._refuse_if_hopeless()
            line = self._queues.setdefault(turn, deque())
            before = [other for other, _ in line]
            line.append((operation, task))
        if not before:
            self._workers.run(lambda: self._work(turn))
        elif pre_empt:
            for other in before:
                if other.verb != operation.verb:
                    other.cancel()
            self._workers.run(lambda: overtake(before, operation, task))

    def operations(self) -> list[Operation[Any]]:
        """What runs or waits now."""
        with self._lock:
            return [operation for line in self._queues.values() for operation, _ in line if not operation.done()]

    def close(self, *, cancel: bool) -> None:
        """Take no more operations, and wait for those that are there; with ``cancel`` ask them to stop first.

        An abandoned operation is not waited for: its native call may never return.
        """
        with self._lock:
            self.closed = True
        if cancel:
            for operation in self.operations():
                operation.cancel()
        for operation in self.operations():
            operation.wait(max(0.0, min(operation.remaining(), threading.TIMEOUT_MAX)))
        self._workers.close()

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise Unavailable("this connection is closed", hint="connect again")

    def _refuse_if_hopeless(self) -> None:
        waiting = [line[0][0] for line in self._queues.values()]
        abandoned = [operation for operation in waiting if operation.remaining() == 0 and not operation.done()]
        if len(abandoned) >= MOST_ABANDONED:
            verbs = ", ".join(f"{operation.verb} {operation.subject}" for operation in abandoned)
            raise Busy(f"{len(abandoned)} calls to the hypervisor have not returned since their deadline: {verbs}")

    def _work(self, turn: Hashable) -> None:
        while True:
            with self._lock:
                operation, task = self._queues[turn][0]
            if operation.begin():
                task()
            else:
                operation.wait()  # it was cancelled, or has overtaken the one before
            with self._lock:
                line = self._queues[turn]
                line.popleft()
                if not line:
                    del self._queues[turn]
                    return


def overtake(before: Sequence[Operation[Any]], operation: Operation[Any], task: Task) -> None:
    """Run a task as soon as those before it are done or abandoned, unless it had its turn by then."""
    for other in before:
        other.wait(other.remaining())
    if operation.begin():
        task()
