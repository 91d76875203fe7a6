"""Spawns that fail or are cancelled: nothing stays, or it is named."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    Cancelled,
    VirtError,
)
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_vmware.driver import VmwareDriver
from tools.vcsim import VCenter

MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[[], DriverSide]


@pytest.mark.parametrize("method", ["CloneVM_Task", "ReconfigVM_Task", "PowerOnVM_Task"])
def test_failed_spawn_leaves_nothing(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, vcenter: VCenter, vm_of: Callable[..., Any], method: str
) -> None:
    spec = make_spec()
    with vcenter.failing(method, fault="InvalidArgument", times=1), pytest.raises(VirtError) as caught:
        driver.spawn(spec, new_op())
    assert not caught.value.leftovers
    assert vm_of(spec.uuid) is None
    assert driver.leftovers() == []
    assert driver.spawn(spec, new_op()).lifecycle is Lifecycle.READY


def test_what_cannot_be_removed_is_named(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, vcenter: VCenter
) -> None:
    spec = make_spec()
    with (
        vcenter.failing("PowerOnVM_Task", fault="InvalidArgument"),
        vcenter.failing("Destroy_Task", fault="InvalidState"),
        pytest.raises(VirtError) as caught,
    ):
        driver.spawn(spec, new_op())
    assert [left.uuid for left in caught.value.leftovers] == [spec.uuid]
    assert [left.uuid for left in driver.leftovers()] == [spec.uuid]
    assert driver.instance(driver.spawn(spec, new_op()).ref, fresh=True).power_state is PowerState.RUNNING
    assert driver.leftovers() == []


@pytest.mark.parametrize("stage", [Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START])
def test_hooks_run_before_the_guest_does_and_may_fail(
    driver: VmwareDriver,
    operation: Callable[..., Operation[Any]],
    make_spec: MakeSpec,
    vm_of: Callable[..., Any],
    stage: Stage,
) -> None:
    spec = make_spec()
    seen = []
    working = operation()
    side = DriverSide(working)
    announce = side.stage

    def staged(name: Any, *args: Any) -> None:
        announce(name, *args)
        if name is stage:
            seen.append(vm_of(spec.uuid).runtime.powerState)
            raise RuntimeError("no cable")

    side.stage = staged  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="no cable"):
        driver.spawn(spec, side)
    assert seen == ["poweredOff"]
    assert vm_of(spec.uuid) is None


def test_cancel_during_the_copy(
    driver: VmwareDriver,
    operation: Callable[..., Operation[Any]],
    make_spec: MakeSpec,
    vcenter: VCenter,
    vm_of: Callable[..., Any],
    eventually: Callable[..., None],
) -> None:
    spec, working = make_spec(), operation()
    outcome: list[BaseException] = []

    def spawn() -> None:
        try:
            driver.spawn(spec, DriverSide(working))
        except BaseException as error:  # noqa: BLE001 - handed to the test
            outcome.append(error)

    with vcenter.holding("CloneVM_Task"):
        thread = threading.Thread(target=spawn)
        thread.start()
        eventually(lambda: vcenter.progress("CloneVM_Task", 40), "the copy has begun")
        eventually(lambda: working.counters == (40, 100), "its progress is told")
        working.cancel()
        thread.join(60)
    assert isinstance(outcome[0], Cancelled)
    assert vm_of(spec.uuid) is None
