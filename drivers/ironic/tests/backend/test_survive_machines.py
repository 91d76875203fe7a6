"""Machines that cannot be reached, nodes that an operator takes away, errors that Ironic has forgotten."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import BackendError, Timeout
from nova_virt_api.model.instance import Condition, Lifecycle, PowerOff, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import EnrolledNode, Ironic, NodeSpec, Script

MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[..., Operation[Any]]
Give = Callable[[Script], EnrolledNode]


@pytest.fixture
def kind() -> str:
    """A resource class of this test's own."""
    return f"kind-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def driver(make_driver: MakeDriver, kind: str) -> IronicDriver:
    """A driver that sees this test's nodes."""
    return make_driver(resource_class=kind)


@pytest.fixture
def give(enroll: Callable[..., list[EnrolledNode]], kind: str) -> Give:
    """Enrolls one of this test's nodes."""
    return lambda script: enroll(1, NodeSpec(resource_class=kind, script=script))[0]


def see_free(ironic: Ironic, node: EnrolledNode) -> None:
    """See that nothing of a guest is on the node."""
    shown = ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "available")
    assert (shown["instance_uuid"], shown["instance_info"], shown["instance_name"]) == (None, {}, None)


def reach(ironic: Ironic, node: EnrolledNode, state: str) -> None:
    """Wait until the node is in this provision state."""
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == state)


def see_usable(driver: IronicDriver, spec: InstanceSpec, operation: NewOp) -> None:
    """See that the same spawn gives the guest, and that it goes again."""
    guest = driver.spawn(spec, DriverSide(operation()))
    assert (guest.lifecycle, guest.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert driver.destroy(guest.ref, DriverSide(operation()))
    assert not driver.leftovers()


def test_controller_out_of_reach_while_it_is_deployed(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """The machine cannot be switched on or off: the cause is told, also where Ironic could not undeploy it."""
    node = give(Script())
    spec = make_spec()

    def cut(_: Operation[Any]) -> None:
        ironic.script(node, Script(fail=["power"]))

    cutting: Operation[Any] = Operation("test", uuid.uuid4(), timeout=60.0, hooks={Stage.BEFORE_START: cut})
    assert cutting.begin()
    with pytest.raises(BackendError, match="power fails as scripted") as caught:
        driver.spawn(spec, DriverSide(cutting))
    assert [left.name for left in caught.value.leftovers] == [node.name]
    (seen,) = driver.instances(fresh=True)  # Ironic has forgotten the guest, not that the machine may run
    assert (str(seen.uuid), seen.owned, seen.native_state) == (node.uuid, False, "error")
    assert seen.health.condition is Condition.DEGRADED
    ironic.script(node, Script())
    ironic.api.put(f"/v1/nodes/{node.uuid}/states/provision", {"target": "deleted"})
    see_free(ironic, node)
    see_usable(driver, spec, operation)


def test_controller_out_of_reach_of_a_guest(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """The guest stays what it is, and its verbs work once the machine is back."""
    node = give(Script())
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    ironic.script(node, Script(fail=["power"]))
    with pytest.raises(BackendError, match="power fails as scripted") as caught:
        driver.reboot(guest, DriverSide(operation()), mode=PowerOff.HARD, grace_seconds=0)
    assert node.name in caught.value.message
    assert "management controller" in caught.value.hint
    assert driver.instance(guest, fresh=True).lifecycle is Lifecycle.READY
    ironic.script(node, Script())
    driver.power_off(guest, DriverSide(operation()), mode=PowerOff.HARD, grace_seconds=0)
    driver.power_on(guest, DriverSide(operation()))
    assert driver.instance(guest, fresh=True).power_state is PowerState.RUNNING


def test_deadline_of_a_node_in_maintenance(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """Ironic goes on with nothing on such a node: at its deadline a spawn gives it back; later the same spawn works."""
    node = give(Script(wait=["deploy"]))
    spec = make_spec()
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, spec, DriverSide(operation(4.0)))
        reach(ironic, node, "wait call-back")
        ironic.api.put(f"/v1/nodes/{node.uuid}/maintenance", {"reason": "a new fan"})
        with pytest.raises(Timeout):
            spawn.result(60)
    see_free(ironic, node)
    assert not driver.leftovers()
    assert ironic.api.get(f"/v1/nodes/{node.uuid}")["maintenance_reason"] == "a new fan"
    ironic.api.delete(f"/v1/nodes/{node.uuid}/maintenance")
    ironic.script(node, Script())
    see_usable(driver, spec, operation)


def test_maintenance_while_a_guest_is_destroyed(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """The guest goes, and the node stays in maintenance."""
    node = give(Script())
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    ironic.script(node, Script(wait=["clean"]))
    ironic.api.patch(f"/v1/nodes/{node.uuid}", {"op": "add", "path": "/automated_clean", "value": True})
    with ThreadPoolExecutor(1) as pool:
        removal = pool.submit(driver.destroy, guest, DriverSide(operation()))
        reach(ironic, node, "clean wait")
        ironic.api.put(f"/v1/nodes/{node.uuid}/maintenance", {"reason": "a new fan"})
        assert removal.result(30)
    assert not driver.destroy(guest, DriverSide(operation()))
    ironic.proceed(node)
    see_free(ironic, node)


def test_cause_that_ironic_has_forgotten(
    ironic: Ironic, make_driver: MakeDriver, kind: str, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """The next look at the power empties ``last_error``: then the node's history tells why it failed."""
    node = give(Script(fail=["deploy"]))
    slow = make_driver(resource_class=kind, poll_interval=3.0, busy_poll_interval=3.0)
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(slow.spawn, make_spec(), DriverSide(operation()))
        reach(ironic, node, "deploy failed")
        ironic.api.put(f"/v1/nodes/{node.uuid}/states/power", {"target": "power on"})
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["last_error"] is None)
        with pytest.raises(BackendError, match="deploy fails as scripted"):
            spawn.result(60)
    see_free(ironic, node)
