"""Removing guests from every state, with all that is theirs, and what is left of them."""

import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Busy, InstanceNotFound, PermissionDenied, StorageError, Unavailable, VirtError
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import Native
from nova_virt_api.model.instance import DiskPolicy, Lifecycle, PowerState
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.removal import Removal
from tools.vcsim import VCenter

MakeDriver = Callable[..., VmwareDriver]
MakeSpec = Callable[..., InstanceSpec]
NewOp = Callable[[], DriverSide]

LOST: Final = ("orphaned", "invalid")


@pytest.fixture
def new_op(operation: Callable[..., Operation[Any]]) -> NewOp:
    """Makes operations."""
    return lambda: DriverSide(operation())


@pytest.fixture
def native_of(vcenter: VCenter, native: Callable[[VCenter], Any]) -> Callable[[uuid.UUID], Any]:
    """Gives the virtual machine of a guest, past the driver; None when there is none."""
    index = native(vcenter).content.searchIndex

    def find(guest: uuid.UUID) -> Any:
        found = index.FindAllByUuid(uuid=str(guest), vmSearch=True, instanceUuid=True)
        return found[0] if found else None

    return find


def files_of(vcenter: VCenter, guest: uuid.UUID) -> list[str]:
    """Names of all files that bear the guest's uuid."""
    return sorted(path.name for path in vcenter.directory.rglob("*") if str(guest) in str(path) and path.is_file())


def foreign_machine(index: Any) -> Any:
    """Make a machine past the driver, switched off."""
    template = index.FindByInventoryPath("/DC0/vm/small")
    pool = index.FindByInventoryPath("/DC0/host/DC0_C0").resourcePool
    spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(pool=pool), powerOn=False, template=False)
    task = template.CloneVM_Task(folder=template.parent, name=f"foreign-{uuid.uuid4()}", spec=spec)
    WaitForTask(task)
    return task.info.result


def enter(machine: Any, state: str) -> None:
    """Bring a running machine into a state, past the driver."""
    if state == "suspended":
        WaitForTask(machine.SuspendVM_Task())
    elif state == "poweredOff":
        WaitForTask(machine.PowerOffVM_Task())


@pytest.mark.parametrize("state", ["poweredOn", "poweredOff", "suspended"])
@pytest.mark.parametrize("snapshots", [0, 2])
def test_destroy_in_state(
    driver: VmwareDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    native_of: Callable[..., Any],
    vcenter: VCenter,
    state: str,
    snapshots: int,
) -> None:
    made = driver.spawn(make_spec(), new_op())
    machine = native_of(made.uuid)
    for number in range(snapshots):
        WaitForTask(machine.CreateSnapshot_Task(name=str(number), memory=False, quiesce=False))
    enter(machine, state)
    assert driver.destroy(made.ref, new_op()) is True
    assert native_of(made.uuid) is None
    assert files_of(vcenter, made.uuid) == []
    with pytest.raises(InstanceNotFound):
        driver.instance(made.ref, fresh=True)
    assert driver.destroy(made.ref, new_op()) is False
    assert driver.destroy(InstanceRef(uuid=made.uuid), new_op()) is False


@pytest.mark.parametrize("state", LOST)
def test_machine_that_no_host_knows(
    driver: VmwareDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    native_of: Callable[..., Any],
    vcenter: VCenter,
    state: str,
) -> None:
    made = driver.spawn(make_spec(power_on=False), new_op())
    vcenter.set_connection(made.native_id, state, configured=True)
    assert driver.destroy(made.ref, new_op()) is True
    assert native_of(made.uuid) is None
    assert files_of(vcenter, made.uuid) == []
    assert driver.leftovers() == []


