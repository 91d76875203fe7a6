"""Live migrations in Nova's phases, between two worlds of the fake driver; what Nova carries goes over RPC."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from nova import exception, objects
from nova.objects import fields
from nova.objects.base import NovaObjectSerializer

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_bridge import live_migration
from nova_virt_bridge.networks import at_destination
from nova_virt_bridge.tickets import unpacked

RUNNING = 1


def sent(data: Any) -> Any:
    """Nova's data as they come out of an RPC message."""
    serializer = NovaObjectSerializer()
    return serializer.deserialize_entity(None, serializer.serialize_entity(None, data))


class Manager:
    """What nova-compute at the source does with the outcome."""

    def __init__(self, driver: Any, far: Any, instance: Any) -> None:
        self.driver, self.far, self.instance = driver, far, instance
        self.outcomes: list[str] = []

    def check(self) -> Any:
        """Both checks."""
        data = sent(self.far.check_can_live_migrate_destination(None, self.instance, {}, {}, False, False))
        decided = sent(self.driver.check_can_live_migrate_source(None, self.instance, data, {}))
        self.far.cleanup_live_migration_destination_check(None, data)
        assert self.far.check_source_migrate_data_at_dest(None, self.instance, decided, None, None, None) is decided
        return decided

    def prepare(self) -> Any:
        """Up to where the destination has made room."""
        return sent(self.far.pre_live_migration(None, self.instance, {}, [], None, self.check()))

    def move(self, data: Any) -> None:
        """The rest."""
        self.driver.live_migration(None, self.instance, "far", self._post, self._recover, False, data)

    def _post(self, context: Any, instance: Any, dest: str, block_migration: bool, migrate_data: Any) -> None:
        self.outcomes.append("completed")
        self.driver.post_live_migration(context, instance, {}, migrate_data)
        with pytest.raises(NotImplementedError):
            self.driver.post_live_migration_at_source(context, instance, [])
        self.driver.cleanup(context, instance, [], destroy_disks=True, migrate_data=migrate_data, destroy_vifs=True)
        self.far.post_live_migration_at_destination(context, instance, [], block_migration)

    def _recover(
        self, context: Any, instance: Any, dest: str, migrate_data: Any, migration_status: str = "failed"
    ) -> None:
        self.outcomes.append(migration_status)
        self.driver.rollback_live_migration_at_source(context, instance, migrate_data)
        self.far.rollback_live_migration_at_destination(context, instance, [], {}, migrate_data=sent(migrate_data))


@pytest.fixture
def far(driver: Any, make_driver: Any, world: str) -> Any:
    """The bridge's driver over another world."""
    return make_driver(world=f"{world}-far")


@pytest.fixture
def manager(driver: Any, far: Any, running: Any, monkeypatch: pytest.MonkeyPatch) -> Manager:
    """Moves an instance from one to the other."""
    monkeypatch.setattr(objects.Instance, "save", lambda instance: None)
    return Manager(driver, far, running)


@pytest.fixture
def kept(config: Any) -> Callable[[], list[Path]]:
    """The tickets that are kept for who comes after a crash."""
    from nova.conf import CONF

    return lambda: list(Path(CONF.nova_virt.state_dir, "nova-moves").glob("*"))


def seen(driver: Any, instance: Any) -> Any:
    """The guest at the endpoint."""
    return driver.compute.instance(UUID(instance.uuid), fresh=True)


@contextmanager
def moving(manager: Manager, switches: Any) -> Iterator[Any]:
    """A move that copies memory until the block ends."""
    data = manager.prepare()
    with switches.hang_at(Step.COPY_MEMORY) as hang:
        thread = threading.Thread(target=manager.move, args=(data,))
        thread.start()
        assert hang.wait_reached(60)
        yield hang
    thread.join(60)
    assert not thread.is_alive()


def test_moved(driver: Any, far: Any, running: Any, manager: Manager, kept: Any) -> None:
    manager.move(manager.prepare())
    assert manager.outcomes == ["completed"]
    assert not driver.instance_exists(running)
    guest = seen(far, running)
    assert (guest.lifecycle, guest.power_state.code) == (virt.Lifecycle.READY, RUNNING)
    assert (driver.list_instance_uuids(), far.list_instance_uuids()) == ([], [running.uuid])
    assert not driver.compute.leftovers()
    assert kept() == []


