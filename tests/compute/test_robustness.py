"""What happens to operations, waits and watches when the people around them behave badly."""

import asyncio
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

import nova_virt_api as virt
from nova_virt_api import aio, until
from nova_virt_api.compute.face import run
from nova_virt_api.compute.hub import Slots
from nova_virt_api.compute.operation import DriverSide, Operation, OperationState
from nova_virt_api.compute.turns import Turns
from nova_virt_api.events import Changed, Gap
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

PATIENCE = 10.0
SPEC = virt.InstanceSpec(uuid=virt.stable_uuid("robust"), name="robust", memory_bytes=virt.MiB(64))


def started(work: Callable[[DriverSide], Any], turns: Turns, **options: Any) -> Operation[Any]:
    operation: Operation[Any] = Operation("work", options.pop("guest", None) or uuid4(), **options)
    turns.add(operation, lambda: run(operation, work))
    return operation


# --- threads ----------------------------------------------------------------------------------------------------------


def test_driver_that_exits_does_not_lock_the_guest() -> None:
    turns, guest = Turns(), uuid4()
    first = started(lambda op: sys.exit("the driver had enough"), turns, guest=guest)
    assert started(lambda op: "next", turns, guest=guest, timeout=PATIENCE).result() == "next"
    with pytest.raises(virt.DriverBug):
        first.result()


def test_hook_and_callback_that_exit_do_no_harm(compute: virt.Compute) -> None:
    with pytest.raises(virt.HookFailed):
        compute.spawn(SPEC, timeout=PATIENCE, hooks={virt.Stage.DISKS_READY: lambda operation: sys.exit(1)})
    assert not compute.leftovers()
    assert compute.spawn(SPEC, timeout=PATIENCE, on_progress=lambda operation: sys.exit(1)).name == "robust"


def test_verb_from_a_hook_of_the_same_guest_is_refused_and_not_waited_for(compute: virt.Compute) -> None:
    with pytest.raises(virt.Busy, match=r"at work on the guest; .* compute\.submit"):
        compute.spawn(SPEC, hooks={virt.Stage.BEFORE_START: lambda operation: compute.power_off(SPEC.uuid)})
    other = virt.InstanceSpec(uuid=virt.stable_uuid("other"), name="other", memory_bytes=virt.MiB(64))

    def spawn_other(operation: Operation[Any]) -> None:
        compute.spawn(other)

    compute.spawn(SPEC, hooks={virt.Stage.BEFORE_START: spawn_other})
    assert {guest.name for guest in compute.instances()} == {"robust", "other"}
    assert compute.instance(SPEC.uuid).power_state is virt.PowerState.RUNNING


def test_ctrl_c_in_a_verb_cancels_it_and_leaves_nothing(compute: virt.Compute, switches: Switches) -> None:
    main = threading.get_ident()

    def waits_for_the_outcome() -> bool:
        stack = traceback.extract_stack(sys._current_frames()[main])
        return [frame.name for frame in stack[-2:]] == ["_wait_until_deadline", "wait"]

    with switches.hang_at(Step.SPAWN_DEFINE) as hang:

        def press() -> None:
            assert hang.wait_reached()
            while not waits_for_the_outcome():
                pass
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=press).start()
        with pytest.raises(KeyboardInterrupt):
            compute.spawn(SPEC)
    assert not compute.operations()
    assert not compute.instances()
    assert not compute.leftovers()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_child_is_told_to_connect_for_itself(compute: virt.Compute, guest: virt.Instance) -> None:
    def child(answer: Any) -> None:
        try:
            compute.submit.pause(guest, timeout=PATIENCE)
        except virt.Unavailable as error:
            answer.send(str(error))

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start()
    assert here.poll(PATIENCE)
    assert "forked" in here.recv()
    process.join(PATIENCE)
    assert process.exitcode == 0


