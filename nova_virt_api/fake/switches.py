"""Switches that make a fake connection slow, faulty or dead, for tests of what is built on this API."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import ConnectionLost, StateAfter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from nova_virt_api.capability import Capability, Feature
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.outside import Outside
    from nova_virt_api.fake.steps import Step


class SimulatedCrash(ConnectionLost):
    """The process that ran the verb is taken for dead: nothing was undone, everything stays as it was at that step."""


class Hang:
    """A step that does not return until it is released. Also a context manager that releases it in the end.

    Args:
        deaf: whether it takes no notice of a cancel or a deadline, like a native call that cannot be interrupted.
        wake: makes those who wait look again.
    """

    def __init__(self, deaf: bool, wake: Callable[[], None]) -> None:
        self.deaf: Final = deaf
        self._wake = wake
        self._condition = threading.Condition()
        self._reached = 0
        self._released = False

    def released(self) -> bool:
        """Whether verbs pass by now."""
        return self._released

    def wait_reached(self, timeout: float = 10.0, *, verbs: int = 1) -> bool:
        """Wait until that many verbs have come to the step; False when they have not in that many seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self._reached >= verbs, timeout)

    def reach(self) -> None:
        """Note that a verb has come to the step."""
        with self._condition:
            self._reached += 1
            self._condition.notify_all()

    def release(self) -> None:
        """Let every verb go on, those that wait and those that come."""
        self._released = True
        self._wake()

    def __enter__(self) -> Hang:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


@dataclass(slots=True)
class Fault:
    """An error that a step is going to raise.

    Args:
        error: makes the error.
        skip: how many verbs pass by before.
        times: how many verbs it strikes; None for all.
    """

    error: Callable[[], BaseException]
    skip: int
    times: int | None