@pytest.mark.parametrize("state", LOST)
def test_files_of_a_lost_machine_that_another_has(
    driver: VmwareDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    native_of: Callable[..., Any],
    vcenter: VCenter,
    state: str,
) -> None:
    """As when its files were registered anew, under another id: they stay, and the error says whose they are."""
    made = driver.spawn(make_spec(power_on=False), new_op())
    machine = native_of(made.uuid)
    directory = machine.config.files.vmPathName.rpartition("/")[0]
    logs = f"[LocalDS_0] logs-{uuid.uuid4()}"  # the simulator takes no second log in one directory
    files = vim.vm.FileInfo(vmPathName=f"{directory}/other.vmx", logDirectory=logs)
    spec = vim.vm.ConfigSpec(name=f"other-{made.uuid}", files=files)
    task = machine.parent.CreateVM_Task(config=spec, pool=machine.resourcePool)
    WaitForTask(task)
    other = task.info.result
    before = files_of(vcenter, made.uuid)
    vcenter.set_connection(made.native_id, state, configured=True)
    for configured in (True, False):
        vcenter.set_connection(other._moId, "connected", configured=configured)
        with pytest.raises(StorageError, match=other._moId):
            driver.destroy(made.ref, new_op())
    assert native_of(made.uuid) is not None
    assert files_of(vcenter, made.uuid) == before
    other.UnregisterVM()
    assert driver.destroy(made.ref, new_op()) is True


def test_lost_machine_in_a_directory_of_another_name(
    make_driver: MakeDriver, new_op: NewOp, native: Callable[[VCenter], Any], vcenter: VCenter
) -> None:
    """Its files are not removed, as they may be others', and it stays, as nothing else tells of them."""
    index = native(vcenter).content.searchIndex
    machine = foreign_machine(index)
    ref = InstanceRef(uuid=uuid.UUID(machine.config.instanceUuid))
    everything = make_driver(manage=Manage.ALL)
    vcenter.set_connection(machine._moId, "orphaned", configured=True)
    with pytest.raises(StorageError, match=machine.name) as caught:
        everything.destroy(ref, new_op(), foreign=True)
    assert [left.name for left in caught.value.leftovers] == [machine.name]
    vcenter.set_connection(machine._moId, "connected")
    assert everything.destroy(ref, new_op(), foreign=True) is True


@pytest.mark.parametrize("state", ["inaccessible", *LOST])
def test_machine_whose_configuration_cannot_be_read(
    driver: VmwareDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    native_of: Callable[..., Any],
    vcenter: VCenter,
    state: str,
) -> None:
    """It is neither taken for gone, nor made a second time."""
    spec = make_spec(power_on=False)
    made = driver.spawn(spec, new_op())
    vcenter.set_connection(made.native_id, state)
    verbs = (
        lambda: driver.destroy(made.ref, new_op()),
        lambda: driver.destroy(InstanceRef(uuid=made.uuid), new_op()),
        lambda: driver.spawn(spec, new_op()),
    )
    for verb in verbs:
        with pytest.raises(StorageError, match=made.native_id):
            verb()
    assert driver.leftovers() == []  # it was finished
    vcenter.set_connection(made.native_id, "connected")
    assert driver.spawn(spec, new_op()).native_id == made.native_id
    assert driver.destroy(made.ref, new_op()) is True
    assert native_of(made.uuid) is None


def test_unfinished_removal_of_a_machine_that_cannot_be_read_is_a_leftover(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, vcenter: VCenter
) -> None:
    made = driver.spawn(make_spec(power_on=False), new_op())
    with vcenter.failing("Destroy_Task", fault="InvalidState"), pytest.raises(VirtError):
        driver.destroy(made.ref, new_op())
    assert [left.uuid for left in driver.leftovers()] == [made.uuid]
    vcenter.set_connection(made.native_id, "inaccessible")
    assert [left.uuid for left in driver.leftovers()] == [made.uuid]
    vcenter.set_connection(made.native_id, "connected")
    assert driver.destroy(made.ref, new_op()) is True
    assert driver.leftovers() == []


def test_machine_whose_host_is_away(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, native_of: Callable[..., Any], vcenter: VCenter
) -> None:
    made = driver.spawn(make_spec(power_on=False), new_op())
    vcenter.set_connection(made.native_id, "disconnected")
    with pytest.raises(Unavailable) as caught:
        driver.destroy(made.ref, new_op())
    assert [left.uuid for left in caught.value.leftovers] == [made.uuid]
    vcenter.set_connection(made.native_id, "connected")
    assert driver.destroy(made.ref, new_op()) is True
    assert native_of(made.uuid) is None


def test_machine_whose_datastore_is_away(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, native_of: Callable[..., Any], vcenter: VCenter
) -> None:
    made = driver.spawn(make_spec(power_on=False), new_op())
    vcenter.set_connection(made.native_id, "inaccessible")
    with pytest.raises(StorageError):
        driver.destroy(made.ref, new_op())
    vcenter.set_connection(made.native_id, "connected")
    assert driver.destroy(made.ref, new_op()) is True
    assert native_of(made.uuid) is None


