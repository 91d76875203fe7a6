"""Claiming nodes: any number of claimers, one winner for each node."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.extras import Hardware
from tools.ironic import EnrolledNode, Ironic, NodeSpec

Enroll = Callable[..., list[EnrolledNode]]
MakeDriver = Callable[..., IronicDriver]
MakeSpec = Callable[..., InstanceSpec]

RACERS = 50
NODES = 20


@pytest.fixture
def kind() -> str:
    """A resource class of this test's own."""
    return f"kind-{uuid.uuid4().hex[:8]}"


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returned, or the lack of capacity that it found."""
    try:
        return call()
    except NoCapacity as error:
        return error


def test_fifty_claimers_of_twenty_nodes(
    ironic_mariadb: Ironic, make_driver: MakeDriver, make_spec: MakeSpec, operation: Callable[..., Any], kind: str
) -> None:
    """Twenty get a node each, thirty are told that there is none; three connections race as one does."""
    nodes = ironic_mariadb.enroll(NODES, NodeSpec(resource_class=kind))
    drivers = [make_driver(to=ironic_mariadb, resource_class=kind, read_timeout=300.0) for _ in range(3)]
    specs = [make_spec() for _ in range(RACERS)]
    try:
        with ThreadPoolExecutor(RACERS) as pool:
            calls = [
                lambda spec=spec, driver=drivers[number % 3]: driver.spawn(spec, DriverSide(operation(300.0)))
                for number, spec in enumerate(specs)
            ]
            outcomes = list(pool.map(outcome, calls))
        won = [found for found in outcomes if not isinstance(found, NoCapacity)]
        assert len(won) == NODES
        assert {instance.native_id for instance in won} == {node.uuid for node in nodes}
        guests = {instance.uuid for instance in drivers[0].instances(fresh=True)}
        assert guests == {instance.uuid for instance in won}
        assert not drivers[0].leftovers()
    finally:
        ironic_mariadb.forget(nodes)


def test_one_guest_never_gets_two_nodes(
    ironic_mariadb: Ironic, make_driver: MakeDriver, make_spec: MakeSpec, operation: Callable[..., Any], kind: str
) -> None:
    """Many connections that spawn the same guest get the same one."""
    nodes = ironic_mariadb.enroll(6, NodeSpec(resource_class=kind))
    drivers = [make_driver(to=ironic_mariadb, resource_class=kind) for _ in range(6)]
    spec = make_spec()
    try:
        with ThreadPoolExecutor(len(drivers)) as pool:
            found = list(pool.map(lambda driver: driver.spawn(spec, DriverSide(operation())), drivers))
        assert len({instance.native_id for instance in found}) == 1
        assert [instance.uuid for instance in drivers[0].instances(fresh=True)] == [spec.uuid]
    finally:
        ironic_mariadb.forget(nodes)


def test_claim_by_an_old_list_spares_the_guest(
    enroll: Enroll,
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    op: DriverSide,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who comes late with the same guest does not take it off the node on which it runs by now."""
    enroll(2, NodeSpec(resource_class=kind))
    first, late = make_driver(resource_class=kind), make_driver(resource_class=kind)
    spec = make_spec()
    free = late.site.listing.begun_after(time.monotonic())
    made = first.spawn(spec, op)
    look_for = late.site.guests.look_for
    unseen = [True]
    monkeypatch.setattr(
        late.site.guests, "look_for", lambda ref, op=None: None if unseen and unseen.pop() else look_for(ref, op)
    )
    monkeypatch.setattr(late.site.listing, "begun_after", lambda moment: free)
    monkeypatch.setattr("nova_virt_ironic.claim.candidates", lambda spec, rows: [free.rows[made.native_id]])
    assert late.spawn(spec, op).native_id == made.native_id
    assert first.instance(made.ref, fresh=True).power_state is PowerState.RUNNING


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"maintenance": True}, "maintenance"),
        ({"instance_uuid": str(uuid.uuid4())}, "guest"),
    ],
)
def test_node_that_is_not_to_be_had_is_left_alone(
    ironic: Ironic,
    enroll: Enroll,
    make_driver: MakeDriver,
    make_spec: MakeSpec,
    op: DriverSide,
    kind: str,
    change: dict[str, Any],
    why: str,
) -> None:
    """A node in maintenance or in use is not claimed, also when it is named; the error says why."""
    (node,) = enroll(1, NodeSpec(resource_class=kind))
    patch = [{"op": "add", "path": f"/{field}", "value": value} for field, value in change.items()]
    ironic.api.patch(f"/v1/nodes/{node.uuid}", *patch)
    driver = make_driver(resource_class=kind)
    with pytest.raises(NoCapacity):
        driver.spawn(make_spec(), op)
    with pytest.raises(NoCapacity, match=why):
        driver.spawn(make_spec(placement=Placement(node=node.name)), op)
    assert ironic.api.get(f"/v1/nodes/{node.uuid}")["instance_uuid"] == change.get("instance_uuid")


def test_hardware_is_chosen(
    enroll: Enroll, make_driver: MakeDriver, make_spec: MakeSpec, op: DriverSide, kind: str
) -> None:
    """Resource class, traits, capabilities, CPUs, memory and ports decide which node it is."""
    plain, strong, special = (
        enroll(1, NodeSpec(name=f"{kind}-{name}", resource_class=kind, **more))[0]
        for name, more in (
            ("plain", {}),
            ("strong", {"cpus": 64, "memory_mib": 262144, "ports": 4}),
            ("special", {"traits": ["CUSTOM_FAST"], "capabilities": {"raid": "10"}}),
        )
    )
    driver = make_driver(resource_class=kind)
    with pytest.raises(NoCapacity):
        driver.spawn(make_spec(vcpus=65), op)
    with pytest.raises(NoCapacity):
        driver.spawn(make_spec(extras=[Hardware(traits=["CUSTOM_SLOW"])]), op)
    with pytest.raises(InvalidSpec, match=plain.name):
        driver.spawn(make_spec(placement=Placement(node="nobody")), op)
    fast = make_spec(
        extras=[Hardware(resource_class=f"CUSTOM_{kind}", traits=["CUSTOM_FAST"], capabilities={"raid": "10"})]
    )
    assert driver.spawn(fast, op).native_id == special.uuid
    assert driver.spawn(make_spec(memory_bytes=200 * 1024**3), op).native_id == strong.uuid
    assert driver.spawn(make_spec(placement=Placement(node=plain.uuid)), op).native_id == plain.uuid


def test_two_guests_of_one_name(
    enroll: Enroll, make_driver: MakeDriver, make_spec: MakeSpec, op: DriverSide, kind: str
) -> None:
    """Names need not be unique; uuids are."""
    enroll(2, NodeSpec(resource_class=kind))
    driver = make_driver(resource_class=kind)
    first, second = (driver.spawn(replace(make_spec(), name="twin"), op) for _ in range(2))
    assert first.native_id != second.native_id
    assert driver.destroy(InstanceRef(uuid=first.uuid), op)
    assert driver.instance(second.ref, fresh=True).name == "twin"
