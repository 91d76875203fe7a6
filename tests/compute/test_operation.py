"""An operation's life: outcome, deadline, cancellation, progress, hooks."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from nova_virt_api.compute.face import run
from nova_virt_api.compute.operation import DriverSide, Operation, OperationState
from nova_virt_api.compute.turns import MOST_ABANDONED, Turns
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, Cancelled, DriverBug, HookFailed, StateAfter, StorageError, Timeout, Unavailable


def started(work: Callable[[DriverSide], Any], turns: Turns, **options: Any) -> Operation[Any]:
    operation: Operation[Any] = Operation("work", options.pop("guest", None) or uuid4(), **options)
    turns.add(operation, lambda: run(operation, work))
    return operation


def pre_empting(work: Callable[[DriverSide], Any], turns: Turns, guest: UUID) -> Operation[Any]:
    operation: Operation[Any] = Operation("destroy", guest)
    turns.add(operation, lambda: run(operation, work), pre_empt=True)
    return operation


@pytest.fixture
def turns() -> Turns:
    return Turns()


def test_result_is_kept_and_may_be_asked_again(turns: Turns) -> None:
    operation = started(lambda op: 42, turns)
    assert operation.result() == 42
    assert operation.result() == 42
    assert operation.state is OperationState.COMPLETED
    assert operation.progress == 1.0


def test_error_names_the_verb_and_the_guest(turns: Turns) -> None:
    def work(op: DriverSide) -> None:
        raise StorageError("the pool is full")

    operation = started(work, turns)
    with pytest.raises(StorageError, match=f"work {operation.guest}: the pool is full"):
        operation.result()
    assert operation.state is OperationState.FAILED


def test_native_exception_becomes_a_driver_bug_that_does_not_repeat_its_text(turns: Turns) -> None:
    def work(op: DriverSide) -> None:
        raise KeyError("password=hunter2")

    operation = started(work, turns)
    with pytest.raises(DriverBug) as caught:
        operation.result()
    assert "hunter2" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


def test_deadline_abandons_a_hanging_call_and_keeps_the_guest_locked(turns: Turns) -> None:
    release, second_ran = threading.Event(), threading.Event()

    def hang(op: DriverSide) -> str:
        op.stage("calling the hypervisor", CancelMode.NONE)
        release.wait(30)
        return "late"

    guest = uuid4()
    operation = started(hang, turns, timeout=0.5, guest=guest)
    with pytest.raises(Timeout) as caught:
        operation.result()
    assert caught.value.stage == "calling the hypervisor"
    assert caught.value.state_after is StateAfter.UNKNOWN
    assert operation.state is OperationState.ABANDONED
    following = started(lambda op: second_ran.set(), turns, guest=guest)
    assert not second_ran.is_set()
    release.set()
    following.result()
    assert second_ran.is_set()
    assert operation.result() == "late"


def test_pre_empting_verb_overtakes_an_abandoned_one(turns: Turns) -> None:
    """Only when a guest that hangs is removed does the call return that waits for it; who came later waits for both."""
    removed, guest, order = threading.Event(), uuid4(), list[str]()

    def hang(op: DriverSide) -> None:
        assert removed.wait(30)
        order.append("the call returns")

    def remove(op: DriverSide) -> None:
        later.append(started(lambda op: order.append("later"), turns, guest=guest))
        removed.set()
        assert not later[0].wait(0.2)
        order.append("removed")

    later: list[Operation[Any]] = []
    abandoned = started(hang, turns, timeout=1.0, guest=guest)
    begun = time.monotonic()
    pre_empting(remove, turns, guest).result()
    assert time.monotonic() - begun > 0.5  # until its deadline it has its turn
    later[0].result()
    assert abandoned.wait(10)
    assert order == ["the call returns", "removed", "later"]


def test_too_many_abandoned_calls_refuse_more(turns: Turns) -> None:
    release = threading.Event()
    hanging = [started(lambda op: release.wait(30), turns, timeout=0.5) for _ in range(MOST_ABANDONED)]
    for operation in hanging:
        with pytest.raises(Timeout):
            operation.result()
    with pytest.raises(Busy, match="have not returned since their deadline"):
        started(lambda op: None, turns)
    assert hanging[0].guest is not None
    assert pre_empting(lambda op: "the way out", turns, hanging[0].guest).result() == "the way out"
    release.set()
    for operation in hanging:
        assert operation.wait(10)
    assert started(lambda op: 1, turns).result() == 1


def test_operation_that_never_began_in_time_changes_nothing(turns: Turns) -> None:
    release, ran = threading.Event(), threading.Event()
    guest = uuid4()
    first = started(lambda op: release.wait(30), turns, guest=guest)
    late = started(lambda op: ran.set(), turns, guest=guest, timeout=0.01)
    with pytest.raises(Timeout) as caught:
        late.result()
    assert caught.value.state_after is StateAfter.UNCHANGED
    release.set()
    first.result()
    started(lambda op: None, turns, guest=guest).result()
    assert not ran.is_set()
    assert late.state is OperationState.FAILED


def test_cancel_takes_effect_at_the_next_step(turns: Turns) -> None:
    in_stage, go_on = threading.Event(), threading.Event()

    def work(op: DriverSide) -> None:
        op.stage(Stage.DISKS)
        in_stage.set()
        go_on.wait(30)
        op.checkpoint()

    operation = started(work, turns)
    assert in_stage.wait(10)
    assert operation.cancel() is CancelMode.AT_NEXT_STEP
    go_on.set()
    with pytest.raises(Cancelled, match="while: disks"):
        operation.result()
    assert operation.state is OperationState.CANCELLED


def test_cancel_that_comes_too_late_completes(turns: Turns) -> None:
    in_stage, go_on = threading.Event(), threading.Event()

    def work(op: DriverSide) -> str:
        op.stage(Stage.START, CancelMode.NONE)
        in_stage.set()
        go_on.wait(30)
        return "started"

    operation = started(work, turns)
    assert in_stage.wait(10)
    assert operation.cancel() is CancelMode.NONE
    go_on.set()
    assert operation.result() == "started"
    assert operation.state is OperationState.COMPLETED


def test_cancel_callback_interrupts_at_once(turns: Turns) -> None:
    in_stage, interrupted = threading.Event(), threading.Event()

    def work(op: DriverSide) -> None:
        op.stage("uploading")
        op.on_cancel(interrupted.set)
        in_stage.set()
        assert interrupted.wait(30)
        op.checkpoint()

    operation = started(work, turns)
    assert in_stage.wait(10)
    assert operation.cancel() is CancelMode.IMMEDIATE
    with pytest.raises(Cancelled):
        operation.result()


def test_failure_after_a_request_to_cancel_is_a_failure(turns: Turns) -> None:
    in_stage, go_on = threading.Event(), threading.Event()

    def work(op: DriverSide) -> None:
        in_stage.set()
        go_on.wait(30)
        raise StorageError("could not clean up", state_after=StateAfter.CHANGED)

    operation = started(work, turns)
    assert in_stage.wait(10)
    operation.cancel()
    go_on.set()
    with pytest.raises(StorageError):
        operation.result()
    assert operation.state is OperationState.FAILED


def test_wait_until_is_woken_by_cancel(turns: Turns) -> None:
    waiting = threading.Event()

    def condition() -> bool:
        waiting.set()
        return False

    operation = started(lambda op: op.wait_until(condition), turns)
    assert waiting.wait(10)
    operation.cancel()
    assert operation.wait(10)
    assert operation.state is OperationState.CANCELLED


def test_wait_until_ends_at_the_deadline_with_nothing_changed(turns: Turns) -> None:
    operation = started(lambda op: op.wait_until(lambda: False), turns, timeout=0.05)
    assert operation.wait(10)
    assert isinstance(operation.error, Timeout)
    assert operation.error.state_after is StateAfter.UNCHANGED


def test_progress_never_runs_backwards(turns: Turns) -> None:
    seen: list[float] = []

    def work(op: DriverSide) -> None:
        for stage in ("one", "two"):
            op.stage(stage)
            for done in (1, 5, 3, 10, 12, 0):
                op.progress(done, 10)
        op.progress(1, 0)

    started(work, turns, on_progress=lambda operation: seen.append(operation.progress)).result()
    assert seen == sorted(seen)
    assert 0.5 <= max(seen[:-1]) < 1.0


def test_callback_that_fails_disturbs_nothing(turns: Turns, caplog: pytest.LogCaptureFixture) -> None:
    def callback(operation: Operation[Any]) -> None:
        raise ValueError("the caller's own")

    assert started(lambda op: op.stage("x") or 1, turns, on_progress=callback).result() == 1
    assert "a callback of an operation failed" in caplog.text


def test_hook_runs_at_its_stage_and_its_failure_stops_the_verb(turns: Turns) -> None:
    stages: list[str] = []

    def work(op: DriverSide) -> None:
        op.stage(Stage.NETWORK_READY)
        op.stage(Stage.BEFORE_START)

    started(work, turns, hooks={Stage.NETWORK_READY: lambda operation: stages.append(operation.stage)}).result()
    assert stages == ["network ready"]

    def refuse(operation: Operation[Any]) -> None:
        raise RuntimeError("no port")

    with pytest.raises(HookFailed, match="'before start' failed: no port") as caught:
        started(work, turns, hooks={Stage.BEFORE_START: refuse}).result()
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_pre_emption_cancels_what_runs_and_what_waits(turns: Turns) -> None:
    began = threading.Event()
    guest = uuid4()

    def work(op: DriverSide) -> None:
        began.set()
        op.wait_until(lambda: False)

    running = started(work, turns, guest=guest)
    waiting = started(lambda op: None, turns, guest=guest)
    assert began.wait(10)
    destroy = pre_empting(lambda op: "destroyed", turns, guest)
    assert destroy.result() == "destroyed"
    assert running.state is OperationState.CANCELLED
    assert waiting.state is OperationState.CANCELLED


def test_pre_emption_spares_those_that_want_the_same(turns: Turns) -> None:
    began, release = threading.Event(), threading.Event()
    guest = uuid4()

    def work(op: DriverSide) -> bool:
        began.set()
        assert release.wait(30)
        op.checkpoint()
        return True

    operations = [pre_empting(work, turns, guest) for _ in range(3)]
    assert began.wait(10)
    release.set()
    assert [operation.result() for operation in operations] == [True, True, True]


def test_refused_pre_emption_cancels_nothing(turns: Turns) -> None:
    began, release = threading.Event(), threading.Event()
    guest = uuid4()

    def work(op: DriverSide) -> None:
        began.set()
        assert release.wait(30)
        op.checkpoint()

    running = started(work, turns, guest=guest)
    assert began.wait(10)
    closing = threading.Thread(target=turns.close, kwargs={"cancel": False})
    closing.start()
    while not turns.closed:
        pass
    with pytest.raises(Unavailable):
        pre_empting(lambda op: None, turns, guest)
    release.set()
    closing.join(10)
    assert running.state is OperationState.COMPLETED


def test_verbs_of_one_guest_never_overlap_and_those_of_others_do(turns: Turns) -> None:
    one, other = uuid4(), uuid4()
    inside, overlaps = [0], [0]
    together = threading.Barrier(2, timeout=10)

    def alone(op: DriverSide) -> None:
        inside[0] += 1
        overlaps[0] += inside[0] > 1
        inside[0] -= 1

    for operation in [started(alone, turns, guest=one) for _ in range(200)]:
        operation.result()
    assert overlaps == [0]
    pair = [started(lambda op: together.wait(), turns, guest=guest) for guest in (one, other)]
    for operation in pair:
        operation.result()


def test_close_waits_and_refuses_what_comes_after(turns: Turns) -> None:
    release = threading.Event()
    operation = started(lambda op: release.wait(30), turns)
    threading.Timer(0.05, release.set).start()
    turns.close(cancel=False)
    assert operation.state is OperationState.COMPLETED
    with pytest.raises(Unavailable, match="closed"):
        started(lambda op: None, turns)


def test_close_with_cancel_stops_what_runs(turns: Turns) -> None:
    operation = started(lambda op: op.wait_until(lambda: False), turns)
    turns.close(cancel=True)
    assert operation.state is OperationState.CANCELLED


def test_cancel_that_came_too_late_to_leave_all_as_before_is_a_failure(turns: Turns) -> None:
    begun = threading.Event()

    def work(op: DriverSide) -> None:
        begun.set()
        try:
            op.wait_until(lambda: False)
        except Cancelled:
            raise Cancelled("the guest was asked to stop and may obey yet", state_after=StateAfter.UNKNOWN) from None

    operation = started(work, turns)
    assert begun.wait(10)
    operation.cancel()
    with pytest.raises(Cancelled):
        operation.result()
    assert operation.state is OperationState.FAILED
