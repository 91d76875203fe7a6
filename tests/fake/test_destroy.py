"""Destroying guests, whole ones and what is left of them, with and without faults."""

from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import DESTROY_STEPS, Step
from nova_virt_api.fake.switches import Switches

STEPS = pytest.mark.parametrize("step", DESTROY_STEPS, ids=lambda step: step.name)
AFTER_MARK = pytest.mark.parametrize("step", DESTROY_STEPS[1:], ids=lambda step: step.name)


def test_the_steps_are_all_that_a_destroy_goes_through() -> None:
    assert set(DESTROY_STEPS) == {step for step in Step if step.name.startswith("DESTROY_")}


@STEPS
@pytest.mark.parametrize("kind", ["fails", "dies"])
def test_a_destroy_that_stopped_half_way_can_be_repeated(
    kind: str, step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    if kind == "dies":
        fake_switches.crash_at(step)
    else:
        fake_switches.fail_at(step, virt.StorageError("the pool does not answer"))
    with pytest.raises(virt.VirtError) as caught:
        fake_compute.destroy(web)
    left = fake_switches.outside.objects()
    if step is Step.DESTROY_MARK:
        assert caught.value.leftovers == ()
        assert fake_compute.instance(web).lifecycle is virt.Lifecycle.READY
    else:
        assert len(caught.value.leftovers) == len(left) > 0
        assert len(fake_compute.leftovers()) == len(left)
    assert fake_compute.destroy(web) is True
    assert fake_switches.outside.objects() == ()
    assert fake_compute.leftovers() == []
    assert fake_compute.destroy(web) is False


@AFTER_MARK
def test_spawn_after_half_a_destroy_makes_a_new_guest(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, make_spec: Any
) -> None:
    fake_switches.crash_at(step)
    with pytest.raises(virt.ConnectionLost):
        fake_compute.destroy(web)
    guest = fake_compute.spawn(make_spec())
    assert guest.lifecycle is virt.Lifecycle.READY
    assert guest.native_id != web.native_id
    assert list(fake_compute.instances()) == [guest]
    assert fake_compute.leftovers() == []


def test_a_destroy_can_be_cancelled_before_its_mark(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    with fake_switches.hang_at(Step.DESTROY_MARK) as hang:
        operation = fake_compute.submit.destroy(web)
        assert hang.wait_reached()
        operation.cancel()
        assert operation.wait(10)
    assert operation.state is virt.OperationState.CANCELLED
    assert fake_compute.instance(web) is web


@AFTER_MARK
def test_a_destroy_runs_to_its_end_after_its_mark(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    with fake_switches.hang_at(step) as hang:
        operation = fake_compute.submit.destroy(web)
        assert hang.wait_reached()
        assert operation.cancel() is virt.CancelMode.NONE
        assert not operation.wait(0.02)
    assert operation.wait(10)
    assert operation.state is virt.OperationState.COMPLETED
    assert fake_switches.outside.objects() == ()


def test_kept_disks_stay_and_carry_the_uuid(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, make_spec: Any
) -> None:
    fake_compute.destroy(web, disks=virt.DiskPolicy.KEEP)
    assert fake_switches.outside.objects() == (f"kept disk default/{web.uuid}-disk0.kept1",)
    assert fake_compute.leftovers() == []
    assert fake_compute.destroy(web) is False
    fake_compute.spawn(make_spec())
    fake_compute.destroy(web, disks=virt.DiskPolicy.KEEP)
    assert len(fake_switches.outside.objects()) == 2


def test_a_guest_that_was_removed_natively_leaves_something_to_destroy(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.outside.remove(web)
    assert fake_compute.instances() == ()
    assert {leftover.kind for leftover in fake_compute.leftovers()} == {"record", "disk", "seed", "nvram", "port"}
    assert fake_compute.destroy(web) is True
    assert fake_switches.outside.objects() == ()


def test_saved_memory_goes_with_its_guest(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_compute.suspend(web)
    assert any(text.startswith("memory ") for text in fake_switches.outside.objects())
    fake_compute.destroy(web)
    assert fake_switches.outside.objects() == ()
