"""A spawn that fails, is cancelled, comes too late or dies, at each of its steps."""

import threading
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import SPAWN_STEPS, Step
from nova_virt_api.fake.switches import Switches

STEPS = pytest.mark.parametrize("step", SPAWN_STEPS, ids=lambda step: step.name)
HITS = {Step.SPAWN_DISK: 3}
"""How often the spawn of a test goes through a step that is not done once: disk, seed and firmware variables."""

CASES = [(step, skip) for step in SPAWN_STEPS for skip in range(HITS.get(step, 1))]


def test_the_steps_are_all_that_a_spawn_goes_through() -> None:
    named = {step for step in Step if step.name.startswith("SPAWN_")}
    assert set(SPAWN_STEPS) == named - {Step.SPAWN_UNDO}


@pytest.mark.parametrize(("step", "skip"), CASES, ids=lambda part: getattr(part, "name", part))
def test_a_failed_spawn_leaves_nothing(
    step: Step, skip: int, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    fake_switches.fail_at(step, virt.StorageError("the disk is on fire"), skip=skip)
    with pytest.raises(virt.StorageError, match="on fire") as caught:
        fake_compute.spawn(make_spec())
    assert caught.value.leftovers == ()
    assert caught.value.state_after is virt.StateAfter.UNCHANGED
    assert fake_switches.outside.objects() == ()
    assert fake_compute.instances() == ()
    assert fake_compute.spawn(make_spec()).power_state is virt.PowerState.RUNNING


@STEPS
def test_a_native_exception_is_a_driver_bug_and_leaves_nothing(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    fake_switches.fail_at(step, KeyError("native"))
    with pytest.raises(virt.DriverBug) as caught:
        fake_compute.spawn(make_spec())
    assert isinstance(caught.value.__cause__, KeyError)
    assert fake_switches.outside.objects() == ()


@STEPS
def test_a_cancelled_spawn_leaves_nothing(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    with fake_switches.hang_at(step) as hang:
        operation = fake_compute.submit.spawn(make_spec())
        assert hang.wait_reached()
        assert operation.cancel() is virt.CancelMode.IMMEDIATE
        assert operation.wait(10)
    assert operation.state is virt.OperationState.CANCELLED
    assert fake_switches.outside.objects() == ()


@STEPS
def test_a_spawn_that_comes_too_late_leaves_nothing(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    with fake_switches.hang_at(step):
        operation = fake_compute.submit.spawn(make_spec(), timeout=0.05)
        assert operation.wait(10)
    with pytest.raises(virt.Timeout):
        operation.result()
    assert fake_switches.outside.objects() == ()


@pytest.mark.parametrize(("step", "skip"), CASES, ids=lambda part: getattr(part, "name", part))
def test_the_same_spawn_goes_on_after_a_crash(
    step: Step, skip: int, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    crash(fake_compute, fake_switches, make_spec(), step, skip)
    assert (fake_compute.leftovers() == []) is (step is Step.SPAWN_CLAIM)
    guest = fake_compute.spawn(make_spec())
    assert guest.lifecycle is virt.Lifecycle.READY
    assert guest.power_state is virt.PowerState.RUNNING
    assert list(fake_compute.instances()) == [guest]
    assert fake_compute.leftovers() == []
    after_crash = fake_switches.outside.objects()
    fake_compute.destroy(guest)
    assert fake_switches.outside.objects() == ()
    fake_compute.spawn(make_spec())
    assert len(fake_switches.outside.objects()) == len(after_crash)


@pytest.mark.parametrize(("step", "skip"), CASES, ids=lambda part: getattr(part, "name", part))
def test_destroy_removes_what_a_crash_left(
    step: Step, skip: int, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    crash(fake_compute, fake_switches, make_spec(), step, skip)
    there = bool(fake_switches.outside.objects())
    assert fake_compute.destroy(make_spec().uuid) is there
    assert fake_switches.outside.objects() == ()


def test_another_spec_does_not_take_over_what_a_crash_left(
    fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    crash(fake_compute, fake_switches, make_spec(), Step.SPAWN_DEFINE, 0)
    before = fake_switches.outside.objects()
    with pytest.raises(virt.InstanceExists):
        fake_compute.spawn(make_spec(vcpus=7))
    assert fake_switches.outside.objects() == before


def test_what_cannot_be_undone_is_named(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    fake_switches.fail_at(Step.SPAWN_START, virt.BackendError("does not start"))
    fake_switches.fail_at(Step.SPAWN_UNDO, virt.StorageError("the pool does not answer"))
    with pytest.raises(virt.BackendError, match="does not start") as caught:
        fake_compute.spawn(make_spec())
    assert caught.value.state_after is virt.StateAfter.CHANGED
    assert {leftover.kind for leftover in caught.value.leftovers} == {
        "record",
        "guest",
        "disk",
        "seed",
        "nvram",
        "port",
    }
    assert sorted(map(str, fake_compute.leftovers())) == sorted(map(str, caught.value.leftovers))
    assert fake_compute.destroy(make_spec().uuid)
    assert fake_switches.outside.objects() == ()


def test_leftovers_are_named_when_the_connection_is_gone(
    fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    with fake_switches.hang_at(Step.SPAWN_DEFINE) as hang:
        operation = fake_compute.submit.spawn(make_spec())
        assert hang.wait_reached()
        fake_switches.lose_connection(None)
        hang.release()
        with pytest.raises(virt.ConnectionLost) as caught:
            operation.result()
    assert {leftover.kind for leftover in caught.value.leftovers} == {"record", "disk", "seed", "nvram", "port"}
    fake_switches.restore_connection()
    assert fake_compute.spawn(make_spec()).lifecycle is virt.Lifecycle.READY


def test_a_hook_that_fails_leaves_nothing(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    def refuse(operation: object) -> None:
        raise virt.NetworkError("no port for it")

    for stage in (virt.Stage.DISKS_READY, virt.Stage.NETWORK_READY, virt.Stage.BEFORE_START):
        with pytest.raises(virt.NetworkError):
            fake_compute.spawn(make_spec(), hooks={stage: refuse})
        assert fake_switches.outside.objects() == ()


def test_hooks_see_what_their_stage_promises(
    fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    seen: dict[virt.Stage, set[str]] = {}

    def note(stage: virt.Stage) -> Any:
        return lambda operation: seen.setdefault(stage, {text.split()[0] for text in fake_switches.outside.objects()})

    stages = (virt.Stage.DISKS_READY, virt.Stage.NETWORK_READY, virt.Stage.BEFORE_START)
    fake_compute.spawn(make_spec(), hooks={stage: note(stage) for stage in stages})
    disks = {"record", "disk", "seed", "nvram"}
    assert seen == {
        virt.Stage.DISKS_READY: disks,
        virt.Stage.NETWORK_READY: disks | {"port"},
        virt.Stage.BEFORE_START: disks | {"port", "guest"},
    }


def test_destroy_pre_empts_a_spawn(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    with fake_switches.hang_at(Step.SPAWN_START) as hang:
        spawning = fake_compute.submit.spawn(make_spec())
        assert hang.wait_reached()
        destroyed: list[bool] = []
        thread = threading.Thread(target=lambda: destroyed.append(fake_compute.destroy(make_spec().uuid)))
        thread.start()
        assert spawning.wait(10)
        thread.join(10)
    assert spawning.state is virt.OperationState.CANCELLED
    assert destroyed == [False]
    assert fake_switches.outside.objects() == ()


def crash(compute: virt.Compute, switches: Switches, spec: virt.InstanceSpec, step: Step, skip: int) -> None:
    switches.crash_at(step, skip=skip)
    with pytest.raises(virt.ConnectionLost) as caught:
        compute.spawn(spec)
    assert caught.value.state_after is virt.StateAfter.UNKNOWN
