"""A guest's life through Nova's methods, on the fake driver."""

import logging
import threading
from typing import Any
from uuid import UUID

import pytest
from nova import exception

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_bridge import glance

RUNNING, PAUSED, SHUTDOWN, SUSPENDED = 1, 3, 4, 7


def state(driver: Any, instance: Any) -> int:
    return int(driver.get_info(instance, use_cache=False).state)


def test_spawned_and_found_again_by_another_process(driver: Any, running: Any, make_driver: Any) -> None:
    again = make_driver()
    for each in (driver, again):
        assert each.list_instance_uuids() == [running.uuid]
        assert each.list_instances() == ["instance-00000007"]
        assert each.instance_exists(running)
        assert state(each, running) == RUNNING


def test_the_guest_is_as_large_as_the_flavor(running: Any, beside: virt.Compute, switches: Any) -> None:
    guest = beside.instance(UUID(running.uuid))
    assert (guest.vcpus, guest.memory_bytes) == (2, virt.MiB(512))
    assert guest.labels == {"nova.display-name": "web", "nova.project-id": "project", "nova.user-id": "user"}
    (disk,) = switches.outside.parts(guest).volumes
    assert disk.size_bytes == virt.GiB(3)


def test_spawned_stopped(driver: Any, instance: Any, images: Any, spawn: Any) -> None:
    spawn(driver, instance, power_on=False)
    assert state(driver, instance) == SHUTDOWN


def test_the_image_is_read_by_the_users_token_and_once(
    driver: Any, make_instance: Any, images: Any, spawn: Any, request_context: Any
) -> None:
    for number in (1, 2):
        spawn(driver, make_instance(id=number))
    assert images.downloads == [(request_context, make_instance().image_ref)]
    with pytest.raises(virt.PermissionDenied):
        glance.TOKENS.find(make_instance().image_ref)


def test_guests_of_other_making_are_not_novas(driver: Any, make_instance: Any, world: str) -> None:
    with virt.connect("fake", owner="somebody", world=world, vcpus=8, memory_gib=4, pool_gib=50) as other:
        spec = virt.InstanceSpec(
            uuid=virt.stable_uuid("theirs"),
            name="theirs",
            memory_bytes=virt.MiB(64),
            disks=[virt.Disk(source=virt.Native("cirros"))],
            nics=[virt.Nic()],
        )
        other.spawn(spec)
    assert driver.list_instance_uuids() == []
    assert not driver.instance_exists(make_instance(uuid=str(spec.uuid)))
    with pytest.raises(exception.InstancePowerOffFailure, match="belongs to"):
        driver.destroy(None, make_instance(uuid=str(spec.uuid)), [])


def test_stopped_and_started(driver: Any, running: Any) -> None:
    driver.power_off(running, timeout=5, retry_interval=1)
    assert state(driver, running) == SHUTDOWN
    driver.power_off(running)
    driver.power_on(None, running, [])
    assert state(driver, running) == RUNNING


@pytest.mark.parametrize("timeout", [0, 30])
def test_only_with_time_is_the_guest_asked(driver: Any, running: Any, switches: Any, timeout: int) -> None:
    switches.withdraw(virt.Feature.GRACEFUL_POWER_OFF, "no bell")
    driver.power_off(running, timeout=timeout)
    assert state(driver, running) == SHUTDOWN


@pytest.mark.parametrize("kind", ["SOFT", "HARD"])
def test_rebooted_once(driver: Any, running: Any, switches: Any, kind: str) -> None:
    before = switches.outside.boots(UUID(running.uuid))
    driver.reboot(None, running, [], kind)
    assert switches.outside.boots(UUID(running.uuid)) == before + 1
    assert state(driver, running) == RUNNING


def test_a_suspended_guest_is_rebooted_hard_only(driver: Any, running: Any) -> None:
    driver.suspend(None, running)
    assert state(driver, running) == SUSPENDED
    with pytest.raises(exception.InstanceInvalidState):
        driver.reboot(None, running, [], "SOFT")
    driver.reboot(None, running, [], "HARD")
    assert state(driver, running) == RUNNING


