"""Sessions that expire and connections that break in the middle of a spawn or a destroy."""

import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import ConnectionLost, StateAfter, Unavailable
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_vmware.driver import VmwareDriver
from tools.vcsim import Relay, VCenter
from tools.vcsim.vcenter import Failure

MakeDriver = Callable[..., VmwareDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[[], DriverSide]

CHANGES: Final = ("CloneVM_Task", "ReconfigVM_Task", "PowerOnVM_Task")
STAGES: Final = (Stage.DISKS, Stage.DEFINE, Stage.NETWORK_READY, Stage.BEFORE_START, Stage.START)


@pytest.fixture
def new_op(operation: Callable[..., Operation[Any]]) -> NewOp:
    """Makes operations."""
    return lambda: DriverSide(operation())


def at_stage(op: DriverSide, stage: Stage, do: Callable[[], object]) -> DriverSide:
    """Let something happen when an operation comes to a stage."""
    announce = op.stage

    def staged(name: Any, *args: Any) -> None:
        announce(name, *args)
        if name is stage:
            do()

    op.stage = staged  # type: ignore[assignment]
    return op


@pytest.mark.parametrize("stage", STAGES)
def test_session_that_expires_in_mid_spawn(
    make_driver: MakeDriver, new_op: NewOp, make_spec: MakeSpec, own_vcenter: Callable[..., VCenter], stage: Stage
) -> None:
    vcenter = own_vcenter()
    driver = make_driver(to=vcenter)
    made = driver.spawn(make_spec(), at_stage(new_op(), stage, vcenter.expire_sessions))
    assert (made.lifecycle, made.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert driver.leftovers() == []
    assert driver.destroy(made.ref, at_stage(new_op(), Stage.CLEAN_UP, vcenter.expire_sessions)) is True


def test_session_that_expires_during_the_copy(
    make_driver: MakeDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    own_vcenter: Callable[..., VCenter],
    eventually: Callable[..., None],
) -> None:
    vcenter = own_vcenter()
    driver = make_driver(to=vcenter)
    spec, made = make_spec(), []
    with vcenter.holding("CloneVM_Task"):
        thread = threading.Thread(target=lambda: made.append(driver.spawn(spec, new_op())))
        thread.start()
        eventually(lambda: vcenter.progress("CloneVM_Task", 10), "the copy has begun")
        assert vcenter.expire_sessions()
    thread.join(60)
    assert [guest.lifecycle for guest in made] == [Lifecycle.READY]
    assert vcenter.calls["CloneVM_Task"] == 1


@pytest.mark.parametrize("failure", [Failure.DROP_BEFORE, Failure.DROP_AFTER])
@pytest.mark.parametrize("method", CHANGES)
def test_connection_that_breaks_at_a_change_of_a_spawn(
    make_driver: MakeDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    own_vcenter: Callable[..., VCenter],
    method: str,
    failure: Failure,
) -> None:
    """A spawn goes on where it is known what was done, else it says so, and leaves nothing; then it can be repeated."""
    vcenter = own_vcenter()
    driver = make_driver(to=vcenter)
    spec = make_spec()
    error: ConnectionLost | None = None
    with vcenter.failing(method, failure, times=1):
        try:
            driver.spawn(spec, new_op())
        except ConnectionLost as lost:
            error = lost
    if error is not None:
        assert not error.leftovers
        assert driver.instances(fresh=True) == ()
        assert driver.leftovers() == []
    made = driver.spawn(spec, new_op())
    assert (made.lifecycle, made.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert len(driver.instances(fresh=True)) == 1


@pytest.mark.parametrize("method", CHANGES)
def test_lost_answers_of_a_spawn_are_made_good(
    make_driver: MakeDriver, new_op: NewOp, make_spec: MakeSpec, own_vcenter: Callable[..., VCenter], method: str
) -> None:
    """What was done although its answer was lost is found, and not done twice."""
    vcenter = own_vcenter()
    driver = make_driver(to=vcenter)
    with vcenter.failing(method, Failure.DROP_AFTER, times=1):
        made = driver.spawn(make_spec(), new_op())
    assert (made.lifecycle, made.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert vcenter.calls["CloneVM_Task"] == 1


@pytest.mark.parametrize("failure", [Failure.DROP_BEFORE, Failure.DROP_AFTER])
@pytest.mark.parametrize("method", ["ReconfigVM_Task", "PowerOffVM_Task", "Destroy_Task"])
def test_connection_that_breaks_in_mid_destroy(
    make_driver: MakeDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    own_vcenter: Callable[..., VCenter],
    method: str,
    failure: Failure,
) -> None:
    vcenter = own_vcenter()
    driver = make_driver(to=vcenter)
    made = driver.spawn(make_spec(), new_op())
    with vcenter.failing(method, failure, times=1):
        assert driver.destroy(made.ref, new_op()) is True
    assert driver.instances(fresh=True) == ()
    assert driver.leftovers() == []


@pytest.mark.parametrize("stage", [Stage.DISKS, Stage.BEFORE_START])
def test_server_that_is_away_for_good(
    make_driver: MakeDriver,
    operation: Callable[..., Operation[Any]],
    new_op: NewOp,
    make_spec: MakeSpec,
    own_vcenter: Callable[..., VCenter],
    relay_to: Callable[[VCenter], Relay],
    stage: Stage,
) -> None:
    """The error names what it may have left, leftovers lists what it has, and the same spawn makes the guest whole."""
    vcenter = own_vcenter()
    relay = relay_to(vcenter)
    driver = make_driver(to=relay, outage_timeout=1.0)
    spec = make_spec()
    with pytest.raises((ConnectionLost, Unavailable)) as caught:
        driver.spawn(spec, at_stage(new_op(), stage, relay.cut))
    relay.restore()
    assert caught.value.state_after is not StateAfter.UNCHANGED
    assert [left.uuid for left in caught.value.leftovers] == [spec.uuid]
    named = {left.name for left in caught.value.leftovers}
    assert {left.name for left in driver.leftovers()} <= named
    assert driver.spawn(spec, new_op()).lifecycle is Lifecycle.READY
    assert driver.leftovers() == []


def test_clone_of_a_dead_process_is_waited_for(
    make_driver: MakeDriver,
    operation: Callable[..., Operation[Any]],
    make_spec: MakeSpec,
    new_op: NewOp,
    own_vcenter: Callable[..., VCenter],
    eventually: Callable[..., None],
) -> None:
    """A copy that goes on at the server after its process has gone reserves the name: nobody makes a second guest."""
    vcenter = own_vcenter()
    driver, other = make_driver(to=vcenter), make_driver(to=vcenter)
    spec = make_spec(uuid=uuid.uuid4())
    made: list[Any] = []
    with vcenter.holding("CloneVM_Task"):
        first = threading.Thread(target=lambda: made.append(driver.spawn(spec, new_op())))
        first.start()
        eventually(lambda: vcenter.progress("CloneVM_Task", 10), "the copy has begun")
        second = threading.Thread(target=lambda: made.append(other.spawn(spec, new_op())))
        second.start()
        eventually(lambda: vcenter.calls["CloneVM_Task"] > 1, "another has tried", 30.0)
    first.join(60)
    second.join(60)
    assert len({guest.native_id for guest in made}) == 1
    assert len(made) == 2
    assert other.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True