# --- disks that are kept ----------------------------------------------------------------------------------------------


def test_disks_to_be_kept_of_a_machine_that_cannot_be_read(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, native_of: Callable[..., Any], vcenter: VCenter
) -> None:
    """Which disks it has is not known, so it is not removed with them."""
    made = driver.spawn(make_spec(power_on=False), new_op())
    before = files_of(vcenter, made.uuid)
    vcenter.set_connection(made.native_id, "connected", configured=False)
    with pytest.raises(StorageError):
        Removal(driver.site, made.native_id, new_op(), keep_disks=True).run()
    assert native_of(made.uuid) is not None
    assert files_of(vcenter, made.uuid) == before
    vcenter.set_connection(made.native_id, "connected")
    assert driver.destroy(made.ref, new_op(), disks=DiskPolicy.KEEP) is True
    assert f"{made.uuid}.vmdk" in files_of(vcenter, made.uuid)


@pytest.mark.parametrize("power_on", [False, True])
def test_kept_disks(
    driver: VmwareDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    native_of: Callable[..., Any],
    vcenter: VCenter,
    power_on: bool,
) -> None:
    disks = [Disk(source=Native("small")), Disk(source=Blank(), size_bytes=MiB(4))]
    spec = make_spec(disks=disks, power_on=power_on)
    made = driver.spawn(spec, new_op())
    assert driver.destroy(made.ref, new_op(), disks=DiskPolicy.KEEP) is True
    assert native_of(made.uuid) is None
    kept = files_of(vcenter, made.uuid)
    assert [name for name in kept if not name.endswith("-flat.vmdk")] == [f"{made.uuid}.vmdk", f"{made.uuid}_1.vmdk"]
    assert driver.destroy(made.ref, new_op()) is False
    assert files_of(vcenter, made.uuid) == kept
    assert driver.leftovers() == []


def test_kept_disks_of_a_guest_with_snapshots(
    driver: VmwareDriver,
    new_op: NewOp,
    make_spec: MakeSpec,
    native_of: Callable[..., Any],
    vcenter: VCenter,
) -> None:
    """They stay as they are at last: what the snapshots remember is given up."""
    made = driver.spawn(make_spec(), new_op())
    WaitForTask(native_of(made.uuid).CreateSnapshot_Task(name="before", memory=False, quiesce=False))
    before = vcenter.calls["RemoveAllSnapshots_Task"]
    assert driver.destroy(made.ref, new_op(), disks=DiskPolicy.KEEP) is True
    assert vcenter.calls["RemoveAllSnapshots_Task"] == before + 1
    assert native_of(made.uuid) is None
    assert any(name.endswith(".vmdk") for name in files_of(vcenter, made.uuid))


def test_removal_that_keeps_disks_and_died_is_ended_so(
    driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, vcenter: VCenter
) -> None:
    made = driver.spawn(make_spec(), new_op())
    with vcenter.failing("Destroy_Task", fault="InvalidState"), pytest.raises(VirtError) as caught:
        driver.destroy(made.ref, new_op(), disks=DiskPolicy.KEEP)
    assert [left.uuid for left in caught.value.leftovers] == [made.uuid]
    assert driver.instance(made.ref, fresh=True).lifecycle is Lifecycle.DELETING
    assert driver.destroy(made.ref, new_op()) is True
    assert f"{made.uuid}.vmdk" in files_of(vcenter, made.uuid)


# --- whose ------------------------------------------------------------------------------------------------------------


def test_guest_of_another_owner(
    make_driver: MakeDriver, driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec
) -> None:
    theirs = make_driver(owner="somebody")
    everything = make_driver(manage=Manage.ALL)
    made = theirs.spawn(make_spec(power_on=False), new_op())
    for refused in (driver, everything):
        with pytest.raises(PermissionDenied):
            refused.destroy(made.ref, new_op())
    with pytest.raises(PermissionDenied):
        driver.destroy(made.ref, new_op(), foreign=True)
    assert theirs.instance(made.ref, fresh=True) == made
    assert everything.destroy(made.ref, new_op(), foreign=True) is True
    assert theirs.destroy(made.ref, new_op()) is False