def test_ports_are_those_that_neutron_bound_to_the_destination(far: Any, manager: Manager, make_vif: Any) -> None:
    source = make_vif()
    source.update(type="ovs", details={}, profile={}, vnic_type="normal")
    ours = objects.VIFMigrateData(
        port_id=source["id"], vnic_type="normal", vif_type="ovs", profile={}, host="far", source_vif=source
    )
    ours.vif_details = {"bridge_name": "br-far"}
    data = manager.check()
    data.vifs = [ours]
    (there,) = at_destination(sent(data), [source])
    assert (there["id"], there["details"]) == (source["id"], {"bridge_name": "br-far"})
    data.vifs = []
    assert at_destination(sent(data), [source]) == (source,)
    assert at_destination(manager.check(), None) == ()


def test_the_checks_change_nothing(driver: Any, far: Any, running: Any, manager: Manager) -> None:
    manager.check()
    assert seen(driver, running).lifecycle is virt.Lifecycle.READY
    assert not far.instance_exists(running)
    assert not far.compute.leftovers()


def test_nova_asks_both_ends_to_clean_up(manager: Manager) -> None:
    from nova.compute.manager import ComputeManager

    flags = ComputeManager._live_migration_cleanup_flags(None, manager.prepare())  # of what it reads of such data
    assert flags == (True, True)
    assert "block_migration" not in manager.check()


def test_cancelled(driver: Any, far: Any, running: Any, manager: Manager, switches: Any, kept: Any) -> None:
    with moving(manager, switches):
        assert len(kept()) == 1
        driver.live_migration_abort(running)
    assert manager.outcomes == ["cancelled"]
    guest = seen(driver, running)
    assert (guest.lifecycle, guest.power_state.code) == (virt.Lifecycle.READY, RUNNING)
    assert not far.instance_exists(running)
    assert not far.compute.leftovers()
    assert kept() == []


def test_completed_at_the_guests_expense(driver: Any, running: Any, manager: Manager, switches: Any) -> None:
    with moving(manager, switches) as hang:
        driver.live_migration_force_complete(running)
        hang.release()
    assert manager.outcomes == ["completed"]


