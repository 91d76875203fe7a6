"""One running verb: what its caller sees of it, and what the driver calls back."""

from __future__ import annotations

import enum
import logging
import math
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from nova_virt_api.compute.guard import in_context
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, Cancelled, HookFailed, StateAfter, Timeout, VirtError
from nova_virt_api.model.check import check_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from types import TracebackType
    from uuid import UUID

T = TypeVar("T")

LOG = logging.getLogger(__name__)
FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.5
WORKING: Final = threading.local()
"""``turn``: whose turn the current thread has, for threads that work."""


class OperationState(enum.Enum):
    """Where an operation stands. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    ABANDONED = "abandoned"
    """Past its deadline, with a native call that has not returned; the guest stays locked until it does."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


FINAL: Final = frozenset({OperationState.COMPLETED, OperationState.CANCELLED, OperationState.FAILED})


class Operation(Generic[T]):
    """A verb under way. Made by ``Compute``; thread-safe.

    Args:
        verb: name of the verb.
        guest: the guest it works on; None where it works on a node or on many guests.
        node: the node it works on, where it works on one.
        turn: operations of the same turn run one after the other; None takes the guest's or the node's.
        timeout: seconds until the deadline; None for none.
        hooks: what to run on entry to a stage, in the operation's own thread.
        on_progress: called, in the operation's own thread, whenever stage or progress changed; no more once the
            outcome is known.

    Raises:
        InvalidSpec: the timeout is no number of seconds.
    """

    def __init__(
        self,
        verb: str,
        guest: UUID | None,
        *,
        node: str = "",
        turn: str = "",
        timeout: float | None = None,
        hooks: Mapping[Stage, Callable[[Operation[Any]], None]] | None = None,
        on_progress: Callable[[Operation[Any]], None] | None = None,
    ) -> None:
        check_timeout(timeout)
        self.id: Final = uuid.uuid4()
        self.verb: Final = verb
        self.guest: Final = guest
        self.node: Final = node
        self.turn: Final[Hashable] = turn or guest or node or self.id
        self.deadline: Final = math.inf if timeout is None else time.monotonic() + timeout
        self._hooks = dict(hooks or {})
        self._on_progress = on_progress
        self._changed = threading.Condition()
        self._state = OperationState.PENDING
        self._stage = "waiting for its turn"
        self._cancel_mode = CancelMode.IMMEDIATE
        self._cancel_asked = False
        self._cancel_callbacks: list[Callable[[], None]] = []
        self._complete_now: Callable[[], None] | None = None
        self._done_callbacks: list[Callable[[Operation[T]], None]] = []
        self._counters = (0.0, 0.0)
        self._stage_floor = 0.0
        self._progress = 0.0
        self._result: T | None = None
        self._error: VirtError | None = None
        self._raised_at: TracebackType | None = None

    # --- for the caller -------------------------------------------------------------------------------------------

    @property
    def subject(self) -> str:
        """What it works on, for people: the guest's uuid or the node's name; empty where that is many guests."""
        return self.node if self.guest is None else str(self.guest)

    @property
    def state(self) -> OperationState:
        """Where it stands now."""
        if self._state is OperationState.RUNNING and time.monotonic() > self.deadline:
            return OperationState.ABANDONED
        return self._state

    @property
    def stage(self) -> str:
        """What is going on, in a few words."""
        return self._stage

    @property
    def progress(self) -> float:
        """0.0 to 1.0, never backwards. Each stage counts half of what is left, since what is to come is not known."""
        return self._progress

    @property
    def counters(self) -> tuple[float, float]:
        """Done and total of the current stage as the driver counts; a total of 0 means not known."""
        return self._counters

    @property
    def error(self) -> VirtError | None:
        """What it failed with, if it did."""
        return self._error

    def done(self) -> bool:
        """Whether the outcome is known."""
        return self._state in FINAL

    def result(self) -> T:
        """Wait for the outcome, at most until the deadline; may be asked again.

        Raises:
            Timeout: the deadline passed. The operation goes on as ABANDONED, or never started.
            Cancelled: it was cancelled in time; the guest is as before.
            VirtError: it failed.
        """
        if not self._wait_until_deadline():
            self._expire_unstarted()
        if not self.done():
            raise self._named(Timeout(self._stage, hint="it may still finish; look at the guest before trying again"))
        if self._error is not None:
            raise self._error.with_traceback(self._raised_at)  # or it would grow each time
        return self._result  # type: ignore[return-value]  # set before COMPLETED

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the outcome is known, past the deadline too; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(self.done, None if timeout is None else min(timeout, threading.TIMEOUT_MAX))

    def cancel(self) -> CancelMode:
        """Ask it to stop; returns when that can take effect. A pending operation never starts. Idempotent."""
        with self._changed:
            if self.done():
                return CancelMode.NONE
            mode = CancelMode.IMMEDIATE if self._cancel_callbacks else self._cancel_mode
            callbacks = () if self._cancel_asked else tuple(self._cancel_callbacks)
            self._cancel_asked = True
            self._changed.notify_all()
        never_began = Cancelled("cancelled before it began")
        self._settle(OperationState.CANCELLED, error=never_began, only_from=OperationState.PENDING)
        for callback in callbacks:
            run_callback(callback)
        return mode

    def complete_now(self) -> bool:
        """Ask a live migration to end at the guest's expense: it is slow, or stands still, for a while.

        Helps with a guest that changes its memory faster than it can be copied. Takes effect at once or not at all.

        Returns:
            Whether what is going on now can be hastened, and was not before.
        """
        with self._changed:
            hasten, self._complete_now = self._complete_now, None
        if hasten is None or self.done():
            return False
        run_callback(hasten)
        return True

    def add_done_callback(self, callback: Callable[[Operation[T]], None]) -> None:
        """Call this once the outcome is known, in the thread that found it; at once if it is known already."""
        with self._changed:
            if not self.done():
                self._done_callbacks.append(callback)
                return
        callback(self)

    # --- for the driver's side --------------------------------------------------------------------------------------

    def enter(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        """Begin a stage."""
        if cancel is not CancelMode.NONE:
            self.checkpoint()
        with self._changed:
            self._stage = stage.value if isinstance(stage, Stage) else stage
            self._cancel_mode = cancel
            self._cancel_callbacks.clear()
            self._complete_now = None
            self._counters = (0.0, 0.0)
            self._stage_floor = self._progress
        self._tell()
        hook = self._hooks.get(stage) if isinstance(stage, Stage) else None
        if hook is not None:
            self._run_hook(hook)

    def count(self, done: float, total: float) -> None:
        """Take the driver's counters over; the overall progress never falls."""
        with self._changed:
            self._counters = (done, total)
            if total > 0:
                fraction = min(max(done / total, 0.0), 1.0)
                self._progress = max(self._progress, self._stage_floor + (1 - self._stage_floor) / 2 * fraction)
        self._tell()

    def checkpoint(self) -> None:
        """Raise if somebody asked to cancel or the deadline has passed."""
        if self._cancel_asked:
            raise Cancelled(f"cancelled while: {self._stage}")
        if time.monotonic() > self.deadline:
            raise Timeout(self._stage, state_after=StateAfter.UNCHANGED)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call this as soon as somebody asks to cancel."""
        with self._changed:
            self._cancel_callbacks.append(callback)
            asked = self._cancel_asked
        if asked:
            run_callback(callback)

    def on_complete_now(self, callback: Callable[[], None]) -> None:
        """Call this when somebody asks to end the stage at the guest's expense."""
        with self._changed:
            self._complete_now = callback

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.deadline - time.monotonic())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; a request to cancel wakes it."""
        pause = FIRST_PAUSE
        while not condition():
            self.checkpoint()
            with self._changed:
                if not self._cancel_asked:
                    self._changed.wait(min(pause, self.remaining()))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    # --- for Compute ----------------------------------------------------------------------------------------------

    def begin(self) -> bool:
        """PENDING to RUNNING on this thread; False if it must not run any more."""
        WORKING.turn = self.turn
        if time.monotonic() > self.deadline:
            self._expire_unstarted()
        with self._changed:
            if self._state is not OperationState.PENDING:
                return False
            self._state = OperationState.RUNNING
            self._cancel_mode = CancelMode.AT_NEXT_STEP
            return True

    def complete(self, result: T) -> None:
        """The driver's verb returned."""
        self._result = result
        self._progress = 1.0
        self._tell()
        self._settle(OperationState.COMPLETED)

    def fail(self, error: VirtError) -> None:
        """The driver's verb raised."""
        as_before = isinstance(error, Cancelled) and error.state_after is StateAfter.UNCHANGED
        cancelled = as_before and self._cancel_asked
        self._settle(OperationState.CANCELLED if cancelled else OperationState.FAILED, error=error)

    def _expire_unstarted(self) -> None:
        never_began = Timeout(self._stage, state_after=StateAfter.UNCHANGED)
        self._settle(OperationState.FAILED, error=never_began, only_from=OperationState.PENDING)

    def _settle(
        self,
        state: OperationState,
        error: VirtError | None = None,
        only_from: OperationState = OperationState.RUNNING,
    ) -> None:
        with self._changed:
            if self._state is not only_from:
                return
            if error is not None:
                self._error = self._named(error)
                self._raised_at = error.__traceback__
            self._state = state
            self._cancel_callbacks.clear()
            callbacks, self._done_callbacks = self._done_callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            run_callback(callback, self)

    def _wait_until_deadline(self) -> bool:
        with self._changed:
            while not self.done():
                left = self.deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
        return True

    def _named(self, error: VirtError) -> VirtError:
        return in_context(error, self.verb, self.guest, self.node)

    def _tell(self) -> None:
        if self._on_progress is not None and not self.done():
            run_callback(self._on_progress, self)

    def _run_hook(self, hook: Callable[[Operation[Any]], None]) -> None:
        try:
            hook(self)
        except VirtError:
            raise
        except (Exception, SystemExit) as error:
            raise HookFailed(self._stage, str(error) or type(error).__name__) from error

    def __repr__(self) -> str:
        return f"<Operation {self.verb} {self.subject} {self.state.value}: {self._stage} {self._progress:.0%}>"


