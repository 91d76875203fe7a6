"""Conductor and API of a real Ironic die apart from each other, and come back or not."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import BackendError, Unavailable
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import Database, EnrolledNode, Ironic, NodeSpec, Script, Settings

MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[..., Operation[Any]]

OUTAGE_S = 3.0


@pytest.fixture(scope="session")
def split(start_shared: Callable[[Settings], Ironic]) -> Ironic:
    """Ironic whose conductor and API are processes of their own."""
    return start_shared(Settings(split=True, database=Database.MARIADB))


@pytest.fixture
def give(split: Ironic) -> Iterator[Callable[[Script], EnrolledNode]]:
    """Enrolls a node, which is forgotten after the test; the services run by then."""
    nodes: list[EnrolledNode] = []

    def enrolled(script: Script) -> EnrolledNode:
        nodes.extend(split.enroll(1, NodeSpec(script=script)))
        return nodes[-1]

    yield enrolled
    split.forget(nodes)


def shown(ironic: Ironic, node: EnrolledNode) -> Any:
    """The node as Ironic shows it."""
    return ironic.api.get(f"/v1/nodes/{node.uuid}")


def see_free(ironic: Ironic, node: EnrolledNode) -> None:
    """See that nothing of a guest is on the node."""
    found = shown(ironic, node)
    assert found["provision_state"] == "available"
    assert (found["instance_uuid"], found["instance_info"], found["instance_name"]) == (None, {}, None)


def reach(ironic: Ironic, node: EnrolledNode, state: str) -> None:
    """Wait until the node is in this provision state."""
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == state)


def see_whole(driver: IronicDriver, guest: Instance) -> None:
    """See that there is this guest alone, and nothing half-made."""
    assert (guest.lifecycle, guest.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert [instance.uuid for instance in driver.instances(fresh=True)] == [guest.uuid]
    assert not driver.leftovers()


def test_conductor_killed_in_a_step(
    split: Ironic,
    give: Callable[[Script], EnrolledNode],
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
) -> None:
    """The API lives on and shows the node deploying; a new conductor gives the deployment up, and so does the spawn."""
    node = give(Script(delay_s={"deploy": 60}))
    driver = make_driver(to=split)
    spec = make_spec()
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, spec, DriverSide(operation(120.0)))
        reach(split, node, "deploying")
        split.conductor.kill()
        assert not spawn.done()
        split.conductor.start()
        with pytest.raises(BackendError, match="deploy failed"):
            spawn.result(60)
    see_free(split, node)
    assert not driver.leftovers()
    split.script(node, Script())
    see_whole(driver, driver.spawn(spec, DriverSide(operation())))


def test_conductor_killed_while_the_node_waits(
    split: Ironic,
    give: Callable[[Script], EnrolledNode],
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
) -> None:
    """What a machine does alone goes on without a conductor; a new one takes it up."""
    node = give(Script(wait=["deploy"]))
    driver = make_driver(to=split)
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, make_spec(), DriverSide(operation(120.0)))
        reach(split, node, "wait call-back")
        split.conductor.kill()
        split.conductor.start()
        split.proceed(node)
        see_whole(driver, spawn.result(60))


def test_api_killed_while_the_conductor_deploys(
    split: Ironic,
    give: Callable[[Script], EnrolledNode],
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
) -> None:
    """Nobody can be asked for a while, and the deployment ends meanwhile: the spawn finds the guest."""
    node = give(Script(delay_s={"deploy": 2}))
    driver = make_driver(to=split)
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, make_spec(), DriverSide(operation(120.0)))
        reach(split, node, "deploying")
        split.server.kill()
        assert not spawn.done()
        split.server.start()
        see_whole(driver, spawn.result(60))


def test_api_that_stays_away(
    split: Ironic,
    give: Callable[[Script], EnrolledNode],
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
) -> None:
    """A spawn does not wait for its deadline, but names what it leaves; the same spawn goes on where it was."""
    node = give(Script(delay_s={"deploy": 2}))
    driver = make_driver(to=split, outage_timeout=OUTAGE_S)
    spec = make_spec()
    with ThreadPoolExecutor(1) as pool:
        spawn = pool.submit(driver.spawn, spec, DriverSide(operation(120.0)))
        reach(split, node, "deploying")
        split.server.kill()
        try:
            with pytest.raises(Unavailable) as caught:
                spawn.result(60)
        finally:
            split.server.start()
    assert [(left.uuid, left.name) for left in caught.value.leftovers] == [(spec.uuid, node.name)]
    assert [left.uuid for left in driver.leftovers()] == [spec.uuid]
    see_whole(driver, driver.spawn(spec, DriverSide(operation())))


def test_no_conductor(
    split: Ironic,
    give: Callable[[Script], EnrolledNode],
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    operation: NewOp,
    eventually: Callable[..., None],
) -> None:
    """A spawn waits for a conductor as long as it is told to, claims nothing, and is there at once when one comes."""
    node = give(Script())
    driver = make_driver(to=split, outage_timeout=OUTAGE_S)
    spec = make_spec()
    split.conductor.kill()
    try:
        with pytest.raises(Unavailable) as caught:
            driver.spawn(spec, DriverSide(operation(60.0)))
        assert "conductor" in caught.value.hint
        assert shown(split, node)["instance_uuid"] is None
        patient = make_driver(to=split)
        with ThreadPoolExecutor(1) as pool:
            spawn = pool.submit(patient.spawn, spec, DriverSide(operation(120.0)))
            eventually(lambda: patient.site.listing.last, "it has looked for a node")
            split.conductor.start()
            see_whole(patient, spawn.result(60))
    finally:
        if not split.api.answers("/v1/drivers/fake-hardware"):
            split.conductor.start()