class Switches:
    """The faults of one connection; other connections to the same world do not feel them. Thread-safe.

    What ``compute.native()`` and the pytest fixture ``fake_switches`` give. Faults that were set stay until they have
    struck as often as asked or :meth:`reset` is called.

    Args:
        outside: what becomes :attr:`outside`.
        on_cut: called when the connection is lost.
        on_restore: called when it is there again.
        on_withdraw: called with all that is switched off, when that changed.
    """

    def __init__(
        self,
        outside: Outside,
        on_cut: Callable[[], None],
        on_restore: Callable[[], None],
        on_withdraw: Callable[[Iterable[Capability | Feature]], None],
    ) -> None:
        self.outside: Final = outside
        """What happens to the world without this API: guests of other making, crashes, changes behind one's back."""

        self.withdrawn: dict[Capability | Feature, str] = {}
        """Capabilities and features that are switched off, each with its reason. Read only."""

        self._on_cut = on_cut
        self._on_restore = on_restore
        self._on_withdraw = on_withdraw
        self._condition = threading.Condition()
        self._wakes = 0
        self._latency: dict[Step | None, float] = {}
        self._faults: defaultdict[Step, list[Fault]] = defaultdict(list)
        self._hangs: defaultdict[Step, list[Hang]] = defaultdict(list)
        self._lost_calls = 0.0
        self.armed = False
        self.requests = 0
        """Steps and questions so far: what a real driver would send to its hypervisor. Read only."""

    # --- setting them ---------------------------------------------------------------------------------------------

    def latency(self, seconds: float, step: Step | None = None) -> None:
        """Let a step, or every step that has no latency of its own, take that long. 0 switches it off.

        The time is spent waiting, so that a cancel or a deadline ends it at once.
        """
        with self._condition:
            self._latency[step] = seconds
            self.armed = True

    def fail_at(
        self, step: Step, error: BaseException | type[BaseException], *, skip: int = 0, times: int | None = 1
    ) -> None:
        """Let a step raise an error.

        Args:
            step: the step.
            error: what is raised: a ``VirtError`` as a backend's failure, or any other exception to see how a driver's
                bug is reported.
            skip: how many times the step succeeds before.
            times: how many times it fails; None for always.
        """
        self._add_fault(step, Fault(error if isinstance(error, type) else lambda: error, skip, times))

    def crash_at(self, step: Step, *, skip: int = 0) -> None:
        """Let the calling process die at a step, as far as the world can tell: nothing is undone.

        The verb raises :class:`SimulatedCrash`; this or another connection plays the process that comes after.
        """

        def crash() -> SimulatedCrash:
            return SimulatedCrash(f"the process died at the step '{step.value}'", state_after=StateAfter.UNKNOWN)

        self._add_fault(step, Fault(crash, skip, 1))

    def hang_at(self, step: Step, *, deaf: bool = False) -> Hang:
        """Let verbs wait at a step until :meth:`Hang.release`.

        Args:
            step: the step.
            deaf: take no notice of a cancel or a deadline, like a native call that cannot be interrupted.
        """
        hang = Hang(deaf, self.wake)
        with self._condition:
            self._hangs[step].append(hang)
            self.armed = True
        return hang

    def lose_connection(self, calls: int | None = 1) -> None:
        """Let the next calls, reads and steps of verbs, fail with ``ConnectionLost``.

        Meanwhile events are lost; when the connection is there again, watchers get a ``Gap``.

        Args:
            calls: how many fail; the last of them restores the connection. None: until :meth:`restore_connection`.
        """
        with self._condition:
            self._lost_calls = math.inf if calls is None else calls
            self.armed = True
        self._on_cut()

    def restore_connection(self) -> None:
        """End :meth:`lose_connection`."""
        with self._condition:
            self._lost_calls = 0
        self._on_restore()

    def withdraw(self, what: Capability | Feature, reason: str = "switched off") -> None:
        """Declare a role or a feature unavailable for this reason."""
        self._withdraw({**self.withdrawn, what: reason})

    def grant(self, what: Capability | Feature) -> None:
        """End :meth:`withdraw`."""
        self._withdraw({key: reason for key, reason in self.withdrawn.items() if key is not what})

    def reset(self) -> None:
        """Switch everything off and let go what hangs."""
        with self._condition:
            hangs = [hang for members in self._hangs.values() for hang in members]
            self._hangs.clear()
            self._faults.clear()
            self._latency.clear()
            self.armed = False
        for hang in hangs:
            hang.release()
        self._withdraw({})
        self.restore_connection()

    def _withdraw(self, withdrawn: dict[Capability | Feature, str]) -> None:
        self.withdrawn = withdrawn
        self._on_withdraw(withdrawn)

    def _add_fault(self, step: Step, fault: Fault) -> None:
        with self._condition:
            self._faults[step].append(fault)
            self.armed = True

    # --- what the driver calls ------------------------------------------------------------------------------------

    def reach(self, step: Step, op: Operation | None = None) -> None:
        """Called by the driver right before it does a step: waits and raises as was set.

        Args:
            step: the step.
            op: the operation whose cancel or deadline ends a wait; None where stopping would not be safe.
        """
        self.requests += 1
        if not self.armed:
            return
        with self._condition:
            hangs = [hang for hang in self._hangs[step] if not hang.released()]
            seconds = self._latency.get(step, self._latency.get(None, 0.0))
        for hang in hangs:
            hang.reach()
            self.wait(None if hang.deaf else op, math.inf, hang.released)
        if seconds:
            self.wait(op, seconds)
        self._fail_while_lost()
        with self._condition:
            fault = self._strike(step)
        if fault is not None:
            raise fault.error()

    def _fail_while_lost(self) -> None:
        with self._condition:
            if self._lost_calls <= 0:
                return
            self._lost_calls -= 1
            over = self._lost_calls == 0
        if over:
            self._on_restore()
        raise ConnectionLost("the connection to the fake hypervisor broke", hint="try again")

    def _strike(self, step: Step) -> Fault | None:
        for fault in self._faults[step]:
            if fault.skip > 0:
                fault.skip -= 1
            elif fault.times is None or fault.times > 0:
                fault.times = None if fault.times is None else fault.times - 1
                return fault
        return None

    def wait(self, op: Operation | None, seconds: float, over: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, unless the operation is cancelled or its deadline comes first.

        Args:
            op: the operation; None for one that cannot be stopped now.
            seconds: how long at most.
            over: whether to stop waiting; asked at first and after each :meth:`wake`.
        """
        end = time.monotonic() + seconds
        if op is not None:
            op.on_cancel(self.wake)
        while (left := end - time.monotonic()) > 0:
            with self._condition:
                seen = self._wakes
            if over():
                return
            if op is not None:
                op.checkpoint()
                left = min(left, op.remaining())
            with self._condition:
                self._condition.wait_for(lambda seen=seen: self._wakes != seen, min(left, threading.TIMEOUT_MAX))  # type: ignore[misc]

    def wake(self) -> None:
        """Let those who wait look whether there still is something to wait for."""
        with self._condition:
            self._wakes += 1
            self._condition.notify_all()
