"""Removing guests from every provision state of a real Ironic."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import BackendError, Busy, InstanceNotFound, NoCapacity, NotSupported, PermissionDenied
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import Native
from nova_virt_api.model.instance import DiskPolicy, Lifecycle
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import EnrolledNode, Ironic, NodeSpec, Script

Enroll = Callable[..., list[EnrolledNode]]
MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[..., Operation[Any]]
Give = Callable[..., EnrolledNode]


@pytest.fixture
def kind() -> str:
    """A resource class of this test's own."""
    return f"kind-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def driver(make_driver: MakeDriver, kind: str) -> IronicDriver:
    """A driver that sees this test's nodes."""
    return make_driver(resource_class=kind)


@pytest.fixture
def give(enroll: Enroll, kind: str) -> Give:
    """Enrolls one of this test's nodes."""
    return lambda **more: enroll(1, NodeSpec(resource_class=kind, **more))[0]


def look(ironic: Ironic, node: EnrolledNode) -> dict[str, Any]:
    """The node as Ironic shows it."""
    found: dict[str, Any] = ironic.api.get(f"/v1/nodes/{node.uuid}")
    return found


def bring(ironic: Ironic, node: EnrolledNode, verb: str, until: str, **more: Any) -> None:
    """Bring a node into a provision state by Ironic's own API."""
    ironic.api.put(f"/v1/nodes/{node.uuid}/states/provision", {"target": verb, **more})
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == until)


RESCUE = {"rescue_password": "pw"}
STEPS = {"service_steps": [{"interface": "deploy", "step": "service"}]}


@pytest.mark.parametrize(
    ("script", "steps", "state"),
    [
        (Script(), [], "active"),
        (Script(), [("rescue", "rescue", RESCUE)], "rescue"),
        (Script(wait=["rescue"]), [("rescue", "rescue wait", RESCUE)], "rescue wait"),
        (Script(fail=["rescue"]), [("rescue", "rescue failed", RESCUE)], "rescue failed"),
        (
            Script(fail=["unrescue"]),
            [("rescue", "rescue", RESCUE), ("unrescue", "unrescue failed", {})],
            "unrescue failed",
        ),
        (Script(wait=["service"]), [("service", "service wait", STEPS)], "service wait"),
        (Script(fail=["service"]), [("service", "service failed", STEPS)], "service failed"),
        (Script(wait=["deploy"]), [("rebuild", "wait call-back", {})], "wait call-back"),
        (Script(fail=["deploy"]), [("rebuild", "deploy failed", {})], "deploy failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_destroy_in_state(
    ironic: Ironic,
    driver: IronicDriver,
    give: Give,
    make_spec: MakeSpec,
    operation: NewOp,
    script: Script,
    steps: list[tuple[str, str, dict[str, Any]]],
    state: str,
) -> None:
    """From whatever state Ironic undeploys from: the node is free, and there is nothing more to destroy."""
    node = give(script=Script())
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    ironic.script(node, script)
    for verb, until, more in steps:
        bring(ironic, node, verb, until, **more)
    assert look(ironic, node)["provision_state"] == state
    assert driver.destroy(guest, DriverSide(operation()))
    shown = ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "available")
    assert (shown["instance_uuid"], shown["instance_info"], shown["power_state"]) == (None, {}, "power off")
    assert not driver.destroy(guest, DriverSide(operation()))
    with pytest.raises(InstanceNotFound):
        driver.instance(guest, fresh=True)


def test_destroy_of_nothing(driver: IronicDriver, op: DriverSide) -> None:
    """A guest that never was is nothing to remove."""
    assert not driver.destroy(InstanceRef(uuid=uuid.uuid4()), op)


def test_disks_are_not_kept(driver: IronicDriver, give: Give, make_spec: MakeSpec, op: DriverSide) -> None:
    """Cleaning wipes the machine, so KEEP is refused and nothing is touched."""
    give()
    guest = driver.spawn(make_spec(), op)
    with pytest.raises(NotSupported):
        driver.destroy(guest.ref, op, disks=DiskPolicy.KEEP)
    assert driver.instance(guest.ref, fresh=True) == guest


def test_node_that_is_cleaned(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """The guest is gone when cleaning begins; its node is not to be had before it is over."""
    node = give(script=Script(wait=["clean"]), fields={"automated_clean": True})
    spec = make_spec()
    driver.spawn(spec, DriverSide(operation()))
    assert driver.destroy(InstanceRef(uuid=spec.uuid), DriverSide(operation()))
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "clean wait")
    assert not driver.instances(fresh=True)
    assert not driver.destroy(InstanceRef(uuid=spec.uuid), DriverSide(operation()))
    ironic.proceed(node)
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "available")
    assert driver.spawn(spec, DriverSide(operation())).lifecycle is Lifecycle.READY


def test_cleaning_that_fails(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """The guest is gone, its node is not to be had, and the node says why; nothing of the guest is left."""
    node = give(script=Script(fail=["clean"]), fields={"automated_clean": True})
    spec = make_spec()
    guest = driver.spawn(spec, DriverSide(operation())).ref
    try:
        assert driver.destroy(guest, DriverSide(operation()))
    except BackendError as error:  # it had failed already when the guest was found to be gone
        assert "clean fails as scripted" in error.message  # noqa: PT017
    ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "clean failed")
    assert not driver.destroy(guest, DriverSide(operation()))
    assert not driver.leftovers()
    (shown,) = driver.nodes()
    assert shown.maintenance is not None
    with pytest.raises(NoCapacity):
        driver.spawn(spec, DriverSide(operation()))


