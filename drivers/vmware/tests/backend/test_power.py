"""The power verbs and the role Suspend: as asked, once, whatever is lost or done by others meanwhile."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    Cancelled,
    ConnectionLost,
    InstanceNotFound,
    InvalidState,
    NoCapacity,
    StateAfter,
    StorageError,
    Timeout,
)
from nova_virt_api.model.instance import Condition, Instance, PowerOff, PowerState
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.questions import Questioned
from tools.vcsim import Relay, Settings, VCenter

OFF, ON, RESET, SUSPEND = "PowerOffVM_Task", "PowerOnVM_Task", "ResetVM_Task", "SuspendVM_Task"
PATIENCE_S = 60.0
GRACE_S = 30.0
ONE_GUEST = Settings(clusters=1, hosts=1, standalone_hosts=0, vms=1)

MakeDriver = Callable[..., VmwareDriver]
MakeOperation = Callable[..., Operation[Any]]


@pytest.fixture
def small(own_vcenter: Callable[..., VCenter]) -> VCenter:
    """A vCenter with one running guest."""
    return own_vcenter(ONE_GUEST)


@pytest.fixture
def mine(small: VCenter, make_driver: MakeDriver) -> VmwareDriver:
    """A driver that may change the guest."""
    return make_driver(to=small)


@pytest.fixture
def guest(mine: VmwareDriver, op: DriverSide) -> Instance:
    """The guest, adopted; it runs."""
    [found] = mine.instances()
    return mine.adopt(found.ref, op)


def state(driver: VmwareDriver, guest: Instance) -> PowerState:
    return driver.instance(guest.ref, fresh=True).power_state


def off(driver: VmwareDriver, guest: Instance, op: DriverSide) -> None:
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)


# --- on and off -------------------------------------------------------------------------------------------------------


def test_off_and_on(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """Both verbs do what they say; said twice they ask the server once."""
    for _ in range(2):
        off(mine, guest, op)
        assert mine.instance(guest.ref).power_state is PowerState.SHUTDOWN
    for _ in range(2):
        mine.power_on(guest.ref, op)
        assert mine.instance(guest.ref).power_state is PowerState.RUNNING
    calls = small.order("calls")
    assert (calls[OFF], calls[ON]) == (1, 1)


def test_somebody_else_was_faster(
    make_driver: MakeDriver,
    mine: VmwareDriver,
    guest: Instance,
    operation: MakeOperation,
    op: DriverSide,
    small: VCenter,
    in_background: Any,
    eventually: Any,
) -> None:
    """A guest that somebody brings into a state that does not allow it is refused, with that state."""
    fields = {"RequestedState": "poweredOff", "ExistingState": "suspended"}
    small.order("fail", kind="task fault", method=OFF, times=1, fault="InvalidPowerState", fields=fields)
    small.order("hold", method=OFF)
    done = in_background(lambda: off(mine, guest, DriverSide(operation())))
    eventually(lambda: small.order("calls").get(OFF, 0) == 1, "the task was begun")
    make_driver(to=small).suspend(guest.ref, op)
    small.order("release", method=OFF)
    with pytest.raises(InvalidState) as caught:
        done.result(PATIENCE_S)
    assert caught.value.current is PowerState.SUSPENDED


def test_somebody_else_removed_it(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A guest that vanishes after it was looked at is said to be gone."""
    off(mine, guest, op)
    announce = op.stage

    def staged(name: Any, *args: Any) -> None:
        announce(name, *args)
        if name is Stage.START:
            mine.destroy(guest.ref, DriverSide(Operation("destroy", guest.uuid)))

    op.stage = staged  # type: ignore[assignment]
    with pytest.raises(InstanceNotFound):
        mine.power_on(guest.ref, op)