def test_unfinished_guest_of_another_owner(
    make_driver: MakeDriver, driver: VmwareDriver, new_op: NewOp, make_spec: MakeSpec, vcenter: VCenter
) -> None:
    theirs = make_driver(owner="somebody")
    spec = make_spec()
    with (
        vcenter.failing("PowerOnVM_Task", fault="InvalidArgument"),
        vcenter.failing("Destroy_Task", fault="InvalidState"),
        pytest.raises(VirtError),
    ):
        theirs.spawn(spec, new_op())
    assert driver.leftovers() == []
    with pytest.raises(PermissionDenied):
        driver.destroy(InstanceRef(uuid=spec.uuid), new_op())
    assert [left.uuid for left in theirs.leftovers()] == [spec.uuid]
    assert theirs.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True
    assert theirs.leftovers() == []


# --- at the same time -------------------------------------------------------------------------------------------------


def test_many_remove_one_guest(make_driver: MakeDriver, new_op: NewOp, make_spec: MakeSpec) -> None:
    drivers = [make_driver() for _ in range(4)]
    made = drivers[0].spawn(make_spec(), new_op())
    meeting = threading.Barrier(4)
    answers: list[object] = []

    def destroy(number: int) -> None:
        meeting.wait(60)
        try:
            answers.append(drivers[number].destroy(made.ref, new_op()))
        except VirtError as error:
            answers.append(error)

    threads = [threading.Thread(target=destroy, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(isinstance(answer, bool) for answer in answers), answers
    assert sum(map(bool, answers)) == 1
    with pytest.raises(InstanceNotFound):
        drivers[1].instance(made.ref, fresh=True)


def test_destroy_waits_for_a_living_spawn_and_says_whose(
    make_driver: MakeDriver, operation: Callable[..., Operation[Any]], make_spec: MakeSpec, new_op: NewOp
) -> None:
    """While another connection makes the guest, destroy waits, and is Busy in the end; nothing is a leftover."""
    first, second = make_driver(), make_driver()
    spec = make_spec()
    side = DriverSide(operation())
    announce = side.stage
    seen: list[object] = []

    def staged(name: Any, *args: Any) -> None:
        announce(name, *args)
        if name is Stage.BEFORE_START:
            seen.append(second.leftovers())
            with pytest.raises(Busy) as caught:
                second.destroy(InstanceRef(uuid=spec.uuid), DriverSide(operation(3.0)))
            seen.append(caught.value.holder)

    side.stage = staged  # type: ignore[assignment]
    made = first.spawn(spec, side)
    assert (made.power_state, made.lifecycle) == (PowerState.RUNNING, Lifecycle.READY)
    assert seen[0] == []
    assert "pid" in str(seen[1])
    assert second.destroy(made.ref, new_op()) is True


def test_spawn_and_destroy_at_once(make_driver: MakeDriver, new_op: NewOp, make_spec: MakeSpec) -> None:
    """A spawn and a destroy of one guest at once: it is whole or gone, whoever comes first."""
    first, second = make_driver(), make_driver()
    for _ in range(3):
        spec = make_spec()
        ended = threading.Thread(target=first.spawn, args=(spec, new_op()))
        ended.start()
        second.destroy(InstanceRef(uuid=spec.uuid), new_op())
        ended.join(120)
        there = [guest for guest in second.instances(fresh=True) if guest.uuid == spec.uuid]
        assert [guest.lifecycle for guest in there] in ([], [Lifecycle.READY])
        second.destroy(InstanceRef(uuid=spec.uuid), new_op())
        assert spec.uuid not in {left.uuid for left in second.leftovers()}


def test_foreign_machine_with_a_uuid(
    driver: VmwareDriver, make_driver: MakeDriver, new_op: NewOp, native: Callable[[VCenter], Any], vcenter: VCenter
) -> None:
    """A machine of other making goes with manage="all" and foreign=True only."""
    machine = foreign_machine(native(vcenter).content.searchIndex)
    WaitForTask(machine.PowerOnVM_Task())
    ref = InstanceRef(uuid=uuid.UUID(machine.config.instanceUuid))
    with pytest.raises(PermissionDenied):
        driver.destroy(ref, new_op(), foreign=True)
    everything = make_driver(manage=Manage.ALL)
    with pytest.raises(PermissionDenied):
        everything.destroy(ref, new_op())
    assert everything.destroy(ref, new_op(), foreign=True) is True
    assert everything.destroy(ref, new_op(), foreign=True) is False
