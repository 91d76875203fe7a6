"""Adopt on a real Ironic: nodes that somebody else has deployed."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import InstanceExists, InstanceNotFound, InvalidState, PermissionDenied, VirtError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import EnrolledNode, Ironic, NodeSpec, Script

MakeDriver = Callable[..., IronicDriver]
Deploy = Callable[..., InstanceRef]


@pytest.fixture
def foreign(ironic: Ironic, enroll: Callable[..., list[EnrolledNode]]) -> Deploy:
    """Deploys a node as another program does, with an ``instance_uuid`` of that program's or without."""

    def deploy(instance: uuid.UUID | None = None, *, script: Script | None = None) -> InstanceRef:
        (node,) = enroll(1, NodeSpec(script=script))
        path = f"/v1/nodes/{node.uuid}"
        patch = [{"op": "add", "path": "/instance_info/image_source", "value": "http://127.0.0.1:9/theirs.raw"}]
        if instance is not None:
            patch.append({"op": "add", "path": "/instance_uuid", "value": str(instance)})
        ironic.api.patch(path, *patch)
        ironic.api.put(f"{path}/states/provision", {"target": "active"})
        state = "wait call-back" if script is not None and script.wait else "active"
        ironic.api.wait(path, lambda shown: shown["provision_state"] == state and shown["reservation"] is None)
        return InstanceRef(uuid=instance or uuid.UUID(node.uuid), native_id=node.uuid)

    return deploy


@pytest.mark.parametrize("has_uuid", [True, False])
def test_a_node_is_taken_over_and_given_back(
    driver: IronicDriver, ironic: Ironic, foreign: Deploy, op: Any, has_uuid: bool
) -> None:
    guest = foreign(uuid.uuid4() if has_uuid else None)
    path = f"/v1/nodes/{guest.native_id}"
    before = ironic.api.get(path)
    seen = driver.instance(guest, fresh=True)
    assert (seen.owner, seen.owned) == (None, False)
    driver.check_adoptable(guest)
    assert ironic.api.get(path)["instance_info"] == before["instance_info"]
    taken = driver.adopt(guest, op)
    assert (taken.uuid, taken.owned, taken.native_id) == (guest.uuid, True, guest.native_id)
    assert driver.adopt(guest, op) == taken
    driver.power_on(guest, op)
    assert driver.instance(guest, fresh=True).power_state is PowerState.RUNNING
    for _ in range(2):
        driver.release(guest, op)
    given_back = driver.instance(guest, fresh=True)
    assert (given_back.uuid, given_back.owner, given_back.name) == (guest.uuid, None, seen.name)
    after = ironic.api.get(path)
    assert after["instance_info"] == before["instance_info"]
    assert after["instance_uuid"] == str(guest.uuid)
    with pytest.raises(PermissionDenied):
        driver.power_on(guest, op)


def test_an_adopted_guest_is_destroyed_like_any_other(driver: IronicDriver, foreign: Deploy, op: Any) -> None:
    guest = foreign()
    driver.adopt(guest, op)
    assert driver.destroy(guest, op)
    with pytest.raises(InstanceNotFound):
        driver.instance(guest, fresh=True)
    assert not driver.destroy(guest, op)


def test_spawn_finds_that_it_was_asked_for_differently(
    driver: IronicDriver, foreign: Deploy, make_spec: Callable[..., Any], op: Any
) -> None:
    guest = foreign(uuid.uuid4())
    driver.adopt(guest, op)
    with pytest.raises(InstanceExists):
        driver.spawn(make_spec(uuid=guest.uuid), op)


def test_guests_of_others_are_theirs(
    driver: IronicDriver, make_driver: MakeDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    stranger = make_driver(owner="somebody-else")
    for act in (
        lambda: stranger.check_adoptable(guest.ref),
        lambda: stranger.adopt(guest.ref, op),
        lambda: stranger.release(guest.ref, op),
    ):
        with pytest.raises(PermissionDenied, match="nova-virt-tests"):
            act()
    driver.release(guest.ref, op)
    assert stranger.adopt(guest.ref, op).owned
    with pytest.raises(InstanceNotFound):
        driver.adopt(InstanceRef(uuid=uuid.uuid4()), op)


def test_a_connection_that_writes_no_marks_adopts_nothing(make_driver: MakeDriver) -> None:
    answer = make_driver(manage=Manage.ALL).capabilities().answer(Capability.ADOPT)
    assert (answer.available, "marks" in answer.reason) == (False, True)


def test_a_guest_in_the_middle_of_something_is_left_alone(driver: IronicDriver, foreign: Deploy, op: Any) -> None:
    guest = foreign(uuid.uuid4(), script=Script(wait=["deploy"]))
    for act in (lambda: driver.check_adoptable(guest), lambda: driver.adopt(guest, op)):
        with pytest.raises(InvalidState):
            act()


def test_of_two_that_adopt_at_once_one_wins(
    make_driver: MakeDriver, foreign: Deploy, operation: Callable[..., Any]
) -> None:
    guest = foreign()
    drivers = [make_driver(owner=f"owner-{index}") for index in range(4)]
    start = threading.Barrier(len(drivers))
    won: list[str] = []

    def adopt(driver: IronicDriver) -> None:
        start.wait()
        try:
            driver.adopt(guest, DriverSide(operation()))
        except VirtError:
            return
        won.append(driver.endpoint.owner)

    threads = [threading.Thread(target=adopt, args=(driver,)) for driver in drivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    owner = drivers[0].instance(guest, fresh=True).owner
    assert won == [owner]
