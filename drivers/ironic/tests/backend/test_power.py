"""The power of machines on a real Ironic."""

import sqlite3
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import BackendError, Cancelled, InvalidState, PermissionDenied
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import EnrolledNode, Ironic, NodeSpec, Script

Enroll = Callable[..., list[EnrolledNode]]
MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[..., Operation[Any]]


@pytest.fixture
def kind() -> str:
    """A resource class of this test's own."""
    return f"kind-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def driver(make_driver: MakeDriver, kind: str) -> IronicDriver:
    """A driver that sees this test's node."""
    return make_driver(resource_class=kind)


@pytest.fixture
def node(enroll: Enroll, kind: str) -> EnrolledNode:
    """This test's node."""
    return enroll(1, NodeSpec(resource_class=kind, script=Script()))[0]


@pytest.fixture
def guest(driver: IronicDriver, node: EnrolledNode, make_spec: MakeSpec, op: DriverSide) -> Instance:
    """A guest that runs."""
    return driver.spawn(make_spec(), op)


def power(driver: IronicDriver, guest: Instance) -> PowerState:
    """Whether the guest runs, as it is now."""
    return driver.instance(guest.ref, fresh=True).power_state


def restarts(ironic: Ironic, node: EnrolledNode) -> int:
    """How many power actions Ironic has done, as its log of the node's power says."""
    text = (ironic.directory / "ironic.log").read_text()
    return text.count(f"Successfully set node {node.uuid} power state")


@pytest.mark.parametrize("mode", PowerOff)
def test_off_and_on(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide, mode: PowerOff
) -> None:
    """Both ways of stopping stop it, both verbs are idempotent, and each does one thing."""
    before = restarts(ironic, node)
    driver.power_on(guest.ref, op)
    assert restarts(ironic, node) == before
    for _ in range(2):
        driver.power_off(guest.ref, op, mode=mode, grace_seconds=10)
        assert power(driver, guest) is PowerState.SHUTDOWN
    assert restarts(ironic, node) == before + 1
    for _ in range(2):
        driver.power_on(guest.ref, op)
        assert power(driver, guest) is PowerState.RUNNING
    assert restarts(ironic, node) == before + 2


@pytest.mark.parametrize("mode", PowerOff)
def test_reboot_restarts_once(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide, mode: PowerOff
) -> None:
    """A reboot is one power action, from on and from off."""
    before = restarts(ironic, node)
    driver.reboot(guest.ref, op, mode=mode, grace_seconds=10)
    assert (power(driver, guest), restarts(ironic, node)) == (PowerState.RUNNING, before + 1)
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    driver.reboot(guest.ref, op, mode=mode, grace_seconds=10)
    assert (power(driver, guest), restarts(ironic, node)) == (PowerState.RUNNING, before + 3)


def test_verbs_return_when_it_is_done(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide
) -> None:
    """A verb returns when the power is there, not when Ironic has promised it."""
    ironic.script(node, Script(delay_s={"power": 1}))
    began = time.monotonic()
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert time.monotonic() - began >= 1
    shown = ironic.api.get(f"/v1/nodes/{node.uuid}")
    assert (shown["power_state"], shown["target_power_state"]) == ("power off", None)


