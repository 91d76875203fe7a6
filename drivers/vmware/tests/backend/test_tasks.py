"""The server's tasks: waited for by one filter, cancelled, found again when a connection or a session is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from oslo_config import cfg
from pyVmomi import vim

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Busy, Cancelled, ConnectionLost, NoCapacity, StateAfter, Timeout, Unavailable
from nova_virt_vmware.connection import Connection
from nova_virt_vmware.errors import WrongPowerState
from nova_virt_vmware.options import GROUP, OPTIONS
from nova_virt_vmware.property_collector import retrieve
from nova_virt_vmware.questions import Questioned
from nova_virt_vmware.tasks import TaskLost, Tasks
from tools.vcsim import Relay, Settings, VCenter

MANY = 100
THREAD = "nova-virt-vmware-tasks"
OFF, ON, CLONE = "PowerOffVM_Task", "PowerOnVM_Task", "CloneVM_Task"
PATIENCE_S = 60.0

MakeOperation = Callable[..., Operation[Any]]


class Bench:
    """A connection, its tasks, and the running virtual machines of a vCenter."""

    def __init__(self, to: VCenter | Relay, **options: Any) -> None:
        conf = cfg.ConfigOpts()
        conf.register_opts(OPTIONS, group=GROUP)
        conf([], default_config_files=[], default_config_dirs=[])
        for name, value in {**to.options, **options}.items():
            conf.set_override(name, value, group=GROUP)
        self.connection = Connection(conf[GROUP])
        self.connection.open()
        self.tasks = Tasks(self.connection, conf[GROUP].outage_timeout, lambda _: None)

    def close(self) -> None:
        self.tasks.close()
        self.connection.close()

    @property
    def running(self) -> list[Any]:
        found = retrieve(self.connection, vim.VirtualMachine, ("runtime.powerState",))
        on = [moref for moref, values in found if values["runtime.powerState"] == "poweredOn"]
        return [self.connection.object(vim.VirtualMachine, moref) for moref in on]


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    with ExitStack() as stack:

        def make(to: VCenter | Relay, **options: Any) -> Bench:
            made = Bench(to, **options)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def small(own_vcenter: Callable[..., VCenter]) -> VCenter:
    """A vCenter with one running guest."""
    return own_vcenter(Settings(clusters=1, hosts=1, standalone_hosts=0, vms=1))


def waiting_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == THREAD}


def clone(bench: Bench) -> Callable[[], Any]:
    """What clones a virtual machine, which the server can be told to give up."""
    [source] = bench.running
    [(moref, _)] = retrieve(bench.connection, vim.Datacenter, ("name",))
    [(_, values)] = retrieve(bench.connection, vim.Datacenter, ("vmFolder",))
    del moref
    spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(), powerOn=False, template=False)
    return lambda: source.CloneVM_Task(values["vmFolder"], "made", spec)


def names(bench: Bench) -> set[str]:
    return {values["name"] for _, values in retrieve(bench.connection, vim.VirtualMachine, ("name",))}


# --- many -------------------------------------------------------------------------------------------------------------


def test_many_tasks_are_waited_for_by_one_thread(
    own_vcenter: Callable[..., VCenter],
    bench: Callable[..., Bench],
    operation: MakeOperation,
    in_background: Any,
    eventually: Any,
) -> None:
    """100 verbs wait for 100 tasks: one thread, and no request for any of them while nothing happens."""
    vcenter = own_vcenter(Settings(clusters=1, hosts=1, standalone_hosts=0, vms=MANY))
    side = bench(vcenter)
    before = waiting_threads()
    vcenter.order("hold", method=OFF)

    def switch_off(vm: Any, op: DriverSide) -> Any:
        return side.tasks.run(f"switch off {vm}", vm.PowerOffVM_Task, op, on=vm)

    running = side.running
    operations = [operation() for _ in running]
    pairs = zip(running, map(DriverSide, operations), strict=True)
    done = [in_background(partial(switch_off, vm, op)) for vm, op in pairs]
    eventually(lambda: vcenter.order("calls").get(OFF, 0) == MANY, "all tasks were begun")
    eventually(lambda: vcenter.order("progress", method=OFF, percent=50) == MANY, "all tasks run")
    eventually(lambda: all(each.counters == (50, 100) for each in operations), "all are waited for")
    assert len(running) == MANY
    assert len(waiting_threads() - before) == 1
    calls = vcenter.order("calls")
    assert calls["CreateFilter"] == 1
    assert calls["ModifyListView"] <= MANY + 1
    asked = {"RetrievePropertiesEx": calls["RetrievePropertiesEx"], OFF: calls[OFF]}
    vcenter.order("release", method=OFF)
    assert [each.result(PATIENCE_S) for each in done] == [None] * MANY
    calls = vcenter.order("calls")
    assert {name: calls[name] for name in asked} == asked, "somebody asked for a task by itself"
    assert side.running == []


def test_nothing_is_left_at_the_server(small: VCenter, bench: Callable[..., Bench], operation: MakeOperation) -> None:
    """The collector and the view end with the connection, as does the thread."""
    before = waiting_threads()
    side = bench(small)
    [vm] = side.running
    side.tasks.run("switch off", vm.PowerOffVM_Task, DriverSide(operation()), on=vm)
    assert len(waiting_threads() - before) == 1
    side.tasks.close()
    assert waiting_threads() <= before
    calls = small.order("calls")
    assert calls["DestroyPropertyCollector"] == calls["CreatePropertyCollector"] == 1
    assert calls["DestroyView"] == calls["CreateListView"] + calls.get("CreateContainerView", 0)


def test_closing_ends_the_wait(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """Who waits when the connection is closed is told so."""
    side = bench(small)
    [vm] = side.running
    small.order("hold", method=OFF)
    op = DriverSide(operation())
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    side.tasks.close()
    with pytest.raises(Unavailable) as caught:
        done.result(PATIENCE_S)
    assert caught.value.state_after is StateAfter.UNKNOWN
    with pytest.raises(Unavailable):
        side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm)


# --- one --------------------------------------------------------------------------------------------------------------


def test_progress_is_the_operations(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """What the server tells of how far a task is, the operation tells."""
    side = bench(small)
    [vm] = side.running
    small.order("hold", method=OFF)
    mine = operation()
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, DriverSide(mine), on=vm))
    eventually(lambda: small.order("progress", method=OFF, percent=40) == 1, "the task was begun")
    eventually(lambda: mine.counters == (40, 100), "the progress is told")
    small.order("release", method=OFF)
    assert done.result(PATIENCE_S) is None


def test_fault_of_a_task_is_ours(small: VCenter, bench: Callable[..., Bench], operation: MakeOperation) -> None:
    """A task's fault becomes an error of this API, with the fault as its cause."""
    side = bench(small)
    [vm] = side.running
    with pytest.raises(WrongPowerState) as state:
        side.tasks.run("switch on", vm.PowerOnVM_Task, DriverSide(operation()), on=vm)
    assert state.value.existing == "poweredOn"
    assert isinstance(state.value.__cause__, vim.fault.InvalidPowerState)
    small.order("fail", kind="task fault", method=OFF, times=1, fault="InsufficientMemoryResourcesFault")
    with pytest.raises(NoCapacity):
        side.tasks.run("switch off", vm.PowerOffVM_Task, DriverSide(operation()), on=vm)