def test_many_threads_on_few_guests_lose_nothing() -> None:
    turns, guests, threads = Turns(), [uuid4() for _ in range(3)], 8
    outcomes: list[OperationState] = []

    def work(op: DriverSide) -> None:
        op.stage("one", cancel=virt.CancelMode.AT_NEXT_STEP)
        op.progress(1, 2)
        op.checkpoint()

    def submit(number: int) -> None:
        for count in range(60):
            operation = started(work, turns, guest=guests[(number + count) % len(guests)])
            if count % 3 == number % 3:
                operation.cancel()
            assert operation.wait(PATIENCE)
            outcomes.append(operation.state)

    crowd = [threading.Thread(target=submit, args=(number,)) for number in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert len(outcomes) == threads * 60
    assert set(outcomes) <= {OperationState.COMPLETED, OperationState.CANCELLED}
    turns.close(cancel=False)
    assert not turns.operations()


# --- operations -------------------------------------------------------------------------------------------------------


def test_error_asked_for_again_and_again_does_not_grow() -> None:
    def work(op: DriverSide) -> None:
        raise virt.StorageError("full")

    operation = started(work, Turns())
    lengths = set()
    for _ in range(5):
        with pytest.raises(virt.StorageError) as caught:
            operation.result()
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(lengths) == 1


def test_progress_is_not_told_after_the_outcome() -> None:
    release, states = threading.Event(), []
    kept: list[DriverSide] = []

    def work(op: DriverSide) -> None:
        kept.append(op)
        assert release.wait(PATIENCE)
        op.progress(1, 2)

    operation = started(work, Turns(), on_progress=lambda told: states.append(told.done()))
    release.set()
    operation.result()
    kept[0].progress(2, 2)
    assert states == [False, False]


def test_cancel_calls_back_once_and_does_nothing_at_the_end() -> None:
    calls, ready = [], threading.Event()

    def work(op: DriverSide) -> None:
        op.on_cancel(lambda: calls.append(1))
        ready.set()
        op.wait_until(lambda: False)

    operation = started(work, Turns())
    assert ready.wait(PATIENCE)
    assert operation.cancel() is virt.CancelMode.IMMEDIATE
    operation.cancel()
    assert operation.wait(PATIENCE)
    assert operation.cancel() is virt.CancelMode.NONE
    assert calls == [1]


def test_every_way_to_end_names_the_verb_and_the_guest() -> None:
    turns, guest, release = Turns(), uuid4(), threading.Event()
    running = started(lambda op: release.wait(PATIENCE), turns, guest=guest, timeout=0.01)
    late = started(lambda op: None, turns, guest=guest, timeout=0.01)
    cancelled = started(lambda op: None, turns, guest=guest)
    cancelled.cancel()
    for operation in (running, late, cancelled):
        with pytest.raises(virt.VirtError, match=f"^work {guest}: "):
            operation.result()
    release.set()
    turns.close(cancel=False)


@pytest.mark.parametrize("timeout", [-1, "5", float("nan"), True])
def test_timeout_that_is_none_is_refused(compute: virt.Compute, guest: virt.Instance, timeout: Any) -> None:
    for call in (compute.power_on, compute.submit.power_on):
        with pytest.raises(virt.InvalidSpec, match="timeout"):
            call(guest, timeout=timeout)
    with pytest.raises(virt.InvalidSpec, match="timeout"):
        compute.wait_for(guest, until.gone(), timeout=timeout)


@pytest.mark.parametrize("hooks", [{"before start": print}, {virt.Stage.CLAIM: print}, {virt.Stage.BEFORE_START: 7}])
def test_hook_that_would_never_run_is_refused(compute: virt.Compute, hooks: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match="hooks"):
        compute.spawn(SPEC, hooks=hooks)
    assert not compute.instances()


def test_hook_of_a_start_and_of_a_resume_runs_before_anything_changed(
    compute: virt.Compute, guest: virt.Instance
) -> None:
    seen: list[virt.PowerState] = []
    hooks = {virt.Stage.BEFORE_START: lambda operation: seen.append(compute.instance(guest).power_state)}
    compute.power_on(guest, hooks=hooks)
    assert not seen
    compute.power_off(guest)
    compute.power_on(guest, hooks=hooks)
    compute.suspend(guest)
    compute.resume(guest, hooks=hooks)
    assert seen == [virt.PowerState.SHUTDOWN, virt.PowerState.SUSPENDED]
    with pytest.raises(virt.InvalidSpec, match="hooks"):
        compute.power_on(guest, hooks={virt.Stage.NETWORK_READY: print})


@pytest.mark.parametrize(
    "error",
    [
        virt.VirtError("x", hint="y"),
        virt.InvalidSpec("disks[0]", 7, "a disk"),
        virt.NotSupported(virt.Capability.PAUSE, reason="no"),
        virt.InvalidState(virt.PowerState.RUNNING, [virt.PowerState.SHUTDOWN]),
        virt.Ambiguous("two", ["a", "b"]),
        virt.DriverNotFound("xen", "none"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_error_can_be_sent_to_another_process(error: virt.VirtError) -> None:
    error.verb, error.guest = "spawn", "web"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


# --- waits and watches ------------------------------------------------------------------------------------------------


def test_closing_the_connection_ends_its_waits(compute: virt.Compute, guest: virt.Instance) -> None:
    waiting = threading.Event()
    outcome: list[BaseException] = []

    class Never(until.GuestCondition):
        def holds(self, instance: virt.Instance | None) -> bool:
            waiting.set()
            return False

        def __str__(self) -> str:
            return "never"

    def wait() -> None:
        try:
            compute.wait_for(guest, Never())
        except virt.VirtError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(PATIENCE)
    compute.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert [type(error) for error in outcome] == [virt.Unavailable]


def test_second_gap_is_read_after_what_came_before_it(guest: virt.Instance) -> None:
    slots = Slots()
    for event in (Gap("first"), Changed(guest), Gap("second")):
        slots.put(event)
    assert slots.take(0) == Changed(guest)
    assert slots.take(0) == Gap("second")


def test_wait_is_not_woken_by_other_guests(guest: virt.Instance) -> None:
    slots = Slots(uuid4())
    slots.put(Changed(guest))
    assert slots.take(0) is None
    slots.put(Gap("lost"))
    assert slots.take(0) == Gap("lost")


def test_cancelled_task_leaves_no_listener_and_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = threading.Event(), threading.Event()

    async def main() -> None:
        async with await aio.connect("fake") as compute:
            hub = compute.compute._hub
            join = hub.join

            def slow(slots: Slots) -> None:
                entered.set()
                assert go_on.wait(PATIENCE)
                join(slots)

            monkeypatch.setattr(hub, "join", slow)
            waits: list[Callable[[], Any]] = [
                lambda: anext(compute.watch()),
                lambda: compute.wait_for(SPEC.uuid, until.gone()),
            ]
            for wait in waits:
                entered.clear()
                go_on.clear()
                task = asyncio.ensure_future(wait())
                assert await asyncio.to_thread(entered.wait, PATIENCE)
                task.cancel()
                go_on.set()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not hub._listeners

    asyncio.run(main())
