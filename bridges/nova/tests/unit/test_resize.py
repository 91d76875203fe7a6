"""Resizes and cold migrations in Nova's phases, between two worlds of the fake driver and within one."""

from typing import Any
from uuid import UUID

import pytest
from nova import exception, objects
from nova.compute import task_states
from nova.objects import fields

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_bridge.kept import stays_arranged

RUNNING, SHUTDOWN = 1, 4
DEST = "192.0.2.99"
PENDING, READY = virt.Lifecycle.RESIZE_PENDING, virt.Lifecycle.READY


@pytest.fixture
def far(driver: Any, make_driver: Any, world: str) -> Any:
    """The bridge's driver over another world."""
    return make_driver(world=f"{world}-far")


@pytest.fixture
def larger() -> Any:
    """Makes flavors."""

    def make(**more: Any) -> Any:
        shape = {"vcpus": 4, "memory_mb": 1024, "root_gb": 5, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
        return objects.Flavor(id=2, flavorid="2", name="large", **shape | more)

    return make


@pytest.fixture
def leave(larger: Any) -> Any:
    """Calls a driver's first phase as nova-compute does."""

    def call(driver: Any, instance: Any, dest: str = DEST, **flavor: Any) -> Any:
        return driver.migrate_disk_and_power_off(None, instance, dest, larger(**flavor), [], {}, 5, 1)

    return call


@pytest.fixture
def arrive(request_context: Any, image_meta: Any, larger: Any) -> Any:
    """Calls a driver's second phase as nova-compute does."""

    def call(driver: Any, instance: Any, disk_info: Any, *, power_on: bool = True, **more: Any) -> None:
        instance.flavor = larger()
        driver.finish_migration(
            request_context, None, instance, disk_info, [], image_meta, True, {}, more.get("devices", {}), power_on
        )

    return call


def seen(driver: Any, instance: Any) -> Any:
    """The guest at the endpoint."""
    return driver.compute.instance(UUID(instance.uuid), fresh=True)


def test_moved_grown_and_confirmed(driver: Any, far: Any, running: Any, leave: Any, arrive: Any) -> None:
    carried = leave(driver, running)
    assert isinstance(carried, str)
    assert (seen(driver, running).lifecycle, driver.list_instances()) == (PENDING, [])
    arrive(far, running, carried)
    guest = seen(far, running)
    assert (guest.vcpus, guest.memory_bytes, guest.power_state.code) == (4, virt.MiB(1024), RUNNING)
    with far.compute.native() as native:
        (disk,) = native.outside.parts(guest).volumes
    assert disk.size_bytes == virt.GiB(5)
    driver.confirm_migration(None, None, running, [])
    assert not driver.instance_exists(running)
    assert far.list_instance_uuids() == [running.uuid]


@pytest.mark.parametrize("power_on", [True, False])
def test_reverted(driver: Any, far: Any, running: Any, leave: Any, arrive: Any, power_on: bool) -> None:
    arrive(far, running, leave(driver, running))
    running.task_state = task_states.RESIZE_REVERTING
    far.destroy(None, running, [])
    assert not far.instance_exists(running)
    driver.finish_revert_migration(None, running, [], None, {}, power_on)
    guest = seen(driver, running)
    assert (guest.lifecycle, guest.vcpus) == (READY, 2)
    assert guest.power_state.code == (RUNNING if power_on else SHUTDOWN)
    assert driver.list_instance_uuids() == [running.uuid]


def test_resized_in_its_place_and_reverted(driver: Any, running: Any, leave: Any, arrive: Any) -> None:
    arrive(driver, running, leave(driver, running, driver.get_host_ip_addr()))
    assert (seen(driver, running).vcpus, seen(driver, running).lifecycle) == (4, PENDING)
    running.task_state = task_states.RESIZE_REVERTING
    driver.destroy(None, running, [])
    driver.finish_revert_migration(None, running, [], None, {}, True)
    guest = seen(driver, running)
    assert (guest.vcpus, guest.lifecycle, guest.power_state.code) == (2, READY, RUNNING)


def test_a_server_that_is_deleted_while_it_waits_goes(driver: Any, running: Any, leave: Any, arrive: Any) -> None:
    arrive(driver, running, leave(driver, running, driver.get_host_ip_addr()))
    running.task_state = task_states.DELETING
    driver.destroy(None, running, [])
    assert not driver.instance_exists(running)


def test_a_server_that_was_off_stays_off(driver: Any, far: Any, running: Any, leave: Any, arrive: Any) -> None:
    driver.power_off(running)
    arrive(far, running, leave(driver, running), power_on=False)
    assert seen(far, running).power_state.code == SHUTDOWN


@pytest.mark.parametrize("flavor", [{"root_gb": 2}, {"root_gb": 0}])
def test_disks_do_not_shrink_and_the_guest_is_not_stopped_for_it(
    driver: Any, running: Any, leave: Any, flavor: Any
) -> None:
    with pytest.raises(exception.InstanceFaultRollback) as caught:
        leave(driver, running, **flavor)
    assert isinstance(caught.value.inner_exception, exception.ResizeError)
    assert seen(driver, running).power_state.code == RUNNING


def test_ephemeral_disks_do_not_shrink(driver: Any, running: Any, leave: Any) -> None:
    running.flavor.ephemeral_gb = 1
    with pytest.raises(exception.InstanceFaultRollback, match="ephemeral_gb"):
        leave(driver, running)


def test_a_guest_that_starts_from_a_volume_has_no_root_disk_to_shrink(driver: Any, running: Any, larger: Any) -> None:
    devices = {"block_device_mapping": [{"boot_index": 0, "connection_info": {}}]}
    running.flavor.root_gb = 5
    assert driver.migrate_disk_and_power_off(None, running, DEST, larger(root_gb=0), [], devices)


def test_a_guest_that_cannot_be_prepared_runs_again(driver: Any, running: Any, switches: Any, leave: Any) -> None:
    switches.fail_at(Step.PREPARE_RESIZE, virt.Busy("somebody else works on it"))
    with pytest.raises(exception.InstanceFaultRollback) as caught:
        leave(driver, running)
    assert isinstance(caught.value.inner_exception, exception.InstanceNotReady)
    guest = seen(driver, running)
    assert (guest.power_state.code, guest.lifecycle) == (RUNNING, READY)


def test_where_it_is_not_known_what_became_of_it_nova_is_told(
    driver: Any, running: Any, switches: Any, leave: Any
) -> None:
    unknown = virt.ConnectionLost("the line is dead", state_after=virt.StateAfter.UNKNOWN)
    switches.fail_at(Step.PREPARE_RESIZE, unknown)
    with pytest.raises(exception.HypervisorUnavailable):
        leave(driver, running)


def test_an_endpoint_that_does_not_resize_stops_no_guest(driver: Any, running: Any, switches: Any, leave: Any) -> None:
    switches.withdraw(virt.Feature.COLD_MIGRATION, "no way out")
    with pytest.raises(NotImplementedError):
        leave(driver, running)
    switches.withdraw(virt.Capability.RESIZE, "no tailor")
    with pytest.raises(NotImplementedError):
        leave(driver, running, driver.get_host_ip_addr())
    assert seen(driver, running).power_state.code == RUNNING


def test_what_another_driver_sent_is_refused(driver: Any, running: Any, arrive: Any) -> None:
    with pytest.raises(exception.MigrationError, match="no ticket"):
        arrive(driver, running, '[{"type": "qcow2"}]')


def test_a_process_that_was_killed_in_the_first_phase_is_reverted(driver: Any, running: Any, leave: Any) -> None:
    driver.power_off(running)
    driver.finish_revert_migration(None, running, [], None, {}, True)
    assert seen(driver, running).power_state.code == RUNNING
    leave(driver, running)
    driver.finish_revert_migration(None, running, [], None, {}, True)
    guest = seen(driver, running)
    assert (guest.power_state.code, guest.lifecycle) == (RUNNING, READY)


def test_to_another_cell_and_back(driver: Any, running: Any) -> None:
    running.task_state = task_states.RESIZE_MIGRATING
    driver.power_off(running)
    driver.destroy(None, running, [], destroy_disks=False)
    assert seen(driver, running).lifecycle is PENDING
    driver.finish_revert_migration(None, running, [], None, {}, True)
    assert seen(driver, running).lifecycle is READY


def test_to_another_cell_for_good(driver: Any, running: Any) -> None:
    running.task_state = task_states.RESIZE_MIGRATING
    driver.power_off(running)
    driver.destroy(None, running, [], destroy_disks=False)
    running.task_state = None
    driver.cleanup(None, running, [], None, True, destroy_vifs=False)
    assert not driver.instance_exists(running)


def test_deleted_on_its_way_leaves_nothing_where_it_came_from(driver: Any, running: Any, leave: Any) -> None:
    """Nova deletes it where it was to go, and comes back later for what the source still has."""
    leave(driver, running)
    assert driver.list_instances() == []
    assert driver.delete_instance_files(running)
    assert not driver.instance_exists(running)
    assert not driver.compute.leftovers()
    assert driver.delete_instance_files(running)


def test_what_could_not_be_removed_is_tried_again(driver: Any, running: Any, leave: Any, switches: Any) -> None:
    leave(driver, running)
    switches.fail_at(Step.DESTROY_MARK, virt.StorageError("the pool does not answer"))
    assert not driver.delete_instance_files(running)
    switches.fail_at(Step.DESTROY_MARK, virt.Busy("somebody looks at it"))
    with pytest.raises(exception.InstancePowerOffFailure):
        driver.delete_instance_files(running)
    assert driver.delete_instance_files(running)


@pytest.mark.parametrize(
    ("flavor", "named"),
    [
        ({"extra_specs": {"hw:watchdog_action": "reset", "hw:tpm_version": "2.0"}}, "its TPM, its watchdog"),
        ({"extra_specs": {"quota:disk_read_iops_sec": "5"}}, "how fast its disks are"),
        ({"extra_specs": {"hw:cpu_max_sockets": "1"}}, "how its virtual CPUs are arranged"),
        ({"extra_specs": {"quota:cpu_quota": "5000"}}, "quota:cpu_quota=5000"),
    ],
    ids=["machine", "disks", "topology", "refused"],
)
def test_what_a_resize_does_not_change_is_refused_while_the_server_runs(
    driver: Any, running: Any, leave: Any, flavor: Any, named: str
) -> None:
    with pytest.raises(exception.InstanceFaultRollback, match=named):
        leave(driver, running, **flavor)
    assert seen(driver, running).power_state.code == RUNNING


@pytest.mark.parametrize(("vcpus", "stays"), [(4, True), (3, False)])
def test_more_sockets_of_the_same_kind(vcpus: int, stays: bool) -> None:
    pair = virt.Cpu(topology=virt.CpuTopology(sockets=1, cores=2))
    assert stays_arranged(pair, virt.Cpu(topology=virt.CpuTopology(sockets=2, cores=2)), vcpus) is stays


def test_an_endpoint_that_is_away_leaves_the_server_as_it_was(
    driver: Any, running: Any, leave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise virt.Unavailable("the endpoint is away")

    with monkeypatch.context() as away:
        away.setattr(driver.compute, "instance", refuse)
        with pytest.raises(exception.InstanceFaultRollback) as caught:
            leave(driver, running)
    assert isinstance(caught.value.inner_exception, exception.HypervisorUnavailable)
    assert seen(driver, running).power_state.code == RUNNING


def test_volumes_stay_on_the_bus_that_they_are_on(
    driver: Any, running: Any, leave: Any, arrive: Any, image_meta: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[virt.Volume] = []
    resize = driver.compute.finish_resize

    def note(ticket: Any, *, spec: virt.InstanceSpec, timeout: float) -> None:
        asked.extend(spec.volumes)
        resize(ticket, spec=spec, timeout=timeout)

    monkeypatch.setattr(driver.compute, "finish_resize", note)
    image_meta.properties.hw_disk_bus = "scsi"
    connection = {"driver_volume_type": "iscsi", "data": {}}
    device = {"connection_info": connection, "volume_id": "later", "boot_index": None, "mount_device": "/dev/vdb"}
    carried = leave(driver, running, driver.get_host_ip_addr())
    arrive(driver, running, carried, devices={"block_device_mapping": [device]})
    assert [(volume.id, volume.bus) for volume in asked] == [("later", None)]


def test_a_word_that_the_server_was_made_with_does_not_keep_it_from_a_resize(
    driver: Any, running: Any, leave: Any
) -> None:
    extra = {"quota:cpu_quota": "5000"}
    running.flavor.extra_specs = extra
    assert leave(driver, running, extra_specs=extra)


def pinned_to(*host_cpus: int) -> Any:
    """What Nova claims of a host: a processor for each virtual CPU, in its only cell."""
    only = objects.InstanceNUMACell(
        id=0,
        cpuset=set(),
        pcpuset=set(range(len(host_cpus))),
        memory=512 * len(host_cpus) // 2,
        cpu_policy=fields.CPUAllocationPolicy.DEDICATED,
        cpu_pinning=dict(enumerate(host_cpus)),
    )
    return objects.InstanceNUMATopology(cells=[only])


def processors(driver: Any, instance: Any) -> Any:
    """The processors that the guest has for itself."""
    with driver.compute.native() as native:
        return native.outside.parts(UUID(instance.uuid)).guest.machine.cpu.host_cpus


@pytest.mark.parametrize("goes", [True, False])
def test_processors_are_those_that_nova_claims(
    driver: Any, far: Any, make_instance: Any, images: Any, spawn: Any, leave: Any, arrive: Any, goes: bool
) -> None:
    there = far if goes else driver
    dedicated = driver.compute.inventory().cells[0].dedicated
    instance = make_instance(numa_topology=pinned_to(*dedicated[:2]))
    spawn(driver, instance)
    carried = leave(driver, instance, *(() if goes else (driver.get_host_ip_addr(),)))
    instance.numa_topology = pinned_to(*reversed(dedicated))
    arrive(there, instance, carried)
    assert processors(there, instance) == tuple(reversed(dedicated))
    instance.task_state = task_states.RESIZE_REVERTING
    there.destroy(None, instance, [])
    driver.finish_revert_migration(None, instance, [], None, {}, True)
    assert processors(driver, instance) == dedicated[:2]
