"""The server's tasks: begun, waited for, cancelled where they can be, and found again when a connection was lost."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim, vmodl

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import (
    BackendError,
    Busy,
    Cancelled,
    ConnectionLost,
    StateAfter,
    Timeout,
    Unavailable,
    VirtError,
)
from nova_virt_vmware.errors import ChangedMeanwhile, moref_of, translate
from nova_virt_vmware.property_collector import Collector, collect, properties, values_of
from nova_virt_vmware.questions import check_no_question
from nova_virt_vmware.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.sight import Sight

SUCCESS: Final = "success"
ERROR: Final = "error"
ACTIVE: Final = frozenset({"queued", "running"})
"""``TaskInfoState``."""

PATHS: Final = ("info.state", "info.descriptionId", "info.entity", "info.reason")
"""What is read of tasks that are looked for."""

ANSWER_SECONDS: Final = 5.0
"""For how long a question may stand before nobody seems to answer it; a server may do so by itself."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds before a task is begun for the third time and later, as others always come first."""

LAST_WORD: Final = 0.75
"""Seconds before the deadline at which waiting for somebody else's task ends, so that the caller gets to know whose."""


class TaskLost(ConnectionLost):
    """The server has forgotten a task, e.g. as it was restarted; whether it was done has to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTask:
    """A task that the server has not finished.

    Args:
        task: the task.
        kind: what it does, e.g. ``VirtualMachine.clone`` (``TaskInfo.descriptionId``).
        entity: the id of what it works on; empty if the server does not tell.
        user: who began it; empty if it was no user.
    """

    task: vim.Task
    kind: str
    entity: str
    user: str


class Tasks:
    """Runs tasks for verbs. Thread-safe.

    Args:
        connection: asks the server.
        outage_seconds: how long verbs wait while the server does not answer.
        changed: told the ids of virtual machines that a task may have changed, when it is waited for no longer.
    """

    def __init__(
        self, connection: Connection, outage_seconds: float, changed: Callable[[Collection[str]], None]
    ) -> None:
        self._connection = connection
        self._watched = Watched(connection, outage_seconds)
        self._changed = changed

    def run(
        self,
        doing: str,
        call: Callable[[], vim.Task],
        op: Operation,
        *,
        on: vim.VirtualMachine | None = None,
        cancel: CancelMode = CancelMode.NONE,
    ) -> Any:
        """Begin a task and wait until it is over; what it reports is the operation's progress.

        While another task works on the same object, that one is waited for, and this begun again. When the connection
        breaks, or the session expires, the task is found again and waited for.

        Args:
            doing: what is being done to what, for errors, e.g. ``switch on virtual machine vm-42``.
            call: begins it, by one request.
            op: the operation worked for; its stage, which cannot be cancelled but by the task, has been told.
            on: the virtual machine that it works on: when that asks a question, waiting ends.
            cancel: IMMEDIATE cancels the task as soon as the operation is cancelled, or late, if the server can do
                that; else it is waited for until its end.

        Returns:
            The task's result.

        Raises:
            Cancelled: it was, and the server has taken back what was done.
            Timeout: the same, because of the deadline.
            Busy: another task works on the object until the deadline.
            ConnectionLost: the connection broke and it is not known whether it was begun, or done. Look before you
                repeat it.
            VirtError: it failed; see :mod:`nova_virt_vmware.errors`.
        """
        pause = 0.0
        while True:
            try:
                return self.wait(doing, self._begun(doing, call, op, on), op, on=on, cancel=cancel)
            except ChangedMeanwhile:
                raise
            except Busy as error:
                self._give_way(error, doing, on, op)
            rest(op, pause)
            pause = min(pause * 2 or FIRST_PAUSE, LONGEST_PAUSE)

    def _begun(
        self, doing: str, call: Callable[[], vim.Task], op: Operation, on: vim.VirtualMachine | None
    ) -> vim.Task:
        try:
            return self._connection.change(doing, call, op)
        except VirtError:
            self._changed(machines_of(on, {}))  # the answer may have been lost, and the request not
            raise

    def wait(
        self,
        doing: str,
        task: vim.Task,
        op: Operation,
        *,
        on: vim.VirtualMachine | None = None,
        cancel: CancelMode = CancelMode.NONE,
    ) -> Any:
        """Wait for a task that was begun. Arguments, result and errors are those of :meth:`run`."""
        objects = (task,) if on is None else (task, on)
        try:
            with self._watched.sight(*objects) as sight:
                try:
                    asking = Asking(self._connection, sight, on, doing)
                    return Waiting(sight, asking, doing, task, op, cancel).outcome(self._connection)
                finally:
                    self._changed(machines_of(on, sight.values(task)))
        except (ConnectionLost, Unavailable) as error:  # also when it was closed before anybody could wait
            error.state_after = StateAfter.UNKNOWN
            raise

    def watching(self, *objects: vmodl.ManagedObject) -> Any:
        """Tell of virtual machines, without a task; see :meth:`nova_virt_vmware.watched.Watched.sight`."""
        return self._watched.sight(*objects)

    def active(self, on: vmodl.ManagedObject, op: Operation | None = None) -> list[ActiveTask]:
        """The tasks that work on an object, or are going to. One request, whatever the server has to do.

        Tasks of others are among them, as far as the account may see them.
        """
        entity = moref_of(on)
        found = self._connection.read(f"look for tasks on {entity}", self._recent, op)
        return [task for task in found if task.entity == entity]

    def active_anywhere(self, kinds: Collection[str], op: Operation | None = None) -> list[ActiveTask]:
        """The tasks of these kinds that the server works on, or is going to, whatever they are on. One request."""
        found = self._connection.read("look for tasks", self._recent, op)
        return [task for task in found if task.kind in kinds]

    def close(self) -> None:
        """Wait for nothing any more; verbs that do fail. Idempotent. Never raises."""
        self._watched.close()

    def _recent(self) -> list[ActiveTask]:
        """All tasks that are not over (``TaskManager.recentTask`` has those, and the last that ended)."""
        members = Collector.TraversalSpec(name="members", type=vim.TaskManager, path="recentTask", skip=False)
        start = Collector.ObjectSpec(obj=self._connection.content.taskManager, skip=True, selectSet=[members])
        read = [
            (each.obj, values_of(each)) for each in collect(self._connection, [start], properties({vim.Task: PATHS}))
        ]
        return [active_task(task, values) for task, values in read if values.get("info.state") in ACTIVE]

    def _give_way(self, error: Busy, doing: str, on: vim.VirtualMachine | None, op: Operation) -> None:
        """Wait until somebody else's task is over.

        Raises:
            Busy: it goes on until right before the deadline.
            Cancelled: somebody asked to; nothing was done.
            Questioned: it waits for an answer.
        """
        if not error.holder or op.remaining() < LAST_WORD:
            raise error
        other = self._connection.object(vim.Task, error.holder)
        objects = (other,) if on is None else (other, on)
        with self._watched.sight(*objects) as sight:
            op.on_cancel(sight.wake)
            asks = Asking(self._connection, sight, on, doing)
            while not (is_over(sight.values(other)) or sight.is_gone(other)):
                op.checkpoint()
                if op.remaining() < LAST_WORD:
                    raise error
                sight.wait(min(op.remaining() - LAST_WORD, asks.check()))


class Asking:
    """Notices when a virtual machine that is waited for stands still with a question.

    Args:
        connection: asks the server.
        sight: tells of the virtual machine.
        vm: the virtual machine; None where there is none.
        doing: what is being done to it.
    """

    def __init__(self, connection: Connection, sight: Sight, vm: vim.VirtualMachine | None, doing: str) -> None:
        self._connection = connection
        self._sight = sight
        self._vm = vm
        self._doing = doing
        self._since: float | None = None

    def check(self) -> float:
        """In how many seconds to check again, at the latest; a question may be answered by itself at once.

        Raises:
            Questioned: it asked for long enough.
        """
        if self._vm is None or self._sight.values(self._vm).get("runtime.question") is None:
            self._since = None
            return math.inf
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        left = self._since + ANSWER_SECONDS - now
        if left > 0:
            return left
        check_no_question(self._connection, self._vm, self._doing)
        self._since = None
        return ANSWER_SECONDS


class Waiting:
    """One verb that waits for one task.

    Args:
        sight: tells of the task and of the virtual machine.
        asking: notices when that asks something.
        doing: what is being done to what.
        task: the task.
        op: the operation worked for.
        cancel: when a request to cancel takes effect.
    """

    def __init__(
        self, sight: Sight, asking: Asking, doing: str, task: vim.Task, op: Operation, cancel: CancelMode
    ) -> None:
        self._sight = sight
        self._asking = asking
        self._doing = doing
        self._task = task
        self._op = op
        self._stoppable = cancel is CancelMode.IMMEDIATE
        self._stop: VirtError | None = None
        self._listens = False

    def outcome(self, connection: Connection) -> Any:
        """Wait until the task is over.

        Raises:
            VirtError: as documented at :meth:`Tasks.run`.
        """
        while True:
            values = self._sight.values(self._task)
            if values.get("info.state") == SUCCESS:
                return values.get("info.result")
            if values.get("info.state") == ERROR:
                raise self._failure(values.get("info.error"))
            if self._sight.is_gone(self._task):
                raise TaskLost(f"{self._doing}: the server has forgotten the task", hint="look what was done")
            if isinstance(progress := values.get("info.progress"), int):
                self._op.progress(progress, 100)
            stoppable = self._stoppable and bool(values.get("info.cancelable"))
            if stoppable:
                self._stop_if_asked(connection)
            self._sight.wait(min(self._asking.check(), self._op.remaining() if stoppable else math.inf))

    def _stop_if_asked(self, connection: Connection) -> None:
        if not self._listens:
            self._op.on_cancel(self._sight.wake)
            self._listens = True
        try:
            self._op.checkpoint()
        except (Cancelled, Timeout) as stop:
            self._stop, self._stoppable = stop, False
            with suppress(VirtError):  # it is over, or past the point up to which it can be: its end tells
                connection.read(f"{self._doing}: cancel", self._task.CancelTask)

    def _failure(self, native: Any) -> VirtError:
        error: VirtError
        if self._stop is not None and isinstance(native, vmodl.fault.RequestCanceled):
            error = self._stop
        elif native is None:
            error = BackendError(f"{self._doing}: it failed, and the server does not tell why")
        else:
            error = translate(native, self._doing)
        error.__cause__ = native
        return error


def rest(op: Operation, seconds: float) -> None:
    """Pause; a request to cancel ends it."""
    until = time.monotonic() + seconds
    op.wait_until(lambda: time.monotonic() >= until)


# --- what is told of tasks --------------------------------------------------------------------------------------------


def is_over(values: Mapping[str, Any]) -> bool:
    """Whether a task has ended, well or not."""
    return values.get("info.state") in (SUCCESS, ERROR)


def machines_of(on: vim.VirtualMachine | None, values: Mapping[str, Any]) -> set[str]:
    """Ids of the virtual machines that a task works on, or has made."""
    objects = (on, values.get("info.entity"), values.get("info.result"))
    return {moref_of(each) for each in objects if isinstance(each, vim.VirtualMachine)}


def active_task(task: vim.Task, values: Mapping[str, Any]) -> ActiveTask:
    """A task as it was read."""
    reason = values.get("info.reason")
    return ActiveTask(
        task=task,
        kind=str(values.get("info.descriptionId") or ""),
        entity=moref_of(values.get("info.entity")),
        user=str(reason.userName) if isinstance(reason, vim.TaskReasonUser) else "",
    )