def test_paused_suspended_and_back(driver: Any, running: Any) -> None:
    driver.pause(running)
    assert state(driver, running) == PAUSED
    driver.unpause(running)
    driver.suspend(None, running)
    driver.resume(None, running, [])
    assert state(driver, running) == RUNNING


def test_after_a_host_boot_only_what_is_off_is_started(driver: Any, running: Any, switches: Any) -> None:
    driver.pause(running)
    driver.resume_state_on_host_boot(None, running, [], [])
    assert state(driver, running) == PAUSED
    driver.power_off(running)
    driver.resume_state_on_host_boot(None, running, [], [])
    assert state(driver, running) == RUNNING


def test_destroyed_with_all_that_it_had(driver: Any, running: Any, switches: Any) -> None:
    assert switches.outside.objects()
    driver.destroy(None, running, [])
    assert driver.list_instance_uuids() == []
    assert not switches.outside.objects()
    with pytest.raises(exception.InstanceNotFound):
        driver.get_info(running)
    driver.destroy(None, running, [])


def test_a_guest_that_may_still_run_keeps_its_ports(driver: Any, running: Any, switches: Any) -> None:
    """Nova frees them after every exception of destroy but this one."""
    switches.lose_connection(None)
    for remove in (driver.destroy, driver.cleanup):
        with pytest.raises(exception.InstancePowerOffFailure):
            remove(None, running, [])
    switches.restore_connection()
    assert state(driver, running) == RUNNING
    driver.destroy(None, running, [])


def test_destroyed_and_its_disks_kept(driver: Any, running: Any, switches: Any) -> None:
    before = len(switches.outside.objects())
    driver.destroy(None, running, [], destroy_disks=False)
    assert driver.list_instance_uuids() == []
    assert 0 < len(switches.outside.objects()) < before


def test_a_spawn_that_is_overtaken_by_its_deletion(
    driver: Any, instance: Any, images: Any, spawn: Any, switches: Any
) -> None:
    hang = switches.hang_at(Step.SPAWN_DEFINE)
    caught: list[BaseException] = []

    def build() -> None:
        try:
            spawn(driver, instance)
        except Exception as error:  # noqa: BLE001 - told to the test
            caught.append(error)

    builder = threading.Thread(target=build)
    builder.start()
    assert hang.wait_reached(60)
    driver.destroy(None, instance, [])
    builder.join(60)
    assert driver.list_instance_uuids() == []
    assert [type(error) for error in caught] == [exception.InstanceNotFound]


def test_a_spawn_that_ends_with_nova_compute_is_no_deleted_guest(
    driver: Any, instance: Any, images: Any, spawn: Any, switches: Any
) -> None:
    hang = switches.hang_at(Step.SPAWN_DEFINE)
    caught: list[BaseException] = []

    def build() -> None:
        try:
            spawn(driver, instance)
        except Exception as error:  # noqa: BLE001 - told to the test
            caught.append(error)

    builder = threading.Thread(target=build)
    builder.start()
    assert hang.wait_reached(60)
    driver.cleanup_host("compute1")
    builder.join(60)
    assert [type(error) for error in caught] == [exception.NovaException]
    assert isinstance(caught[0].__cause__, virt.Cancelled)


def test_a_failed_spawn_leaves_nothing_and_is_told(
    driver: Any, instance: Any, images: Any, spawn: Any, switches: Any
) -> None:
    before = switches.outside.objects()
    switches.fail_at(Step.SPAWN_DEFINE, virt.StorageError("the shelf is on fire"))
    with pytest.raises(exception.NovaException, match="the shelf is on fire"):
        spawn(driver, instance)
    assert switches.outside.objects() == before