class DriverSide:
    """What a driver gets of an operation: implements :class:`nova_virt_api.driver.operation.Operation`."""

    __slots__ = (
        "_operation",
        "checkpoint",
        "on_cancel",
        "on_complete_now",
        "progress",
        "remaining",
        "stage",
        "wait_until",
    )

    def __init__(self, operation: Operation[Any]) -> None:
        self.stage = operation.enter
        self.progress = operation.count
        self.checkpoint = operation.checkpoint
        self.on_cancel = operation.on_cancel
        self.on_complete_now = operation.on_complete_now
        self.remaining = operation.remaining
        self.wait_until = operation.wait_until


def run_callback(callback: Callable[..., None], *arguments: Any) -> None:
    """Run a caller's callback; what it raises is logged and does not disturb the operation."""
    try:
        callback(*arguments)
    except (Exception, SystemExit):
        LOG.exception("a callback of an operation failed")


def outcome_of(operation: Operation[T]) -> T:
    """Wait like ``result``. Ctrl-C cancels the operation and lets it take back what it did; a second one leaves it.

    Raises:
        Busy: it would wait for itself: this is a hook or a callback of another operation of the same guest or node, or
            of any, where the operation waits for those of many guests.
        VirtError: as from ``result``.
    """
    mine = getattr(WORKING, "turn", None)
    if mine is not None and (mine == operation.turn or not operation.subject):
        operation.cancel()
        hint = "do it after that, or use compute.submit and do not wait here"
        what = "the guest" if mine == operation.guest else mine
        error = Busy(f"this thread is at work on {what}", hint=hint)
        raise in_context(error, operation.verb, operation.guest, operation.node)
    try:
        return operation.result()
    except VirtError:
        raise
    except BaseException:
        operation.cancel()
        operation.wait(operation.remaining())
        raise


def check_timeout(timeout: object) -> None:
    """Refuse what is not a number of seconds."""
    if timeout is not None:
        check_seconds("timeout", timeout)
