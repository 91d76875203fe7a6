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
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import Native
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import EnrolledNode, Ironic, NodeSpec

Enroll = Callable[..., list[EnrolledNode]]
MakeDriver = Callable[..., IronicDriver]
NewOp = Callable[[], DriverSide]

MOST_REQUESTS: Final = 60
"""More than any verb makes on fake hardware."""


@pytest.fixture
def kind() -> str:
    """A resource class of this test's own."""
    return f"kind-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def driver(make_driver: MakeDriver, enroll: Enroll, kind: str) -> IronicDriver:
    """A driver that sees two nodes."""
    enroll(2, NodeSpec(resource_class=kind))
    return make_driver(resource_class=kind)


@pytest.fixture
def new_op(operation: Callable[..., Any]) -> NewOp:
    """Makes operations."""
    return lambda: DriverSide(operation())


def spec_of(guest: uuid.UUID) -> InstanceSpec:
    """What the process that dies asks for."""
    return InstanceSpec(
        uuid=guest, name="guest", memory_bytes=1024**3, disks=[Disk(source=Native("http://127.0.0.1/image"))]
    )


def moments(ironic: Ironic, kind: str, verb: str, prepare: Callable[[], uuid.UUID]) -> Iterator[tuple[int, uuid.UUID]]:
    """Run the verb in processes that die before or after their first request, their second, and so on.

    Yields the moment and the guest after each death; ends when a process came to its end.
    """
    for number in itertools.count(1):
        assert number < MOST_REQUESTS
        for at in (number, -number):
            guest = prepare()
            asked = {"endpoint": ironic.endpoint, "resource_class": kind, "verb": verb, "guest": str(guest), "at": at}
            command = [sys.executable, str(Path(__file__).with_name("dying.py")), json.dumps(asked)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            if ended.stdout == "done\n":
                return
            assert ended.returncode == -9, ended.stderr
            yield at, guest


def see_no_trace(driver: IronicDriver, ironic: Ironic) -> None:
    """See that nothing of any guest is left on the driver's nodes."""
    assert not driver.instances(fresh=True)
    assert not driver.leftovers()
    for node in driver.nodes():
        shown = ironic.api.get(f"/v1/nodes/{node.id}")
        assert (shown["instance_uuid"], shown["instance_info"], shown["instance_name"]) == (None, {}, None)
        assert shown["provision_state"] == "available"


def test_spawn_that_was_killed_is_finished_by_the_next(
    ironic: Ironic, driver: IronicDriver, new_op: NewOp, kind: str
) -> None:
    """Whenever a spawn dies, the same spawn makes the guest whole, on one node, and the first leaves nothing else."""
    for at, guest in moments(ironic, kind, "spawn", uuid.uuid4):
        made = driver.spawn(spec_of(guest), new_op())
        assert (made.lifecycle, made.power_state) == (Lifecycle.READY, PowerState.RUNNING), at
        assert [instance.uuid for instance in driver.instances(fresh=True)] == [guest], at
        assert not driver.leftovers(), at
        assert driver.destroy(InstanceRef(uuid=guest), new_op()), at
        see_no_trace(driver, ironic)
    assert driver.destroy(InstanceRef(uuid=next(iter(driver.instances(fresh=True))).uuid), new_op())


def test_spawn_that_was_killed_is_listed_and_removed(
    ironic: Ironic, driver: IronicDriver, new_op: NewOp, kind: str
) -> None:
    """Whenever a spawn dies, what it claimed is among the leftovers until destroy removes it, or it was finished."""
    for at, guest in moments(ironic, kind, "spawn", uuid.uuid4):
        listed = [leftover.uuid for leftover in driver.leftovers()]
        there = {instance.uuid: instance.lifecycle for instance in driver.instances(fresh=True)}
        if there.get(guest) in (None, Lifecycle.READY):
            assert not listed, at
        else:
            assert listed == [guest], at
        assert driver.destroy(InstanceRef(uuid=guest), new_op()) is (guest in there), at
        see_no_trace(driver, ironic)
    assert driver.destroy(InstanceRef(uuid=next(iter(driver.instances(fresh=True))).uuid), new_op())


@pytest.mark.parametrize("again", ["destroy", "spawn"])
def test_destroy_that_was_killed(ironic: Ironic, driver: IronicDriver, new_op: NewOp, kind: str, again: str) -> None:
    """Whenever a destroy dies, destroy ends it, and a spawn of the same guest gives the guest, whole."""

    def made() -> uuid.UUID:
        guest = uuid.uuid4()
        driver.spawn(spec_of(guest), new_op())
        return guest

    for at, guest in moments(ironic, kind, "destroy", made):
        if again == "spawn":
            assert driver.spawn(spec_of(guest), new_op()).lifecycle is Lifecycle.READY, at
        driver.destroy(InstanceRef(uuid=guest), new_op())
        see_no_trace(driver, ironic)