def test_what_a_dead_nova_compute_left_is_found_and_removed(
    driver: Any, make_driver: Any, instance: Any, images: Any, spawn: Any, switches: Any
) -> None:
    switches.crash_at(Step.SPAWN_DEFINE)
    with pytest.raises(Exception, match="the process died"):
        spawn(driver, instance)
    assert switches.outside.objects()
    make_driver().destroy(None, instance, [])
    assert not switches.outside.objects()


def test_what_a_dead_nova_compute_left_is_finished(
    driver: Any, make_driver: Any, instance: Any, images: Any, spawn: Any, switches: Any
) -> None:
    switches.crash_at(Step.SPAWN_DEFINE)
    with pytest.raises(Exception, match="the process died"):
        spawn(driver, instance)
    again = make_driver()
    spawn(again, instance)
    assert state(again, instance) == RUNNING


def test_no_room(driver: Any, make_instance: Any, images: Any, spawn: Any) -> None:
    with pytest.raises(exception.ComputeResourcesUnavailable, match="memory"):
        spawn(driver, make_instance(flavor={"memory_mb": 8192}))


def test_the_endpoint_is_gone(driver: Any, instance: Any) -> None:
    driver.cleanup_host("compute1")
    with pytest.raises(exception.VirtDriverNotReady):
        driver.get_available_nodes()
    with pytest.raises(exception.HypervisorUnavailable):
        driver.get_info(instance)
    assert not any(driver.capabilities.values())
    driver.init_host("compute1")
    assert driver.get_available_nodes() == ["fake-host"]


