"""Removing a guest that stands still with a question: that is said, instead of waiting for an answer for ever."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import StateAfter
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.questions import Questioned
from tools.vcsim import Settings, VCenter

QUESTION = "Was it moved or copied?"
PATIENCE_S = 60.0

InBackground = Callable[[Callable[[], Any]], "Future[Any]"]


@pytest.fixture
def small(own_vcenter: Callable[..., VCenter]) -> VCenter:
    return own_vcenter(Settings(clusters=1, hosts=1, standalone_hosts=0, vms=0))


@pytest.fixture
def mine(small: VCenter, make_driver: Callable[..., VmwareDriver], monkeypatch: pytest.MonkeyPatch) -> VmwareDriver:
    monkeypatch.setattr("nova_virt_vmware.tasks.ANSWER_SECONDS", 0.1)
    return make_driver(to=small)


@pytest.fixture
def guest(mine: VmwareDriver, make_spec: Callable[..., InstanceSpec], op: DriverSide) -> Instance:
    return mine.spawn(make_spec(), op)


@pytest.mark.parametrize("method", ["ReconfigVM_Task", "PowerOffVM_Task"])
def test_destroy_of_a_guest_whose_task_asks_something(
    method: str, small: VCenter, mine: VmwareDriver, guest: Instance,
    operation: Callable[..., Operation[Any]], op: DriverSide, in_background: InBackground,
) -> None:  # fmt: skip
    small.set_question(guest.native_id, QUESTION)
    with small.holding(method):
        done = in_background(lambda: mine.destroy(guest.ref, DriverSide(operation())))
        with pytest.raises(Questioned, match="moved or copied") as caught:
            done.result(PATIENCE_S)
        assert caught.value.state_after is StateAfter.UNKNOWN
    small.set_question(guest.native_id, "")
    assert mine.destroy(guest.ref, op) is True
    assert small.calls["Destroy_Task"] == 1
