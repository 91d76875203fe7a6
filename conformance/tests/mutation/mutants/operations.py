"""Drivers that are wrong about operations: cancelling, deadlines, hooks, progress, and working side by side."""

import threading
import time
from collections.abc import Callable
from typing import Any

from nova_virt_api.driver.operation import CancelMode, Operation, Stage
from nova_virt_api.errors import Cancelled, Timeout
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, PowerOff

ONE_AT_A_TIME = threading.Lock()


class Deaf:
    """An operation that neither a cancel nor a deadline interrupts; its hooks run all the same.

    Args:
        op: the operation.
    """

    def __init__(self, op: Operation) -> None:
        self._op = op
        self.progress, self.remaining = op.progress, op.remaining
        self.on_cancel, self.on_complete_now = op.on_cancel, op.on_complete_now

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        self._op.stage(stage, CancelMode.NONE)

    def checkpoint(self) -> None:
        return

    def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            time.sleep(0.01)


class CancelledButStarted(FakeDriver):
    """A power_on that was cancelled says so, and the guest runs."""

    caught_by = "test_verb_cancelled_at_any_stage"

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        super().power_on(guest, Deaf(op))
        op.checkpoint()


class StartedButNot(FakeDriver):
    """A power_on that was cancelled or late says that it is done, and the guest does not run."""

    caught_by = "test_verb_cancelled_at_any_stage"

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        try:
            super().power_on(guest, op)
        except (Cancelled, Timeout):
            return


class LateButUnchanged(FakeDriver):
    """A power_on past its deadline fails, says that nothing was changed, and the guest runs."""

    caught_by = "test_verb_past_its_deadline"

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        try:
            super().power_on(guest, op)
        except Timeout:
            super().power_on(guest, Deaf(op))
            raise


class HookComesTooLate(FakeDriver):
    """A caller's hook runs when the guest was started already."""

    caught_by = "test_hook_runs_before_the_guest_does"

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        super().power_on(guest, Unhooked(op))
        op.stage(Stage.BEFORE_START)


class HookIsIgnored(FakeDriver):
    """A resume never tells that the guest is about to start."""

    caught_by = "test_hook_runs_before_the_guest_does"

    def resume(self, guest: InstanceRef, op: Operation) -> None:
        super().resume(guest, Unhooked(op))


class Unhooked:
    """An operation that is never told of the stage before the start.

    Args:
        op: the operation.
    """

    def __init__(self, op: Operation) -> None:
        self._op = op
        self.progress, self.remaining = op.progress, op.remaining
        self.on_cancel, self.on_complete_now = op.on_cancel, op.on_complete_now
        self.checkpoint, self.wait_until = op.checkpoint, op.wait_until

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        if stage is not Stage.BEFORE_START:
            self._op.stage(stage, cancel)


class ProgressRunsBackwards(FakeDriver):
    """A spawn's progress falls while it goes on."""

    caught_by = "test_spawn_tells_how_far_it_is"

    def spawn(self, spec: Any, op: Operation) -> Instance:
        op.stage("look around")
        op.progress(2, 3)
        op.progress(1, 3)
        return super().spawn(spec, op)


class OneSpawnAtATime(FakeDriver):
    """Guests are made one after another, however many callers there are."""

    caught_by = "test_eight_guests_side_by_side"

    def spawn(self, spec: Any, op: Operation) -> Instance:
        with ONE_AT_A_TIME:
            return super().spawn(spec, op)


class RebootIsCancelledHalfway(FakeDriver):
    """A reboot that is cancelled between its two halves says CANCELLED and leaves the guest stopped."""

    caught_by = "test_verb_cancelled_at_any_stage"

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        self.power_off(guest, op, mode=mode, grace_seconds=grace_seconds)
        self.power_on(guest, op)