def test_undeployment_that_fails(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """Ironic forgets the guest although its machine may still run: the error says so with the cause."""
    node = give(script=Script())
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    ironic.script(node, Script(fail=["tear_down"]))
    with pytest.raises(BackendError, match=f"{node.name} ended as 'error'.*tear_down fails as scripted"):
        driver.destroy(guest, DriverSide(operation()))
    assert look(ironic, node)["provision_state"] == "error"


def test_undeployment_that_fails_once(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """A node that ended in error is undeployed once more."""
    node = give(script=Script())
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    ironic.script(node, Script(fail=["tear_down"], delay_s={"tear_down": 2}))
    with ThreadPoolExecutor(1) as pool:
        removal = pool.submit(driver.destroy, guest, DriverSide(operation()))
        ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda found: found["provision_state"] == "error")
        ironic.script(node, Script())
        assert removal.result(30)
    assert look(ironic, node)["provision_state"] == "available"


def test_node_in_maintenance(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """A guest on a node in maintenance goes as any other; maintenance stays the operator's affair."""
    node = give(script=Script())
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    ironic.api.put(f"/v1/nodes/{node.uuid}/maintenance", {"reason": "a test"})
    assert driver.destroy(guest, DriverSide(operation()))
    shown = look(ironic, node)
    assert (shown["instance_uuid"], shown["maintenance"]) == (None, True)


def test_node_that_is_locked(
    ironic: Ironic, driver: IronicDriver, give: Give, make_spec: MakeSpec, operation: NewOp
) -> None:
    """While a conductor holds the node's lock, destroy waits for it, until its deadline; then it gets through."""
    node = give(script=Script())
    guest = driver.spawn(make_spec(), DriverSide(operation())).ref
    ironic.script(node, Script(delay_s={"power": 6}))
    ironic.api.put(f"/v1/nodes/{node.uuid}/states/power", {"target": "power off"})
    assert look(ironic, node)["reservation"]
    assert driver.destroy(guest, DriverSide(operation()))
    assert look(ironic, node)["instance_uuid"] is None


def test_half_claimed(
    ironic: Ironic, driver: IronicDriver, give: Give, make_driver: MakeDriver, kind: str, op: DriverSide
) -> None:
    """A node that somebody claimed by other means and never deployed is not ours to give back."""
    node = give()
    guest = uuid.uuid4()
    ironic.api.patch(f"/v1/nodes/{node.uuid}", {"op": "add", "path": "/instance_uuid", "value": str(guest)})
    with pytest.raises(PermissionDenied):
        driver.destroy(InstanceRef(uuid=guest), op)
    everybody = make_driver(resource_class=kind, manage=Manage.ALL)
    with pytest.raises(PermissionDenied, match="foreign"):
        everybody.destroy(InstanceRef(uuid=guest), op)
    assert everybody.destroy(InstanceRef(uuid=guest), op, foreign=True)
    assert look(ironic, node)["instance_uuid"] is None


def test_guest_of_another_owner(
    driver: IronicDriver, give: Give, make_spec: MakeSpec, make_driver: MakeDriver, kind: str, op: DriverSide
) -> None:
    """Another owner's guest is refused and stays."""
    give()
    guest = driver.spawn(make_spec(), op)
    with pytest.raises(PermissionDenied, match="nova-virt-tests"):
        make_driver(owner="somebody", resource_class=kind).destroy(guest.ref, op)
    assert driver.instance(guest.ref, fresh=True) == guest


def test_claim_that_a_living_process_works_on(
    ironic: Ironic, driver: IronicDriver, make_driver: MakeDriver, give: Give, operation: NewOp, kind: str
) -> None:
    """While somebody prepares a guest, another connection's destroy waits for him, and removes what he made."""
    node = give()
    reached, go_on = Event(), Event()

    def hold(_: Operation[Any]) -> None:
        reached.set()
        assert go_on.wait(30)

    spec = InstanceSpec(
        uuid=uuid.uuid4(), name="guest", memory_bytes=1024**3, disks=[Disk(source=Native("http://127.0.0.1/image"))]
    )
    running: Operation[Any] = Operation("test", spec.uuid, timeout=60.0, hooks={Stage.BEFORE_START: hold})
    assert running.begin()
    other = make_driver(resource_class=kind)
    with ThreadPoolExecutor(2) as pool:
        spawn = pool.submit(driver.spawn, spec, DriverSide(running))
        assert reached.wait(30)
        assert not other.leftovers()
        with pytest.raises(Busy, match="somebody else works on"):
            other.destroy(InstanceRef(uuid=spec.uuid), DriverSide(operation(2.0)))
        removal = pool.submit(other.destroy, InstanceRef(uuid=spec.uuid), DriverSide(operation()))
        go_on.set()
        assert spawn.result(30).lifecycle is Lifecycle.READY
        assert removal.result(30)
    assert look(ironic, node)["instance_uuid"] is None