def test_active_tasks_are_found(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """A task that is not over is found by what it works on, and no other."""
    side = bench(small)
    [vm] = side.running
    assert side.tasks.active(vm) == []
    small.order("hold", method=OFF)
    op = DriverSide(operation())
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    [found] = side.tasks.active(vm)
    assert (found.kind, found.entity) == ("VirtualMachine.powerOff", vm._moId)
    small.order("release", method=OFF)
    side.tasks.wait("switch off", found.task, op)
    done.result(PATIENCE_S)
    assert side.tasks.active(vm) == []


# --- cancel and deadline ----------------------------------------------------------------------------------------------


def test_cancelled_in_the_middle(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """A request to cancel cancels the server's task, which takes back what it did."""
    side = bench(small)
    before = names(side)
    call = clone(side)
    small.order("hold", method=CLONE)
    mine = operation()
    op = DriverSide(mine)
    done = in_background(lambda: side.tasks.run("clone", call, op, cancel=CancelMode.IMMEDIATE))
    eventually(lambda: small.order("progress", method=CLONE, percent=40) == 1, "the task was begun")
    eventually(lambda: mine.counters == (40, 100), "it is told of the task")
    assert mine.cancel() is CancelMode.IMMEDIATE
    with pytest.raises(Cancelled) as caught:
        done.result(PATIENCE_S)
    assert caught.value.state_after is StateAfter.UNCHANGED
    assert small.order("calls")["CancelTask"] == 1
    small.order("release", method=CLONE)
    assert names(side) == before


def test_late_in_the_middle(small: VCenter, bench: Callable[..., Bench], operation: MakeOperation) -> None:
    """The deadline cancels the server's task, too."""
    side = bench(small)
    before = names(side)
    call = clone(side)
    small.order("hold", method=CLONE)
    with pytest.raises(Timeout) as caught:
        side.tasks.run("clone", call, DriverSide(operation(0.5)), cancel=CancelMode.IMMEDIATE)
    assert caught.value.state_after is StateAfter.UNCHANGED
    small.order("release", method=CLONE)
    assert names(side) == before


def test_what_cannot_be_cancelled_is_waited_for(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """A task that the server cannot cancel is waited for past a cancel and the deadline, and its result is given."""
    side = bench(small)
    [vm] = side.running
    small.order("hold", method=OFF)
    mine = operation(2.0)
    op = DriverSide(mine)
    done = in_background(
        lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm, cancel=CancelMode.IMMEDIATE)
    )
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    mine.cancel()
    eventually(lambda: not mine.remaining(), "the deadline has passed")
    assert side.tasks.active(vm), "it is over before it was released"
    assert not done.done()
    small.order("release", method=OFF)
    assert done.result(PATIENCE_S) is None
    assert side.running == []


# --- lost -------------------------------------------------------------------------------------------------------------


def test_connection_cut_in_the_middle(
    small: VCenter,
    relay_to: Callable[[VCenter], Relay],
    bench: Callable[..., Bench],
    operation: MakeOperation,
    in_background: Any,
    eventually: Any,
) -> None:
    """A task that goes on while the connection is cut is found again; its result is given."""
    relay = relay_to(small)
    side = bench(relay)
    [vm] = side.running
    small.order("hold", method=OFF)
    op = DriverSide(operation())
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    eventually(lambda: small.order("calls").get("WaitForUpdatesEx", 0) >= 2, "it is waited for")
    relay.cut()
    small.order("release", method=OFF)
    relay.restore()
    assert done.result(PATIENCE_S) is None


def test_outage_ends_the_wait(
    small: VCenter,
    relay_to: Callable[[VCenter], Relay],
    bench: Callable[..., Bench],
    operation: MakeOperation,
    in_background: Any,
    eventually: Any,
) -> None:
    """A server that stays away is not waited for longer than the option ``outage_timeout`` says."""
    relay = relay_to(small)
    side = bench(relay, outage_timeout=0.5)
    [vm] = side.running
    small.order("hold", method=OFF)
    op = DriverSide(operation())
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    relay.cut()
    with pytest.raises((Unavailable, ConnectionLost)) as caught:
        done.result(PATIENCE_S)
    assert caught.value.state_after is StateAfter.UNKNOWN


def test_session_expires_in_the_middle(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """A task that goes on while the session expires is found again in the next session."""
    side = bench(small)
    [vm] = side.running
    small.order("hold", method=OFF)
    op = DriverSide(operation())
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    eventually(lambda: small.order("calls").get("WaitForUpdatesEx", 0) >= 2, "it is waited for")
    number = side.connection.session_number
    small.order("expire sessions")
    eventually(lambda: small.order("calls")["CreatePropertyCollector"] == 2, "the collector is made anew")
    small.order("release", method=OFF)
    assert done.result(PATIENCE_S) is None
    assert side.connection.session_number == number + 1


# --- others -----------------------------------------------------------------------------------------------------------


def test_task_that_meets_another_waits_for_it(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """A task that ends because another works on the machine is begun again when that is over."""
    side = bench(small)
    [vm] = side.running
    call = clone(side)
    small.order("hold", method=CLONE)
    op = DriverSide(operation())
    other = in_background(lambda: side.tasks.run("clone", call, op))
    eventually(lambda: side.tasks.active(vm), "the other task was begun")
    [held] = side.tasks.active(vm)
    blocker = {"Task": {"Type": "Task", "Value": held.task._moId}}
    small.order("fail", kind="task fault", method=OFF, times=1, fault="TaskInProgress", fields=blocker)
    mine = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: small.order("calls").get(OFF) == 1, "it was begun")
    assert not mine.done()
    small.order("release", method=CLONE)
    assert mine.result(PATIENCE_S) is None
    other.result(PATIENCE_S)
    assert small.order("calls")[OFF] == 2
    assert side.running == []


def test_other_task_that_goes_on_is_busy(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """Another task that goes on until the deadline is named before that."""
    side = bench(small)
    [vm] = side.running
    call = clone(side)
    small.order("hold", method=CLONE)
    other = in_background(lambda: side.tasks.run("clone", call, DriverSide(operation())))
    eventually(lambda: side.tasks.active(vm), "the other task was begun")
    [held] = side.tasks.active(vm)
    blocker = {"Task": {"Type": "Task", "Value": held.task._moId}}
    small.order("fail", kind="task fault", method=OFF, times=1, fault="TaskInProgress", fields=blocker)
    mine = operation(4.0)
    with pytest.raises(Busy) as caught:
        side.tasks.run("switch off", vm.PowerOffVM_Task, DriverSide(mine), on=vm)
    assert caught.value.holder == held.task._moId
    assert mine.remaining() > 0
    small.order("release", method=CLONE)
    other.result(PATIENCE_S)


# --- questions --------------------------------------------------------------------------------------------------------


def test_question_ends_the_wait(
    small: VCenter,
    bench: Callable[..., Bench],
    operation: MakeOperation,
    in_background: Any,
    eventually: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that stands still with a question of its virtual machine is not waited for; the question is told."""
    monkeypatch.setattr("nova_virt_vmware.tasks.ANSWER_SECONDS", 0.1)
    side = bench(small)
    [vm] = side.running
    small.order("hold", method=OFF)
    op = DriverSide(operation())
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    small.set_question(vm._moId, "Was it moved or copied?")
    with pytest.raises(Questioned, match=r"Was it moved or copied\?") as caught:
        done.result(PATIENCE_S)
    assert caught.value.state_after is StateAfter.UNKNOWN


def test_question_that_is_answered_is_passed_over(
    small: VCenter, bench: Callable[..., Bench], operation: MakeOperation, in_background: Any, eventually: Any
) -> None:
    """A question that somebody answers soon does not end the wait."""
    side = bench(small)
    [vm] = side.running
    small.order("hold", method=OFF)
    op = DriverSide(operation())
    small.set_question(vm._moId, "Retry?")
    done = in_background(lambda: side.tasks.run("switch off", vm.PowerOffVM_Task, op, on=vm))
    eventually(lambda: side.tasks.active(vm), "the task was begun")
    small.set_question(vm._moId, "")
    small.order("release", method=OFF)
    assert done.result(PATIENCE_S) is None


def test_forgotten_task_is_told(small: VCenter, bench: Callable[..., Bench], operation: MakeOperation) -> None:
    """A task that the server does not know, e.g. since it was restarted, is not waited for; its outcome is unknown."""
    side = bench(small)
    [vm] = side.running
    gone = side.connection.object(vim.Task, "task-4711")
    for _ in range(2):  # when the list is made, and when it is there
        with pytest.raises(TaskLost) as caught:
            side.tasks.wait("switch off", gone, DriverSide(operation()))
        assert caught.value.state_after is StateAfter.UNKNOWN
    side.tasks.run("switch off", vm.PowerOffVM_Task, DriverSide(operation()), on=vm)