def test_nova_is_told_how_far_it_is(
    running: Any, manager: Manager, switches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, first = [], threading.Event()

    def save(instance: Any) -> None:
        told.append(instance.progress)
        first.set()

    monkeypatch.setattr(live_migration, "REPORT_SECONDS", 0.01)
    monkeypatch.setattr(objects.Instance, "save", save)
    with moving(manager, switches):
        assert first.wait(60)
    assert manager.outcomes == ["completed"]
    assert set(told) <= set(range(101))


def test_a_database_that_does_not_answer_does_not_end_the_move(
    far: Any, running: Any, manager: Manager, switches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest would go over while Nova rolls it back."""
    asked = threading.Event()

    def save(instance: Any) -> None:
        asked.set()
        raise exception.NovaException("the database does not answer")

    monkeypatch.setattr(live_migration, "REPORT_SECONDS", 0.01)
    monkeypatch.setattr(objects.Instance, "save", save)
    with moving(manager, switches):
        assert asked.wait(60)
    assert manager.outcomes == ["completed"]
    assert seen(far, running).lifecycle is virt.Lifecycle.READY


def test_what_could_not_be_rolled_back_is_at_the_next_start(
    driver: Any, running: Any, manager: Manager, switches: Any, make_driver: Any, kept: Any
) -> None:
    data = manager.prepare()
    switches.crash_at(Step.COPY_MEMORY)
    rolls_back, driver.rollback_live_migration_at_source = driver.rollback_live_migration_at_source, fail
    with pytest.raises(exception.HypervisorUnavailable):
        manager.move(data)
    assert seen(driver, running).lifecycle is virt.Lifecycle.MIGRATING
    assert len(kept()) == 1
    driver.rollback_live_migration_at_source = rolls_back
    assert seen(make_driver(), running).lifecycle is virt.Lifecycle.READY
    assert kept() == []


def fail(*_: Any) -> None:
    """What a driver answers whose endpoint is closed."""
    raise exception.HypervisorUnavailable("the endpoint is not open")


def test_failed(driver: Any, far: Any, running: Any, manager: Manager, switches: Any) -> None:
    data = manager.prepare()
    switches.fail_at(Step.COPY_MEMORY, virt.MigrationError("migrate", "the line is too thin"))
    manager.move(data)
    assert manager.outcomes == ["failed"]
    assert seen(driver, running).lifecycle is virt.Lifecycle.READY
    assert not far.instance_exists(running)


def test_a_guest_that_has_gone_over_is_not_rolled_back(driver: Any, far: Any, running: Any, manager: Manager) -> None:
    data = manager.prepare()
    manager.move(data)
    with pytest.raises(exception.MigrationError):
        far.rollback_live_migration_at_destination(None, running, [], {}, migrate_data=data)
    assert seen(far, running).power_state.code == RUNNING


def test_a_killed_process_is_looked_after(
    driver: Any, running: Any, manager: Manager, switches: Any, make_driver: Any, kept: Any
) -> None:
    data = manager.prepare()
    with driver.site.moves.under_way(UUID(running.uuid), unpacked(data, "migrate"), object):
        pass  # then it was killed
    again = make_driver()
    again.live_migration_abort(running)
    assert kept() == []
    assert seen(again, running).lifecycle is virt.Lifecycle.READY
    again.live_migration_abort(running)


def test_nothing_can_be_completed_that_is_not_under_way(driver: Any, running: Any) -> None:
    with pytest.raises(exception.MigrationError, match="no copying"):
        driver.live_migration_force_complete(running)


def test_a_destination_that_has_one_already(driver: Any, running: Any) -> None:
    with pytest.raises(exception.MigrationPreCheckError):
        driver.check_can_live_migrate_destination(None, running, {}, {})


def test_no_room_at_the_destination_leaves_nothing(driver: Any, far: Any, running: Any, manager: Manager) -> None:
    data = manager.check()
    with far.compute.native() as native:
        native.fail_at(Step.PREPARE_MIGRATION, virt.NoCapacity("MEMORY_MB", "it is full"))
    with pytest.raises(exception.MigrationPreCheckError, match="full"):
        far.pre_live_migration(None, running, {}, [], None, data)
    assert not far.compute.leftovers()
    assert seen(driver, running).lifecycle is virt.Lifecycle.READY


@pytest.mark.parametrize("kind", ["LibvirtLiveMigrateData", "VMwareLiveMigrateData"])
def test_what_another_driver_sent_is_refused(driver: Any, running: Any, kind: str) -> None:
    with pytest.raises(exception.MigrationPreCheckError, match="no ticket"):
        driver.check_can_live_migrate_source(None, running, getattr(objects, kind)())


def test_between_two_nodes_of_one_endpoint(make_driver: Any, make_instance: Any, images: Any, spawn: Any) -> None:
    driver = make_driver(nodes="a,b", world="two-nodes-live")
    instance = make_instance(node="a")
    spawn(driver, instance)
    manager = Manager(driver, driver, instance)
    offer = driver.check_can_live_migrate_destination(None, instance, {}, {"hypervisor_hostname": "b"})
    data = driver.check_can_live_migrate_source(None, instance, sent(offer))
    manager.move(sent(driver.pre_live_migration(None, instance, {}, [], None, data)))
    assert manager.outcomes == ["completed"]
    assert seen(driver, instance).node == "b"
    driver.destroy(None, instance, [])


@pytest.fixture
def left(driver: Any, running: Any) -> Callable[[Any], None]:
    """Leaves the ticket of a move, as a killed process does."""

    def leave(data: Any) -> None:
        with driver.site.moves.under_way(UUID(running.uuid), unpacked(data, "migrate"), lambda: None):
            pass

    return leave


def test_a_ticket_that_was_left_goes_with_its_guest(
    driver: Any, running: Any, manager: Manager, left: Any, kept: Any
) -> None:
    left(manager.prepare())
    assert len(kept()) == 1
    driver.destroy(None, running, [])
    assert kept() == []


def test_a_ticket_that_was_left_is_forgotten_where_nova_says_that_the_guest_has_gone_over(
    driver: Any, far: Any, running: Any, manager: Manager, left: Any, kept: Any
) -> None:
    data = manager.prepare()
    manager.move(data)
    for end in (
        partial(driver.post_live_migration, None, running, {}, data),
        partial(far.post_live_migration_at_destination, None, running, []),
    ):
        left(data)
        assert len(kept()) == 1
        end()
        assert kept() == []


def topology(*host_cpus: int, cell: int = 0) -> Any:
    """What Nova claims of a host: a processor for each virtual CPU, in one cell."""
    only = objects.InstanceNUMACell(
        id=cell,
        cpuset=set(),
        pcpuset=set(range(len(host_cpus))),
        memory=512,
        cpu_policy=fields.CPUAllocationPolicy.DEDICATED,
        cpu_pinning=dict(enumerate(host_cpus)),
    )
    return objects.InstanceNUMATopology(cells=[only])


@pytest.fixture
def pinned(
    driver: Any, far: Any, make_instance: Any, images: Any, spawn: Any, monkeypatch: pytest.MonkeyPatch
) -> Manager:
    """Moves an instance with processors of its host for itself."""
    monkeypatch.setattr(objects.Instance, "save", lambda instance: None)
    first = far.compute.inventory().cells[0].dedicated[0]
    instance = make_instance(numa_topology=topology(first, first + 1))
    spawn(driver, instance)
    return Manager(driver, far, instance)


def machine(driver: Any, instance: Any) -> Any:
    """The machine that the guest is."""
    with driver.compute.native() as native:
        return native.outside.parts(UUID(instance.uuid)).guest.machine


def test_the_processors_that_nova_claims_at_the_destination(driver: Any, far: Any, pinned: Manager) -> None:
    data, instance = pinned.check(), pinned.instance
    assert (data.dst_supports_numa_live_migration, data.src_supports_numa_live_migration) == (True, True)
    before = machine(driver, instance)
    claimed = tuple(cpu + 2 for cpu in reversed(before.cpu.host_cpus))
    claim = SimpleNamespace(claimed_numa_topology=topology(*claimed))
    data = sent(far.post_claim_migrate_data(None, instance, data, claim))
    pinned.move(sent(far.pre_live_migration(None, instance, {}, [], None, data)))
    assert pinned.outcomes == ["completed"]
    after = machine(far, instance)
    assert (after.cpu.dedicated, after.cpu.host_cpus) == (True, claimed)
    assert [cell.host_cell for cell in after.numa] == [0]


def test_a_claim_of_pages_of_several_sizes_is_carried(far: Any, make_instance: Any) -> None:
    claimed = objects.InstanceNUMATopology(cells=[*topology(7, cell=1).cells, *topology(cell=0).cells])
    claimed.cells[0].pagesize = 4
    claimed.cells[1].pagesize = None
    claim = SimpleNamespace(claimed_numa_topology=claimed)
    data = far.post_claim_migrate_data(None, make_instance(), objects.LibvirtLiveMigrateData(), claim)
    assert data.dst_numa_info.cpu_pins == {"0": {7}}
    assert data.dst_numa_info.cell_pins == {"0": {1}, "1": {0}}


def test_a_claim_of_no_cell_is_refused_before_the_move(far: Any, make_instance: Any) -> None:
    claim = SimpleNamespace(claimed_numa_topology=topology(7, cell=-1))
    with pytest.raises(exception.MigrationPreCheckError, match="has chosen no NUMA cell"):
        far.post_claim_migrate_data(None, make_instance(), objects.LibvirtLiveMigrateData(), claim)


def test_without_a_claim_it_stays(driver: Any, far: Any, pinned: Manager) -> None:
    data = pinned.check()
    with pytest.raises(exception.MigrationPreCheckError, match="has claimed no processors"):
        far.pre_live_migration(None, pinned.instance, {}, [], None, data)
    assert seen(driver, pinned.instance).power_state.code == RUNNING
    assert far.compute.instances() == ()
    assert far.compute.leftovers() == []