def test_fault_without_a_reason(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A fault that names a state in which the guest is not is tried again."""
    fields = {"RequestedState": "poweredOff", "ExistingState": "poweredOff"}
    small.order("fail", kind="task fault", method=OFF, times=1, fault="InvalidPowerState", fields=fields)
    off(mine, guest, op)
    assert state(mine, guest) is PowerState.SHUTDOWN


def test_two_at_once(
    make_driver: MakeDriver, small: VCenter, mine: VmwareDriver, guest: Instance, operation: MakeOperation,
    in_background: Any, eventually: Any,
) -> None:  # fmt: skip
    """Two processes switch one guest at the same time: both succeed, and it is switched."""
    other = make_driver(to=small)
    small.order("hold", method=OFF)
    done = [in_background(lambda d=d: off(d, guest, DriverSide(operation()))) for d in (mine, other)]
    eventually(lambda: small.order("calls").get(OFF, 0) == 2, "both have begun a task")
    small.order("release", method=OFF)
    for each in done:
        each.result(PATIENCE_S)
    assert state(mine, guest) is PowerState.SHUTDOWN


def test_full_host(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A host without memory for it is NoCapacity, and the guest stays off."""
    off(mine, guest, op)
    small.order("fail", kind="task fault", method=ON, times=1, fault="InsufficientMemoryResourcesFault")
    with pytest.raises(NoCapacity) as caught:
        mine.power_on(guest.ref, op)
    assert caught.value.state_after is StateAfter.UNCHANGED
    assert state(mine, guest) is PowerState.SHUTDOWN


def test_busy_machine_is_waited_for(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A request that meets another's task is made again."""
    small.order("fail", kind="fault", method=OFF, times=2, fault="TaskInProgress")
    off(mine, guest, op)
    assert state(mine, guest) is PowerState.SHUTDOWN
    assert small.order("calls")[OFF] == 3


# --- lost -------------------------------------------------------------------------------------------------------------


def test_answer_is_lost(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A task that was begun although the connection broke is not begun again."""
    small.order("fail", kind="drop after", method=OFF, times=1)
    off(mine, guest, op)
    assert state(mine, guest) is PowerState.SHUTDOWN


def test_task_without_an_answer_is_found(
    mine: VmwareDriver, guest: Instance, operation: MakeOperation, small: VCenter, in_background: Any, eventually: Any
) -> None:
    """A task whose answer was lost and that goes on is found, and waited for."""
    small.order("hold", method=OFF)
    small.order("fail", kind="drop after", method=OFF, times=1)
    done = in_background(lambda: off(mine, guest, DriverSide(operation())))
    eventually(lambda: small.order("calls").get("ModifyListView", 0) >= 2, "the task is waited for")
    assert not done.done()
    small.order("release", method=OFF)
    done.result(PATIENCE_S)
    assert small.order("calls")[OFF] == 1
    assert state(mine, guest) is PowerState.SHUTDOWN


def test_request_is_lost(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A request that nobody heard is made again."""
    small.order("fail", kind="drop before", method=OFF, times=1)
    off(mine, guest, op)
    assert state(mine, guest) is PowerState.SHUTDOWN


def test_restart_is_not_said_twice(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A restart of which nobody knows whether it was heard is not asked for again."""
    small.order("fail", kind="drop before", method=RESET, times=1)
    with pytest.raises(ConnectionLost) as caught:
        mine.reboot(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert caught.value.state_after is StateAfter.UNKNOWN
    assert small.order("calls")[RESET] == 1


def test_session_expired_before(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A verb in a session that has expired logs in again and does its work once."""
    small.order("expire sessions")
    off(mine, guest, op)
    assert state(mine, guest) is PowerState.SHUTDOWN
    assert small.order("calls")[OFF] <= 2


def test_cut_in_the_middle(
    small: VCenter, relay_to: Callable[[VCenter], Relay], make_driver: MakeDriver, operation: MakeOperation,
    op: DriverSide, in_background: Any, eventually: Any,
) -> None:  # fmt: skip
    """A verb whose connection is cut while the server works ends well when the way is there again."""
    relay = relay_to(small)
    driver = make_driver(to=relay)
    [found] = driver.instances()
    guest = driver.adopt(found.ref, op)
    small.order("hold", method=SUSPEND)
    done = in_background(lambda: driver.suspend(guest.ref, DriverSide(operation())))
    eventually(lambda: small.order("calls").get(SUSPEND, 0) == 1, "the task was begun")
    relay.cut()
    small.order("release", method=SUSPEND)
    relay.restore()
    done.result(PATIENCE_S)
    assert state(driver, guest) is PowerState.SUSPENDED
    assert small.order("calls")[SUSPEND] == 1


# --- asking the guest -------------------------------------------------------------------------------------------------


def test_guest_that_obeys_stops_by_itself(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A guest whose VMware Tools run is asked, and its power is not cut."""
    small.order("tools", vm=guest.native_id, value="TRUE")
    mine.power_off(guest.ref, op, mode=PowerOff.GRACEFUL, grace_seconds=GRACE_S)
    assert state(mine, guest) is PowerState.SHUTDOWN
    calls = small.order("calls")
    assert calls["ShutdownGuest"] == 1
    assert OFF not in calls


def test_guest_without_tools_is_cut_off(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A guest that cannot be asked has its grace time, and then its power is cut."""
    mine.power_off(guest.ref, op, mode=PowerOff.GRACEFUL, grace_seconds=0.2)
    assert state(mine, guest) is PowerState.SHUTDOWN
    calls = small.order("calls")
    assert (calls["ShutdownGuest"], calls[OFF]) == (1, 1)


def test_guest_may_stop_without_being_asked(
    mine: VmwareDriver, guest: Instance, operation: MakeOperation, op: DriverSide, small: VCenter,
    make_driver: MakeDriver, in_background: Any, eventually: Any,
) -> None:  # fmt: skip
    """A guest that goes off within its grace time, by whatever, ends the wait."""
    mode = PowerOff.GRACEFUL
    done = in_background(
        lambda: mine.power_off(guest.ref, DriverSide(operation()), mode=mode, grace_seconds=PATIENCE_S)
    )
    eventually(lambda: small.order("calls").get("ShutdownGuest", 0) == 1, "it was asked")
    off(make_driver(to=small), guest, op)
    done.result(PATIENCE_S / 2)


@pytest.mark.parametrize("verb", ["power_off", "reboot"])
def test_waiting_for_a_guest_is_cancelled(
    mine: VmwareDriver, guest: Instance, operation: MakeOperation, small: VCenter, in_background: Any, eventually: Any,
    verb: str,
) -> None:  # fmt: skip
    """Who waits for a guest to obey stops when it is cancelled; the guest may still obey."""
    small.order("tools", vm=guest.native_id, value="deaf")
    running = operation()
    call = partial(getattr(mine, verb), guest.ref, DriverSide(running))
    done = in_background(lambda: call(mode=PowerOff.GRACEFUL, grace_seconds=PATIENCE_S))
    asked = "ShutdownGuest" if verb == "power_off" else "RebootGuest"
    eventually(lambda: small.order("calls").get(asked, 0) == 1, "it was asked")
    running.cancel()
    with pytest.raises(Cancelled) as caught:
        done.result(PATIENCE_S / 2)
    assert caught.value.state_after is StateAfter.UNKNOWN
    assert state(mine, guest) is PowerState.RUNNING


def test_waiting_for_a_guest_ends_at_the_deadline(
    mine: VmwareDriver, guest: Instance, operation: MakeOperation, small: VCenter
) -> None:
    """Who waits for a guest to obey stops at the deadline."""
    small.order("tools", vm=guest.native_id, value="deaf")
    with pytest.raises(Timeout) as caught:
        mine.power_off(guest.ref, DriverSide(operation(3.0)), mode=PowerOff.GRACEFUL, grace_seconds=PATIENCE_S)
    assert caught.value.state_after is StateAfter.UNKNOWN


# --- restart ----------------------------------------------------------------------------------------------------------


def test_restart(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A running guest is reset, one that is off is started."""
    mine.reboot(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert small.order("calls")[RESET] == 1
    off(mine, guest, op)
    mine.reboot(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert state(mine, guest) is PowerState.RUNNING
    calls = small.order("calls")
    assert (calls[RESET], calls[ON]) == (1, 1)


def test_guest_that_restarts_itself_is_not_reset(
    mine: VmwareDriver, guest: Instance, operation: MakeOperation, small: VCenter, in_background: Any, eventually: Any
) -> None:
    """A guest that is asked to restart counts as restarted when its VMware Tools go down."""
    small.order("tools", vm=guest.native_id, value="TRUE")
    mode = PowerOff.GRACEFUL
    done = in_background(lambda: mine.reboot(guest.ref, DriverSide(operation()), mode=mode, grace_seconds=PATIENCE_S))
    eventually(lambda: small.order("calls").get("RebootGuest", 0) == 1, "it was asked")
    assert not done.done()
    small.order("tools", vm=guest.native_id, value="")
    done.result(PATIENCE_S / 2)
    assert RESET not in small.order("calls")


def test_guest_that_does_not_restart_is_reset(
    mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter
) -> None:
    """A guest that was asked to restart and has not within its grace time is reset."""
    small.order("tools", vm=guest.native_id, value="deaf")
    mine.reboot(guest.ref, op, mode=PowerOff.GRACEFUL, grace_seconds=0.3)
    calls = small.order("calls")
    assert (calls["RebootGuest"], calls[RESET]) == (1, 1)


# --- suspend ----------------------------------------------------------------------------------------------------------


def test_suspend_and_resume(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A suspended guest stays so until it is resumed; neither is done twice."""
    for _ in range(2):
        mine.suspend(guest.ref, op)
        assert mine.instance(guest.ref).power_state is PowerState.SUSPENDED
    for _ in range(2):
        mine.resume(guest.ref, op)
        assert mine.instance(guest.ref).power_state is PowerState.RUNNING
    calls = small.order("calls")
    assert (calls[SUSPEND], calls[ON]) == (1, 1)


def test_suspended_guest_is_only_resumed(mine: VmwareDriver, guest: Instance, op: DriverSide) -> None:
    """A suspended guest is not started, stopped or restarted; a stopped one is neither suspended nor resumed."""
    mine.suspend(guest.ref, op)
    refused = [
        partial(mine.power_on, guest.ref, op),
        partial(off, mine, guest, op),
        partial(mine.reboot, guest.ref, op, mode=PowerOff.HARD, grace_seconds=0),
    ]
    for verb in refused:
        with pytest.raises(InvalidState) as caught:
            verb()
        assert caught.value.current is PowerState.SUSPENDED
    mine.resume(guest.ref, op)
    off(mine, guest, op)
    for verb in (partial(mine.suspend, guest.ref, op), partial(mine.resume, guest.ref, op)):
        with pytest.raises(InvalidState) as caught:
            verb()
        assert caught.value.current is PowerState.SHUTDOWN


def test_no_room_for_the_memory(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """Memory that cannot be saved is StorageError; the guest runs on."""
    fields = {"Datastore": "LocalDS_0"}
    small.order("fail", kind="task fault", method=SUSPEND, times=1, fault="NoDiskSpace", fields=fields)
    with pytest.raises(StorageError, match="LocalDS_0"):
        mine.suspend(guest.ref, op)
    assert state(mine, guest) is PowerState.RUNNING


# --- questions --------------------------------------------------------------------------------------------------------


def test_guest_that_asks_something(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A guest that stands still with a question shows it, and refuses what would hang on it."""
    off(mine, guest, op)
    small.set_question(guest.native_id, "Was it moved or copied?")
    health = mine.instance(guest.ref, fresh=True).health
    assert health.condition is Condition.DEGRADED
    assert "Was it moved or copied?" in health.reason
    with pytest.raises(Questioned, match=r"Was it moved or copied\?") as caught:
        mine.power_on(guest.ref, op)
    assert caught.value.state_after is StateAfter.UNCHANGED
    small.set_question(guest.native_id, "")
    mine.power_on(guest.ref, op)
    assert state(mine, guest) is PowerState.RUNNING


def test_guest_whose_start_asks_something(
    mine: VmwareDriver,
    guest: Instance,
    op: DriverSide,
    operation: MakeOperation,
    small: VCenter,
    in_background: Any,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A start that stands still with a question ends with that question, and nobody else hangs on it."""
    monkeypatch.setattr("nova_virt_vmware.tasks.ANSWER_SECONDS", 0.1)
    off(mine, guest, op)
    small.order("hold", method=ON)
    done = in_background(lambda: mine.power_on(guest.ref, DriverSide(operation())))
    eventually(lambda: small.order("calls").get(ON, 0) == 1, "the task was begun")
    small.set_question(guest.native_id, "Was it moved or copied?")
    with pytest.raises(Questioned, match=r"Was it moved or copied\?") as caught:
        done.result(PATIENCE_S)
    assert caught.value.state_after is StateAfter.UNKNOWN
    with pytest.raises(Questioned):
        mine.reboot(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    small.set_question(guest.native_id, "")
    small.order("release", method=ON)
    eventually(lambda: state(mine, guest) is PowerState.RUNNING, "it goes on after the answer")


def test_running_guest_that_asks_something_can_be_cut_off(
    mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter
) -> None:
    """A question does not keep a guest's power from being cut, unless a task waits for the answer."""
    small.set_question(guest.native_id, "Retry?")
    off(mine, guest, op)
    assert state(mine, guest) is PowerState.SHUTDOWN


def test_guest_whose_task_asks_something_is_not_cut_off(
    mine: VmwareDriver,
    guest: Instance,
    op: DriverSide,
    operation: MakeOperation,
    small: VCenter,
    in_background: Any,
    eventually: Any,
) -> None:
    """While a task waits for an answer, no other would be begun: the verb says so at once."""
    small.order("hold", method=SUSPEND)
    done = in_background(lambda: mine.suspend(guest.ref, DriverSide(operation())))
    eventually(lambda: small.order("calls").get(SUSPEND, 0) == 1, "the task was begun")
    small.set_question(guest.native_id, "Retry?")
    with pytest.raises(Questioned) as caught:
        off(mine, guest, op)
    assert caught.value.state_after is StateAfter.UNCHANGED
    small.set_question(guest.native_id, "")
    small.order("release", method=SUSPEND)
    done.result(PATIENCE_S)
