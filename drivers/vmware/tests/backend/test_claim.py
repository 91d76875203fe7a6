"""One uuid is one virtual machine, under any number of those who ask for it."""

import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Ambiguous, Busy, InstanceExists
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.record import Record, fingerprint
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_vmware import template
from nova_virt_vmware.claim import Claims
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.errors import NameTaken
from nova_virt_vmware.hold import option
from nova_virt_vmware.record import KEY, GuestRecord
from tools.vcsim import VCenter

MakeDriver = Callable[..., VmwareDriver]
NewOp = Callable[[], DriverSide]
MakeSpec = Callable[..., InstanceSpec]

THREADS: Final = 20
PROCESSES: Final = 2
FIND: Final = "nova_virt_vmware.spawn.find_source"
OWNER: Final = "nova-virt-tests"
FOLDER: Final = f"/DC0/vm/nova-virt-{OWNER}"


@pytest.fixture
def new_op(operation: Callable[..., Operation[Any]]) -> NewOp:
    """Makes operations."""
    return lambda: DriverSide(operation(120.0))


@pytest.fixture
def index(vcenter: VCenter, native: Callable[[VCenter], Any]) -> Any:
    """The shared vCenter's ``SearchIndex``, past the driver."""
    return native(vcenter).content.searchIndex


def machines(index: Any, guest: uuid.UUID) -> list[Any]:
    """The virtual machines that bear a uuid."""
    return list(index.FindAllByUuid(uuid=str(guest), vmSearch=True, instanceUuid=True))