def test_management_controller_that_fails(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide
) -> None:
    """A failure is an error with Ironic's cause, also of a reboot, after which the machine is still on."""
    ironic.script(node, Script(fail=["power"]))
    with pytest.raises(BackendError, match="power fails as scripted"):
        driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    with pytest.raises(BackendError, match="power fails as scripted"):
        driver.reboot(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    ironic.script(node, Script())
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert power(driver, guest) is PowerState.SHUTDOWN


def test_two_at_once(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, operation: NewOp
) -> None:
    """While one action holds the node's lock, the next waits for it and then does its own."""
    ironic.script(node, Script(delay_s={"power": 1}))
    ironic.api.put(f"/v1/nodes/{node.uuid}/states/power", {"target": "rebooting"})
    driver.power_off(guest.ref, DriverSide(operation()), mode=PowerOff.HARD, grace_seconds=0)
    assert power(driver, guest) is PowerState.SHUTDOWN


def test_maintenance_does_not_matter(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide
) -> None:
    """Power works in maintenance, which is not touched."""
    ironic.api.put(f"/v1/nodes/{node.uuid}/maintenance", {"reason": "a test"})
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert power(driver, guest) is PowerState.SHUTDOWN
    assert ironic.api.get(f"/v1/nodes/{node.uuid}")["maintenance"]


def test_unknown_power_is_not_off(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide
) -> None:
    """A machine whose state is not known is NOSTATE, and power_off really switches it off."""
    (file,) = ironic.directory.glob("*.sqlite")
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        database.execute("UPDATE nodes SET power_state = NULL WHERE uuid = ?", (node.uuid,))
    assert power(driver, guest) is PowerState.NOSTATE
    before = restarts(ironic, node)
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    assert (power(driver, guest), restarts(ironic, node)) == (PowerState.SHUTDOWN, before + 1)


def test_deaf_guest(ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide) -> None:
    """A guest that does not obey loses its power after the grace time; a deaf one is restarted once all the same."""
    ironic.api.patch(
        f"/v1/nodes/{node.uuid}", {"op": "add", "path": "/driver_info/script", "value": {"deaf": str(guest.uuid)}}
    )
    began = time.monotonic()
    driver.power_off(guest.ref, op, mode=PowerOff.GRACEFUL, grace_seconds=2)
    assert time.monotonic() - began >= 2
    assert power(driver, guest) is PowerState.SHUTDOWN
    driver.power_on(guest.ref, op)
    before = restarts(ironic, node)
    driver.reboot(guest.ref, op, mode=PowerOff.GRACEFUL, grace_seconds=2)
    assert (power(driver, guest), restarts(ironic, node)) == (PowerState.RUNNING, before + 1)


def test_cancel_while_a_guest_is_asked(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, operation: NewOp
) -> None:
    """Waiting for a guest ends at once when it is cancelled."""
    ironic.api.patch(
        f"/v1/nodes/{node.uuid}", {"op": "add", "path": "/driver_info/script", "value": {"deaf": str(guest.uuid)}}
    )
    running = operation()
    with ThreadPoolExecutor(1) as pool:
        off = pool.submit(driver.power_off, guest.ref, DriverSide(running), mode=PowerOff.GRACEFUL, grace_seconds=8)
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["target_power_state"] is not None)
        began = time.monotonic()
        running.cancel()
        with pytest.raises(Cancelled):
            off.result(10)
        assert time.monotonic() - began < 2
    assert power(driver, guest) is PowerState.RUNNING


def test_guest_of_another_owner(
    driver: IronicDriver, make_driver: MakeDriver, guest: Instance, op: DriverSide, kind: str
) -> None:
    """Nobody else's guest is switched or renamed."""
    other = make_driver(owner="somebody", resource_class=kind)
    with pytest.raises(PermissionDenied):
        other.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    with pytest.raises(PermissionDenied):
        other.update(guest.ref, InstanceUpdate(name="mine"), op)
    assert driver.instance(guest.ref, fresh=True) == guest


def test_guest_in_the_making(
    ironic: Ironic, driver: IronicDriver, node: EnrolledNode, make_spec: MakeSpec, operation: NewOp
) -> None:
    """A guest that is being made is not switched."""
    ironic.script(node, Script(wait=["deploy"]))
    spec = make_spec()
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, spec, DriverSide(operation()))
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "wait call-back")
        ref = next(instance.ref for instance in driver.instances(fresh=True) if instance.uuid == spec.uuid)
        with pytest.raises(InvalidState):
            driver.power_off(ref, DriverSide(operation()), mode=PowerOff.HARD, grace_seconds=0)
        ironic.proceed(node)
        spawn.result(30)


def test_update(ironic: Ironic, driver: IronicDriver, node: EnrolledNode, guest: Instance, op: DriverSide) -> None:
    """Name and labels change in the record and in Ironic's own field; the machine does not notice."""
    before = restarts(ironic, node)
    changed = driver.update(guest.ref, InstanceUpdate(name="new", labels={"secret": "Token=x"}), op)
    assert (changed.name, dict(changed.labels)) == ("new", {"secret": "Token=x"})
    assert driver.update(guest.ref, InstanceUpdate(labels={}), op).name == "new"
    assert ironic.api.get(f"/v1/nodes/{node.uuid}")["instance_name"] == "new"
    assert restarts(ironic, node) == before
