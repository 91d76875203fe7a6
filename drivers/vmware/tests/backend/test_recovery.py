"""Killed at any request and repeated: nothing is lost, nothing is left."""

import itertools
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_vmware.driver import VmwareDriver
from tools.vcsim import Settings, VCenter

MakeDriver = Callable[..., VmwareDriver]
NewOp = Callable[[], DriverSide]
MakeSpec = Callable[..., InstanceSpec]

MOST_REQUESTS: Final = 80
"""More than any verb makes here."""

OVER: Final = ("success", "error")
"""``TaskInfoState`` of tasks that have ended."""


@pytest.fixture
def small_vcenter(own_vcenter: Callable[..., VCenter]) -> VCenter:
    """A vCenter of the test's own, with one host and nothing but templates."""
    return own_vcenter(Settings(clusters=1, hosts=1, standalone_hosts=0, datastores=1))


@pytest.fixture
def driver(make_driver: MakeDriver, small_vcenter: VCenter) -> VmwareDriver:
    """A driver for it."""
    return make_driver(to=small_vcenter)


@pytest.fixture
def new_op(operation: Callable[..., Any]) -> NewOp:
    """Makes operations."""
    return lambda: DriverSide(operation())


@pytest.fixture
def ask(small_vcenter: VCenter) -> Iterator[Callable[..., str]]:
    """Lets a process of its own do a verb up to a moment; gives what became of it."""
    command = [sys.executable, str(Path(__file__).with_name("dying.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(**more: Any) -> str:
            print(json.dumps({"options": small_vcenter.options, **more}), file=process.stdin, flush=True)
            return str(process.stdout.readline())  # type: ignore[union-attr]  # it was opened as a pipe

        yield ask
        process.stdin.close()  # type: ignore[union-attr]


@pytest.fixture
def at_rest(
    small_vcenter: VCenter, native: Callable[[VCenter], Any], eventually: Callable[..., None]
) -> Callable[[], None]:
    """Waits until the server's last task is over: what the dead began goes on without them, one after the other."""
    manager = native(small_vcenter).content.taskManager

    def rest() -> None:
        last = manager.recentTask[-1:]
        eventually(lambda: all(task.info.state in OVER for task in last), "no task is under way")

    return rest


def moments(
    ask: Callable[..., str], at_rest: Callable[[], None], verb: str, prepare: Callable[[], uuid.UUID]
) -> Iterator[tuple[int, uuid.UUID]]:
    """Run the verb in processes that die before or after their first request, their second, and so on.

    Yields the moment and the guest after each death; ends when a process came to its end.
    """
    for number in itertools.count(1):
        assert number < MOST_REQUESTS
        for at in (number, -number):
            guest = prepare()
            answer = ask(verb=verb, guest=str(guest), at=at)
            if answer.startswith("done"):
                return
            assert answer == "killed\n"
            at_rest()
            yield at, guest


def see_no_trace(driver: VmwareDriver, vcenter: VCenter) -> None:
    """See that nothing of any guest is left."""
    assert not driver.instances(fresh=True)
    assert not driver.leftovers()
    assert {path.parent.name for path in vcenter.directory.rglob("*.vm*")} <= {"small", "large"}


def end(driver: VmwareDriver, op: DriverSide) -> None:
    """Remove the guest of the process that was not killed."""
    for instance in driver.instances(fresh=True):
        assert driver.destroy(InstanceRef(uuid=instance.uuid), op)


def test_spawn_that_was_killed(
    driver: VmwareDriver,
    small_vcenter: VCenter,
    ask: Callable[..., str],
    at_rest: Callable[[], None],
    new_op: NewOp,
    make_spec: MakeSpec,
) -> None:
    """Whenever a spawn dies, the same spawn makes the guest whole, once; destroy removes it, and all that was left.

    What a dead spawn made is among the leftovers, unless the guest was finished.
    """
    times = 0
    for at, guest in moments(ask, at_rest, "spawn", uuid.uuid4):
        listed = [leftover.uuid for leftover in driver.leftovers()]
        there = {instance.uuid: instance.lifecycle for instance in driver.instances(fresh=True)}
        assert listed == ([guest] if there.get(guest) is Lifecycle.BUILDING else []), at
        if at > 0:
            made = driver.spawn(make_spec(uuid=guest), new_op())
            assert (made.lifecycle, made.power_state) == (Lifecycle.READY, PowerState.RUNNING), at
            assert [instance.uuid for instance in driver.instances(fresh=True)] == [guest], at
            assert not driver.leftovers(), at
        assert driver.destroy(InstanceRef(uuid=guest), new_op()) is (at > 0 or guest in there), at
        see_no_trace(driver, small_vcenter)
        times += 1
    assert times > 20
    for instance in driver.instances(fresh=True):
        assert driver.destroy(instance.ref, new_op())
    see_no_trace(driver, small_vcenter)


def test_destroy_that_was_killed(
    driver: VmwareDriver,
    small_vcenter: VCenter,
    ask: Callable[..., str],
    at_rest: Callable[[], None],
    new_op: NewOp,
    make_spec: MakeSpec,
) -> None:
    """Whenever a destroy dies, destroy ends it, and a spawn of the same guest gives the guest, whole."""

    def made() -> uuid.UUID:
        guest = uuid.uuid4()
        driver.spawn(make_spec(uuid=guest), new_op())
        return guest

    for at, guest in moments(ask, at_rest, "destroy", made):
        if at > 0:
            assert driver.spawn(make_spec(uuid=guest), new_op()).lifecycle is Lifecycle.READY, at
        driver.destroy(InstanceRef(uuid=guest), new_op())
        see_no_trace(driver, small_vcenter)
