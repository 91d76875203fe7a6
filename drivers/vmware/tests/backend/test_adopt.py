"""The role Adopt and the verb update: our record on virtual machines, by comparing and swapping."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pyVmomi import vim

from nova_virt_api.compute.adoption import AdoptionOutcome
from nova_virt_api.compute.connect import connect
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import InstanceExists, InstanceNotFound, NotSupported, PermissionDenied
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, PowerOff, Scope
from nova_virt_api.model.spec import InstanceUpdate
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.record import KEY
from tools.vcsim import Settings, VCenter

CHANGE = "ReconfigVM_Task"
PATIENCE_S = 60.0

MakeDriver = Callable[..., VmwareDriver]
MakeOperation = Callable[..., Operation[Any]]


@pytest.fixture
def small(own_vcenter: Callable[..., VCenter]) -> VCenter:
    """A vCenter with two running guests of other making."""
    return own_vcenter(Settings(clusters=1, hosts=1, standalone_hosts=0, vms=2))


@pytest.fixture
def mine(small: VCenter, make_driver: MakeDriver) -> VmwareDriver:
    return make_driver(to=small)


@pytest.fixture
def other(small: VCenter, make_driver: MakeDriver) -> VmwareDriver:
    """A driver of another owner."""
    return make_driver(to=small, owner="somebody")


@pytest.fixture
def guest(mine: VmwareDriver) -> Instance:
    return mine.instances()[0]


def native_vm(native: Callable[[VCenter], Any], vcenter: VCenter, guest: Instance) -> Any:
    return vim.VirtualMachine(guest.native_id, native(vcenter)._stub)


def configuration(vm: Any) -> dict[str, Any]:
    """What an adoption must not change, and what it does."""
    config = vm.config
    extra = {option.key: option.value for option in config.extraConfig}
    return {
        "name": config.name,
        "uuids": (config.uuid, config.instanceUuid),
        "hardware": (config.hardware.numCPU, config.hardware.memoryMB, len(config.hardware.device)),
        "extra": extra,
    }


# --- adopt ------------------------------------------------------------------------------------------------------------


def test_adopt_and_release(
    mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter, native: Callable[[VCenter], Any]
) -> None:
    """The record comes and goes; nothing else of the virtual machine changes."""
    vm = native_vm(native, small, guest)
    before = configuration(vm)
    assert guest.owner is None
    for _ in range(2):
        adopted = mine.adopt(guest.ref, op)
        assert adopted.owned
        assert (adopted.uuid, adopted.name) == (guest.uuid, guest.name)
    marked = configuration(vm)
    assert marked["extra"].pop(KEY)
    assert marked == before
    assert small.order("calls")[CHANGE] == 1
    for _ in range(2):
        mine.release(guest.ref, op)
        assert mine.instance(guest.ref).owner is None
    assert configuration(vm) == before
    assert small.order("calls")[CHANGE] == 2


def test_guest_of_another_owner(
    mine: VmwareDriver, other: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter
) -> None:
    """What another has adopted is neither adopted, nor released, nor adoptable."""
    other.adopt(guest.ref, op)
    changes = small.order("calls")[CHANGE]
    for refused in (lambda: mine.adopt(guest.ref, op), lambda: mine.release(guest.ref, op)):
        with pytest.raises(PermissionDenied):
            refused()
    with pytest.raises(PermissionDenied):
        mine.check_adoptable(guest.ref)
    assert small.order("calls")[CHANGE] == changes


def test_check_changes_nothing(mine: VmwareDriver, guest: Instance, small: VCenter) -> None:
    """To ask whether a guest can be adopted changes nothing; one that is not there is not found."""
    mine.check_adoptable(guest.ref)
    assert CHANGE not in small.order("calls")
    with pytest.raises(InstanceNotFound):
        mine.check_adoptable(InstanceRef(uuid=UUID(int=4711)))


def test_two_owners_at_once(
    mine: VmwareDriver,
    other: VmwareDriver,
    guest: Instance,
    operation: MakeOperation,
    small: VCenter,
    in_background: Any,
    eventually: Any,
) -> None:
    """Of two who adopt one guest at the same time one gets it, and the other is told whose it is."""
    small.order("hold", method=CHANGE)
    done = [
        in_background(lambda driver=driver: driver.adopt(guest.ref, DriverSide(operation())))
        for driver in (mine, other)
    ]
    eventually(lambda: small.order("calls").get(CHANGE, 0) == 2, "both have begun")
    small.order("release", method=CHANGE)
    errors = [each.exception(PATIENCE_S) for each in done]
    assert [type(error) for error in errors if error] == [PermissionDenied]
    owner = mine.instance(guest.ref, fresh=True).owner
    assert owner == ("somebody" if errors[0] else mine.endpoint.owner)


@pytest.mark.parametrize("kind", ["drop before", "drop after"])
def test_connection_lost(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter, kind: str) -> None:
    """An adoption whose connection broke is made, and made once."""
    small.order("fail", kind=kind, method=CHANGE, times=1)
    assert mine.adopt(guest.ref, op).owned


def test_changed_meanwhile(mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter) -> None:
    """A change that meets another is worked out anew."""
    small.order("fail", kind="task fault", method=CHANGE, times=2, fault="ConcurrentAccess")
    assert mine.adopt(guest.ref, op).owned
    assert small.order("calls")[CHANGE] == 3


def test_adopted_guest_is_used(mine: VmwareDriver, guest: Instance, op: DriverSide) -> None:
    """Verbs are refused before, work in between, and are refused again after."""
    with pytest.raises(PermissionDenied):
        mine.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    mine.adopt(guest.ref, op)
    mine.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    mine.release(guest.ref, op)
    with pytest.raises(PermissionDenied):
        mine.power_on(guest.ref, op)


def test_many_are_adopted_at_once(own_vcenter: Callable[..., VCenter]) -> None:
    """All guests are adopted by one call, after a dry run that says so and changes nothing."""
    vcenter = own_vcenter(Settings(clusters=1, hosts=1, standalone_hosts=0, vms=30))
    with connect("vmware", owner="ours", **vcenter.options) as compute:
        told = compute.adopt_all(lambda guest: guest.owner is None, dry_run=True)
        assert [entry.outcome for entry in told] == [AdoptionOutcome.ADOPTABLE] * 30
        assert CHANGE not in vcenter.order("calls")
        done = compute.adopt_all(lambda guest: guest.owner is None, timeout=PATIENCE_S)
        assert [entry.outcome for entry in done] == [AdoptionOutcome.ADOPTED] * 30
        assert len(compute.instances(scope=Scope.OWNED)) == 30
    calls = vcenter.order("calls")
    assert calls[CHANGE] == 30
    assert calls["CreateListView"] == 1, "more than one list of tasks"


# --- update -----------------------------------------------------------------------------------------------------------


def test_name_and_labels(
    mine: VmwareDriver, guest: Instance, op: DriverSide, small: VCenter, native: Callable[[VCenter], Any]
) -> None:
    """Both are changed by one change, and the same again changes nothing."""
    mine.adopt(guest.ref, op)
    update = InstanceUpdate(name="renamed", labels={"tier": "web", "note": "ü \\ %2f"})
    for _ in range(2):
        changed = mine.update(guest.ref, update, op)
        assert (changed.name, dict(changed.labels)) == ("renamed", dict(update.labels or {}))
    assert small.order("calls")[CHANGE] == 2
    assert native_vm(native, small, guest).name == "renamed"
    assert dict(mine.update(guest.ref, InstanceUpdate(labels={}), op).labels) == {}


def test_name_keeps_the_uuid_that_it_bears(
    driver: VmwareDriver, op: DriverSide, spawned: Callable[..., Instance], native: Callable[[VCenter], Any],
    vcenter: VCenter,
) -> None:  # fmt: skip
    """The virtual machine of a guest that was made here is called by name and uuid, also when it is renamed."""
    made = spawned(name="first", power_on=False)
    assert driver.update(made.ref, InstanceUpdate(name="second"), op).name == "second"
    assert native_vm(native, vcenter, made).name == f"second ({made.uuid})"
    assert driver.destroy(made.ref, op)


def test_taken_name(mine: VmwareDriver, guest: Instance, op: DriverSide) -> None:
    """A name that its folder has is InstanceExists, and nothing is changed."""
    mine.adopt(guest.ref, op)
    taken = next(other.name for other in mine.instances() if other.uuid != guest.uuid)
    with pytest.raises(InstanceExists, match=taken):
        mine.update(guest.ref, InstanceUpdate(name=taken, labels={"not": "kept"}), op)
    now = mine.instance(guest.ref, fresh=True)
    assert (now.name, dict(now.labels)) == (guest.name, {})


def test_unmarked_guest(make_driver: MakeDriver, small: VCenter, guest: Instance, op: DriverSide) -> None:
    """A guest without a record can be renamed by who manages all, and has no place for labels."""
    driver = make_driver(to=small, manage=Manage.ALL)
    assert driver.update(guest.ref, InstanceUpdate(name="renamed"), op).name == "renamed"
    with pytest.raises(NotSupported):
        driver.update(guest.ref, InstanceUpdate(labels={"a": "b"}), op)


def test_two_updates_at_once(
    mine: VmwareDriver,
    guest: Instance,
    op: DriverSide,
    operation: MakeOperation,
    make_driver: MakeDriver,
    small: VCenter,
    in_background: Any,
    eventually: Any,
) -> None:
    """Two who change different things at the same time both succeed: nobody's change is written over."""
    mine.adopt(guest.ref, op)
    before = small.order("calls")[CHANGE]
    small.order("hold", method=CHANGE)
    updates = (InstanceUpdate(name="renamed"), InstanceUpdate(labels={"a": "b"}))
    drivers = (mine, make_driver(to=small))
    done = [
        in_background(lambda driver=driver, update=update: driver.update(guest.ref, update, DriverSide(operation())))
        for driver, update in zip(drivers, updates, strict=True)
    ]
    eventually(lambda: small.order("calls")[CHANGE] == before + 2, "both have begun")
    small.order("release", method=CHANGE)
    for each in done:
        each.result(PATIENCE_S)
    now = mine.instance(guest.ref, fresh=True)
    assert (now.name, dict(now.labels)) == ("renamed", {"a": "b"})