def test_many_threads_and_processes_get_one_machine(
    make_driver: MakeDriver, make_spec: MakeSpec, new_op: NewOp, vcenter: VCenter, index: Any
) -> None:
    """Ten drivers, two threads each, and two processes ask for the same guest; there is one, and they all get it."""
    spec = make_spec()
    drivers = [make_driver() for _ in range(THREADS // 2)]
    before = vcenter.calls["CloneVM_Task"]
    command = [sys.executable, str(Path(__file__).with_name("dying.py"))]
    asked = json.dumps({"options": vcenter.options, "verb": "spawn", "guest": str(spec.uuid), "at": 0}) + "\n"
    meeting = threading.Barrier(THREADS)

    def ask(number: int) -> str:
        meeting.wait(60)
        return drivers[number % len(drivers)].spawn(spec, new_op()).native_id

    def apart(_: int) -> str:
        answer = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=180, check=True)
        return answer.stdout.split()[-1]

    with ThreadPoolExecutor(PROCESSES) as processes, ThreadPoolExecutor(THREADS) as threads:
        others = processes.map(apart, range(PROCESSES))
        made = Counter([*threads.map(ask, range(THREADS)), *others])
    (machine,) = machines(index, spec.uuid)
    assert made == {machine._moId: THREADS + PROCESSES}
    assert drivers[0].leftovers() == []
    assert drivers[0].instance(InstanceRef(uuid=spec.uuid), fresh=True).lifecycle is Lifecycle.READY
    assert vcenter.calls["CloneVM_Task"] - before < 10 * (THREADS + PROCESSES)


def test_the_second_of_two_who_saw_nothing_gives_way(
    make_driver: MakeDriver, make_spec: MakeSpec, new_op: NewOp, vcenter: VCenter, index: Any, monkeypatch: Any
) -> None:
    """Whoever looked before the other was there, and makes a machine after it was finished, removes its own."""
    first, second = make_driver(), make_driver()
    spec = make_spec()
    looking = template.find_source
    made: list[str] = []

    def look_and_let_the_other_pass(*args: Any) -> Any:
        monkeypatch.setattr(FIND, looking)
        made.append(first.spawn(spec, new_op()).native_id)
        return looking(*args)

    monkeypatch.setattr(FIND, look_and_let_the_other_pass)
    before = vcenter.calls["CloneVM_Task"]
    assert second.spawn(spec, new_op()).native_id == made[0]
    assert [machine._moId for machine in machines(index, spec.uuid)] == made
    assert vcenter.calls["CloneVM_Task"] - before == 2
    assert index.FindByInventoryPath(f"{FOLDER}/{spec.uuid}") is None


def test_two_folders(
    make_driver: MakeDriver, make_spec: MakeSpec, new_op: NewOp, index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no name is in the way, as between datacenters, those who ask at once still make one guest."""
    root = index.FindByInventoryPath("/DC0/vm")
    folders = iter([root.CreateFolder(f"apart-{uuid.uuid4()}")._moId for _ in range(2)] * 50)
    monkeypatch.setattr("nova_virt_vmware.spawn.ensure_owner_folder", lambda *_: next(folders))
    drivers = [make_driver() for _ in range(2)]
    meeting = threading.Barrier(2)
    guest = uuid.uuid4()

    def ask(number: int) -> str | None:
        spec = make_spec(uuid=guest, placement=Placement(node="DC0_C0", pool=f"LocalDS_{number}"))
        meeting.wait(60)
        try:
            return drivers[number].spawn(spec, new_op()).native_id
        except InstanceExists:
            return None

    with ThreadPoolExecutor(2) as threads:
        made = [outcome for outcome in threads.map(ask, range(2)) if outcome is not None]
    assert [machine._moId for machine in machines(index, guest)] == made
    assert len(made) == 1


def test_copy_is_foreign_and_its_original_ours(
    driver: VmwareDriver, make_spec: MakeSpec, op: DriverSide, index: Any
) -> None:
    """vCenter gives a copy an ``instanceUuid`` of its own, so the record that it took along says nothing of it."""
    made = driver.spawn(make_spec(power_on=False), op)
    (machine,) = machines(index, made.uuid)
    task = machine.CloneVM_Task(folder=machine.parent, name=f"copy-{uuid.uuid4()}", spec=clone_spec(machine))
    copy = wait(task)
    assert KEY in {option.key for option in copy.config.extraConfig}
    shown = driver.instance(InstanceRef(uuid=uuid.UUID(copy.config.instanceUuid)), fresh=True)
    assert (shown.owner, shown.lifecycle) == (None, Lifecycle.READY)
    assert driver.destroy(made.ref, op)
    assert wait(copy.Destroy_Task()) is None


def test_two_who_bear_one_uuid_are_ambiguous(
    driver: VmwareDriver, make_spec: MakeSpec, op: DriverSide, index: Any
) -> None:
    """Two finished machines of one uuid are touched by nobody who names the uuid alone."""
    spec = make_spec(power_on=False)
    made = driver.spawn(spec, op)
    (machine,) = machines(index, made.uuid)
    twin = wait(machine.CloneVM_Task(folder=machine.parent, name=f"twin-{uuid.uuid4()}", spec=clone_spec(machine)))
    wait(twin.ReconfigVM_Task(vim.vm.ConfigSpec(instanceUuid=str(made.uuid))))
    for verb in (lambda: driver.spawn(spec, op), lambda: driver.destroy(InstanceRef(uuid=made.uuid), op)):
        with pytest.raises(Ambiguous):
            verb()
    assert len(machines(index, made.uuid)) == 2
    assert driver.destroy(InstanceRef(uuid=made.uuid, native_id=twin._moId), op) is True
    assert [each._moId for each in machines(index, made.uuid)] == [made.native_id]


def test_machine_of_other_making_under_the_claims_name(
    driver: VmwareDriver, make_spec: MakeSpec, op: DriverSide, index: Any
) -> None:
    """Somebody's machine that has a guest's uuid as its name in the owner's folder is not touched."""
    driver.spawn(make_spec(power_on=False), op)  # makes the folder
    spec = make_spec(power_on=False)
    folder = index.FindByInventoryPath(FOLDER)
    small = index.FindByInventoryPath("/DC0/vm/small")
    pool = index.FindByInventoryPath("/DC0/host/DC0_C0").resourcePool
    foreign = wait(small.CloneVM_Task(folder=folder, name=str(spec.uuid), spec=clone_spec(small, pool)))
    with pytest.raises(InstanceExists, match=str(spec.uuid)):
        driver.spawn(spec, op)
    assert driver.destroy(InstanceRef(uuid=spec.uuid), op) is False
    assert driver.leftovers() == []
    assert foreign.name == str(spec.uuid)
    wait(foreign.Destroy_Task())


def unrecorded(index: Any, spec: InstanceSpec) -> Any:
    """What a maker leaves that dies while the server has written no record yet."""
    small = index.FindByInventoryPath("/DC0/vm/small")
    pool = index.FindByInventoryPath("/DC0/host/DC0_C0").resourcePool
    asked = clone_spec(small, pool)
    asked.config = vim.vm.ConfigSpec(instanceUuid=str(spec.uuid))
    return wait(small.CloneVM_Task(folder=index.FindByInventoryPath(FOLDER), name=str(spec.uuid), spec=asked))


@pytest.mark.parametrize("then", ["spawn", "destroy"])
def test_remains_without_a_record(
    driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any, then: str
) -> None:
    """A machine under the bare uuid in the owner's folder is remains, while the server makes none."""
    driver.spawn(make_spec(power_on=False), new_op())  # makes the folder
    spec = make_spec()
    left = unrecorded(index, spec)
    assert [leftover.uuid for leftover in driver.leftovers()] == [spec.uuid]
    if then == "spawn":
        assert driver.spawn(spec, new_op()).native_id != left._moId
    assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True
    assert machines(index, spec.uuid) == []
    assert driver.leftovers() == []


def test_machine_without_a_record_is_somebodys_while_the_server_makes_any(
    driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any, vcenter: VCenter, operation: Any
) -> None:
    """It may get its record yet: it is waited for, and is no leftover."""
    driver.spawn(make_spec(power_on=False), new_op())  # makes the folder
    spec = make_spec()
    left = unrecorded(index, spec)
    small = index.FindByInventoryPath("/DC0/vm/small")
    pool = index.FindByInventoryPath("/DC0/host/DC0_C0").resourcePool
    with vcenter.holding("CloneVM_Task"):
        other = small.CloneVM_Task(folder=small.parent, name=f"other-{uuid.uuid4()}", spec=clone_spec(small, pool))
        assert driver.leftovers() == []
        for verb in (driver.destroy, lambda ref, op: driver.spawn(spec, op)):
            with pytest.raises(Busy):
                verb(InstanceRef(uuid=spec.uuid), DriverSide(operation(3.0)))
        assert [machine._moId for machine in machines(index, spec.uuid)] == [left._moId]
    wait(wait(other).Destroy_Task())
    assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True


def test_what_is_cloned_later_makes_nothing_that_was_there_before(
    driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any, vcenter: VCenter
) -> None:
    """A server that always clones something puts nobody off for ever."""
    driver.spawn(make_spec(power_on=False), new_op())  # makes the folder
    spec = make_spec()
    unrecorded(index, spec)
    small = index.FindByInventoryPath("/DC0/vm/small")
    pool = index.FindByInventoryPath("/DC0/host/DC0_C0").resourcePool
    others = []
    for leftovers in ([], [spec.uuid]):
        with vcenter.holding("CloneVM_Task"):
            name = f"other-{uuid.uuid4()}"
            others.append(small.CloneVM_Task(folder=small.parent, name=name, spec=clone_spec(small, pool)))
            assert [leftover.uuid for leftover in driver.leftovers()] == leftovers
            if leftovers:
                assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True
        wait(wait(others[-1]).Destroy_Task())
    assert machines(index, spec.uuid) == []
    assert driver.leftovers() == []


def test_guest_and_remains_of_one_uuid(driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any) -> None:
    """As when somebody died who was about to give way: both go."""
    spec = make_spec(power_on=False)
    driver.spawn(spec, new_op())
    unrecorded(index, spec)
    assert len(machines(index, spec.uuid)) == 2
    assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True
    assert machines(index, spec.uuid) == []
    assert driver.leftovers() == []


@pytest.fixture
def distinct_uuids(vcenter: VCenter) -> Iterator[None]:
    """Lets the shared vCenter change what is to be a second machine of one uuid."""
    vcenter.order("distinct uuids", on=True)
    yield
    vcenter.order("distinct uuids", on=False)


def left_by_a_loser(index: Any, spec: InstanceSpec, owner: str) -> Any:
    """What a maker leaves that dies after another has made the guest, in a server that changed its uuid."""
    small = index.FindByInventoryPath("/DC0/vm/small")
    asked = clone_spec(small, index.FindByInventoryPath("/DC0/host/DC0_C0").resourcePool)
    record = GuestRecord(record=Record(uuid=spec.uuid, owner=owner, fingerprint=fingerprint(spec)), name=spec.name)
    asked.config = vim.vm.ConfigSpec(instanceUuid=str(spec.uuid), extraConfig=[option(KEY, record.encode())])
    return wait(small.CloneVM_Task(folder=index.FindByInventoryPath(FOLDER), name=str(spec.uuid), spec=asked))


@pytest.mark.usefixtures("distinct_uuids")
@pytest.mark.parametrize("then", ["spawn", "destroy"])
def test_remains_whose_uuid_the_server_changed(
    driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any, then: str
) -> None:
    spec = make_spec(power_on=False)
    made = driver.spawn(spec, new_op())
    left = left_by_a_loser(index, spec, OWNER)
    assert left.config.instanceUuid != str(spec.uuid)
    assert [leftover.uuid for leftover in driver.leftovers()] == [spec.uuid]
    if then == "spawn":
        assert driver.spawn(spec, new_op()).native_id == made.native_id
        assert driver.leftovers() == []
    assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True
    assert index.FindByInventoryPath(f"{FOLDER}/{spec.uuid}") is None
    assert machines(index, spec.uuid) == []
    assert driver.leftovers() == []


@pytest.mark.usefixtures("distinct_uuids")
def test_remains_whose_uuid_the_server_changed_are_their_owners_only(
    driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any
) -> None:
    spec = make_spec(power_on=False)
    driver.spawn(spec, new_op())
    left = left_by_a_loser(index, spec, "somebody")
    assert driver.leftovers() == []
    assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True
    assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is False
    assert left.name == str(spec.uuid)
    wait(left.Destroy_Task())


@pytest.mark.usefixtures("distinct_uuids")
def test_name_that_such_remains_have_is_not_anothers(
    driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any
) -> None:
    """Whoever runs into the name looks again, and finds what is to be removed."""
    spec = make_spec(power_on=False)
    driver.spawn(spec, new_op())
    left = left_by_a_loser(index, spec, OWNER)
    taken = NameTaken("taken", str(spec.uuid), left._moId)
    Claims(driver.site, spec.uuid, "token", new_op()).refuse_name(taken)
    with pytest.raises(InstanceExists):
        Claims(driver.site, uuid.uuid4(), "token", new_op()).refuse_name(taken)
    assert driver.destroy(InstanceRef(uuid=spec.uuid), new_op()) is True


@pytest.mark.usefixtures("distinct_uuids")
def test_the_second_gives_way_also_where_its_uuid_is_changed(
    make_driver: MakeDriver, make_spec: MakeSpec, new_op: NewOp, index: Any, monkeypatch: Any
) -> None:
    first, second = make_driver(), make_driver()
    spec = make_spec()
    looking = template.find_source
    made: list[str] = []

    def look_and_let_the_other_pass(*args: Any) -> Any:
        monkeypatch.setattr(FIND, looking)
        made.append(first.spawn(spec, new_op()).native_id)
        return looking(*args)

    monkeypatch.setattr(FIND, look_and_let_the_other_pass)
    assert second.spawn(spec, new_op()).native_id == made[0]
    assert [machine._moId for machine in machines(index, spec.uuid)] == made
    assert index.FindByInventoryPath(f"{FOLDER}/{spec.uuid}") is None


def test_spawn_whose_machine_is_taken_away_says_so(
    driver: VmwareDriver, make_spec: MakeSpec, new_op: NewOp, index: Any
) -> None:
    """Whoever is thought to be dead and is not finds that its machine has vanished, and leaves nothing."""
    spec = make_spec()
    op = new_op()
    announce = op.stage

    def staged(name: Any, *args: Any) -> None:
        announce(name, *args)
        if name is Stage.BEFORE_START:
            wait(machines(index, spec.uuid)[0].Destroy_Task())

    op.stage = staged  # type: ignore[assignment]
    with pytest.raises(Busy):
        driver.spawn(spec, op)
    assert machines(index, spec.uuid) == []
    assert driver.leftovers() == []


def test_lease_is_renewed_while_the_spawn_waits(
    driver: VmwareDriver,
    make_spec: MakeSpec,
    new_op: NewOp,
    index: Any,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., None],
) -> None:
    monkeypatch.setattr("nova_virt_vmware.hold.LEASE", 3.0)
    spec = make_spec()
    op = new_op()
    announce = op.stage

    def until() -> float:
        return lease_of(machines(index, spec.uuid)[0])

    def staged(name: Any, *args: Any) -> None:
        announce(name, *args)
        if name is Stage.BEFORE_START:
            before = until()
            eventually(lambda: until() > before, "the lease is renewed")

    op.stage = staged  # type: ignore[assignment]
    assert driver.spawn(spec, op).lifecycle is Lifecycle.READY


def test_lease_lasts_while_a_copy_may(
    driver: VmwareDriver, make_spec: MakeSpec, operation: Callable[..., Operation[Any]], index: Any
) -> None:
    """Nothing can be written into a record before the copy has ended; right after, the lease is the usual."""
    spec = make_spec()
    op = DriverSide(operation(3600.0))
    announce = op.stage
    leases: dict[object, float] = {}

    def staged(name: Any, *args: Any) -> None:
        announce(name, *args)
        if name in (Stage.DEFINE, Stage.BEFORE_START):
            leases[name] = lease_of(machines(index, spec.uuid)[0]) - time.time()

    op.stage = staged  # type: ignore[assignment]
    driver.spawn(spec, op)
    assert leases[Stage.DEFINE] > op.remaining()
    assert leases[Stage.BEFORE_START] < op.remaining()
    assert driver.destroy(InstanceRef(uuid=spec.uuid), op) is True


def lease_of(machine: Any) -> float:
    """Until when its holder is taken for alive, in seconds since the epoch."""
    options = {option.key: option.value for option in machine.config.extraConfig}
    return float(json.loads(options[KEY])["lease_until"])


def clone_spec(machine: Any, pool: Any = None) -> Any:
    """What copies a machine as it is."""
    return vim.vm.CloneSpec(
        location=vim.vm.RelocateSpec(pool=pool or machine.resourcePool), powerOn=False, template=False
    )


def wait(task: Any) -> Any:
    """A task's result."""
    WaitForTask(task)
    return task.info.result