def test_a_wrong_option_says_which_and_not_its_secret(make_driver: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(exception.InvalidConfiguration, match="passwort") as caught:
        make_driver(passwort="hunter2")
    assert "hunter2" not in str(caught.value) + caplog.text


def test_an_endpoint_that_does_not_answer(make_driver: Any) -> None:
    with pytest.raises(exception.HypervisorUnavailable):
        make_driver(refuse="connection")


def test_console_log_and_diagnostics(driver: Any, running: Any) -> None:
    assert "login" in driver.get_console_output(None, running)
    old = driver.get_diagnostics(running)
    assert old["memory"] == 512 * 1024
    new = driver.get_instance_diagnostics(running)
    assert (new.state, new.memory_details.maximum, new.config_drive) == ("running", 512, False)


def test_a_console_that_novas_proxies_cannot_use_is_not_offered(driver: Any, running: Any) -> None:
    for get in (driver.get_vnc_console, driver.get_spice_console, driver.get_serial_console):
        with pytest.raises(exception.ConsoleTypeUnavailable):
            get(None, running)


@pytest.mark.parametrize(
    ("kind", "tls", "ports"),
    [
        (virt.ConsoleKind.VNC, False, {"port": 5900}),
        (virt.ConsoleKind.SPICE, False, {"port": 5900, "tlsPort": None}),
        (virt.ConsoleKind.SPICE, True, {"port": None, "tlsPort": 5900}),
        (virt.ConsoleKind.SERIAL, False, {"port": 5900}),
    ],
)
def test_a_console_at_a_port(
    driver: Any,
    running: Any,
    monkeypatch: pytest.MonkeyPatch,
    kind: virt.ConsoleKind,
    tls: bool,
    ports: dict[str, int | None],
) -> None:
    found = virt.TcpConsole(kind=kind, host="192.0.2.1", port=5900, tls=tls)
    monkeypatch.setattr(driver.compute, "console", lambda guest, asked: found)
    told = vars(getattr(driver, f"get_{kind.value}_console")(None, running))
    assert told == {"host": "192.0.2.1", "internal_access_path": None, **ports}


def test_a_crash_dump_wants_a_running_guest(driver: Any, running: Any) -> None:
    driver.trigger_crash_dump(running)
    driver.power_off(running)
    with pytest.raises(exception.InstanceNotRunning):
        driver.trigger_crash_dump(running)


def test_rescued_and_back(
    driver: Any, running: Any, image_meta: Any, beside: virt.Compute, request_context: Any
) -> None:
    driver.rescue(request_context, running, [], image_meta, "secret", {}, [])
    assert beside.instance(UUID(running.uuid)).lifecycle is virt.Lifecycle.RESCUED
    driver.unrescue(None, running)
    assert beside.instance(UUID(running.uuid)).lifecycle is virt.Lifecycle.READY


def test_a_snapshot_goes_to_glance(driver: Any, running: Any, images: Any, request_context: Any, tmp_path: Any) -> None:
    images.add("new", b"", disk_format="raw")
    told: list[Any] = []
    driver.snapshot(request_context, running, "new", lambda **states: told.append(states["task_state"]))
    assert told == ["image_pending_upload", "image_uploading"]
    assert images.bytes["new"].startswith(b"QFI\xfb")
    assert images.images["new"]["disk_format"] == "qcow2"
    assert not list((tmp_path / "nova-virt" / "cache").glob("snapshot-*"))


def test_a_snapshot_that_is_not_possible_now_is_no_deleted_guest(
    driver: Any, running: Any, switches: Any, request_context: Any
) -> None:
    switches.withdraw(virt.Feature.SNAPSHOT_LIVE, "the disk is copied")
    with pytest.raises(exception.InstanceInvalidState):
        driver.snapshot(request_context, running, "new", lambda **states: None)


def test_interfaces_come_and_go(driver: Any, running: Any, make_vif: Any, beside: virt.Compute) -> None:
    vif = make_vif()
    driver.attach_interface(None, running, None, vif)
    assert vif["address"] in [each.mac for each in beside.interfaces(UUID(running.uuid))]
    driver.detach_interface(None, running, vif)
    driver.detach_interface(None, running, vif)
    assert vif["address"] not in [each.mac for each in beside.interfaces(UUID(running.uuid))]


def test_maintenance(driver: Any, beside: virt.Compute) -> None:
    assert driver.host_maintenance_mode("compute1", True) == "on_maintenance"
    assert beside.nodes()[0].maintenance is not None
    assert driver.host_maintenance_mode("compute1", False) == "off_maintenance"
    assert beside.nodes()[0].maintenance is None


def test_a_node_that_others_took_out_of_use_stays_so(make_driver: Any) -> None:
    driver = make_driver(nodes="a,b")
    driver.compute.enter_maintenance("a", "a fan")
    driver.host_maintenance_mode("compute1", True)
    reasons = {node.name: node.maintenance for node in driver.compute.nodes()}
    assert reasons["a"] == "a fan"
    assert reasons["b"] not in (None, "a fan")
    driver.host_maintenance_mode("compute1", False)
    assert {node.name: node.maintenance for node in driver.compute.nodes()} == {"a": "a fan", "b": None}


def test_address_and_uptime(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = driver.compute.inventory()
    assert driver.get_host_ip_addr() == (told.address or "192.0.2.9")
    known = virt.Inventory(
        node=told.node, hypervisor="x", hypervisor_version="1", resources=(), uptime_seconds=90061, address="host1"
    )
    monkeypatch.setattr(driver.compute, "inventory", lambda node: known)
    assert driver.get_host_uptime() == "up 1 day, 1:01:01"
    assert driver.get_host_ip_addr() == "host1"


def test_only_whole_machines_bind_their_ports_themselves(make_driver: Any, driver: Any, instance: Any) -> None:
    assert not driver.manages_network_binding_host_id()
    assert driver.network_binding_host_id(None, instance) == "compute1"
    whole = make_driver(nodes="a", whole_nodes=True, world="whole-binding")
    assert whole.manages_network_binding_host_id()
    assert whole.network_binding_host_id(None, instance) is None


def test_who_a_node_is_to_cinder(driver: Any, instance: Any) -> None:
    told = driver.get_volume_connector(instance)
    assert told["host"]
    assert "initiator" in told or "wwpns" in told
