"""What is about the machine: crash dumps, diagnostics, maintenance, devices, volume connectors, on a real Ironic."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.compute.operation import DriverSide
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import (
    BackendError,
    Busy,
    InvalidSpec,
    InvalidState,
    NoCapacity,
    NotSupported,
    PermissionDenied,
    Timeout,
)
from nova_virt_api.model.device import Device, DeviceKind
from nova_virt_api.model.instance import Condition, Instance, Lifecycle, PowerOff
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.secret import Secret
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import Ironic, NodeSpec, Script

MakeDriver = Callable[..., IronicDriver]

# --- crash dumps ------------------------------------------------------------------------------------------------------


def interrupts(ironic: Ironic, guest: Instance) -> int:
    done = ironic.api.get(f"/v1/nodes/{guest.native_id}")["driver_internal_info"].get("scripted", {})
    return int(done.get("nmi", 0))


def test_a_running_guest_is_interrupted_once_for_each_call(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script())
    driver.trigger_crash_dump(guest.ref, op)
    driver.trigger_crash_dump(guest.ref, op)
    assert interrupts(ironic, guest) == 2
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    with pytest.raises(InvalidState):
        driver.trigger_crash_dump(guest.ref, op)
    assert interrupts(ironic, guest) == 2


def test_hardware_that_cannot_be_interrupted_says_so(
    driver: IronicDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    with pytest.raises(NotSupported, match="management interface") as caught:
        driver.trigger_crash_dump(deployed().ref, op)
    assert caught.value.capability is Capability.CRASH_DUMP


def test_a_controller_that_does_not_answer_is_an_error(
    driver: IronicDriver, make_driver: MakeDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script(fail=["nmi"]))
    with pytest.raises(BackendError, match="nmi fails as scripted"):
        driver.trigger_crash_dump(guest.ref, op)
    with pytest.raises(PermissionDenied):
        make_driver(owner="somebody-else").trigger_crash_dump(guest.ref, op)


def test_a_node_that_is_locked_is_waited_for(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script(delay_s={"nmi": 3}))
    path = f"/v1/nodes/{guest.native_id}"
    locking = threading.Thread(target=ironic.api.put, args=(f"{path}/management/inject_nmi", {}))
    locking.start()
    ironic.api.wait(path, lambda node: node["reservation"] is not None)
    driver.rescue(guest.ref, op, password=Secret("correct-horse"))
    locking.join()
    assert interrupts(ironic, guest) == 1
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.RESCUED


def test_a_lock_that_outlasts_the_deadline_is_told_with_its_holder(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], operation: Callable[..., Any]
) -> None:
    guest = deployed(script=Script(delay_s={"nmi": 12}))
    path = f"/v1/nodes/{guest.native_id}"
    locking = threading.Thread(target=ironic.api.put, args=(f"{path}/management/inject_nmi", {}))
    locking.start()
    ironic.api.wait(path, lambda node: node["reservation"] is not None)
    with pytest.raises((Busy, Timeout)) as caught:
        driver.rescue(guest.ref, DriverSide(operation(4)), password=Secret("correct-horse"))
    locking.join()
    assert not isinstance(caught.value, Busy) or caught.value.holder == "localhost"
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY


# --- diagnostics ------------------------------------------------------------------------------------------------------


def test_the_history_is_told_the_latest_first(driver: IronicDriver, deployed: Callable[..., Instance], op: Any) -> None:
    guest = deployed()
    began = datetime.now(UTC).timestamp()
    driver.rebuild(guest.ref, op)
    found = driver.diagnostics(guest.ref)
    assert found.native_state == "active"
    assert found.health.condition is Condition.OK
    kinds = [incident.kind for incident in found.incidents]
    assert kinds[:2] == ["deployment_end", "deployment_start"]
    assert len(kinds) >= 4, "both deployments"
    times = [incident.at for incident in found.incidents]
    assert times == sorted(times, reverse=True)
    assert began - 1 <= times[0] <= datetime.now(UTC).timestamp() + 1
    assert not any(incident.error for incident in found.incidents)


def test_what_went_wrong_is_told_with_its_cause(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(script=Script())
    ironic.api.patch(
        f"/v1/nodes/{guest.native_id}", {"op": "add", "path": "/driver_info/script", "value": {"fail": ["rescue"]}}
    )
    with pytest.raises(BackendError, match="rescue fails as scripted") as caught:
        driver.rescue(guest.ref, op, password=Secret("correct-horse"))
    assert "'rescue failed'" in caught.value.message
    found = driver.diagnostics(guest.ref)
    assert found.native_state == "rescue failed"
    assert found.health.condition is Condition.DEGRADED
    assert any(incident.error and "rescue fails as scripted" in incident.message for incident in found.incidents)
    driver.unrescue(guest.ref, op)
    assert driver.diagnostics(guest.ref).native_state == "active"


def test_a_guest_of_others_may_be_looked_at(
    make_driver: MakeDriver, deployed: Callable[..., Instance], driver: IronicDriver
) -> None:
    guest = deployed()
    stranger = make_driver(owner="somebody-else")
    before = stranger.site.connection.request_count
    assert stranger.diagnostics(guest.ref) == driver.diagnostics(guest.ref)
    assert stranger.site.connection.request_count - before == 2, "the node and its history"


# --- maintenance ------------------------------------------------------------------------------------------------------


def test_a_node_is_taken_out_of_use_and_back(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance], eventually: Callable[..., None], op: Any
) -> None:
    guest = deployed()
    assert guest.node is not None

    def reason() -> str | None:
        return next(node.maintenance for node in driver.nodes() if node.id == guest.native_id)

    assert reason() is None
    driver.enter_maintenance(guest.node, "fan broken", op)
    driver.enter_maintenance(guest.native_id, "fan broken", op)
    assert reason() == "fan broken"
    driver.enter_maintenance(guest.node, "fan on order", op)
    assert reason() == "fan on order"
    shown = driver.instance(guest.ref, fresh=True)
    assert (shown.lifecycle, shown.power_state) == (guest.lifecycle, guest.power_state)
    for _ in range(2):
        driver.leave_maintenance(guest.node, op)
    assert reason() is None
    ironic.api.put(f"/v1/nodes/{guest.native_id}/maintenance", {})
    assert driver.instance(guest.ref, fresh=True).health.condition is Condition.DEGRADED
    eventually(lambda: reason() == "", "somebody else's maintenance, without a reason, is seen")
    with pytest.raises(InvalidSpec, match="reason"):
        driver.enter_maintenance(guest.node, "", op)


def test_a_free_node_in_maintenance_gets_no_guest(
    driver: IronicDriver, enroll: Callable[..., Any], make_spec: Callable[..., Any], op: Any
) -> None:
    (node,) = enroll()
    driver.enter_maintenance(node.name, "fan broken", op)
    with pytest.raises(NoCapacity, match="maintenance"):
        driver.spawn(make_spec(placement=Placement(node=node.name)), op)
    (resource,) = driver.inventory(node.name).resources
    assert (resource.total, resource.reserved) == (1, 1)


def test_guests_of_others_are_not_hit(
    driver: IronicDriver, make_driver: MakeDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed()
    assert guest.node is not None
    with pytest.raises(PermissionDenied, match="nova-virt-tests"):
        make_driver(owner="somebody-else").enter_maintenance(guest.node, "fan", op)
    make_driver(manage=Manage.ALL).enter_maintenance(guest.node, "fan", op)
    driver.leave_maintenance(guest.node, op)
    with pytest.raises(InvalidSpec, match="no-such-node"):
        driver.enter_maintenance("no-such-node", "fan", op)


# --- devices, connectors ----------------------------------------------------------------------------------------------

INVENTORY = """{
  "cpu": {"count": 8, "model_name": "Xeon E-2388G", "architecture": "x86_64"},
  "memory": {"physical_mb": 16384},
  "disks": [{"name": "/dev/sda", "model": "S4510", "vendor": "Intel", "size": 480103981056, "wwn": "0x5001"}],
  "interfaces": [{"name": "eno1", "mac_address": "%s", "vendor": "0x8086", "product": "0x1533"}]
}"""
PLUGIN_DATA = '{"pci_devices": [{"vendor_id": "10de", "product_id": "20b0", "class": "030200", "bus": "0000:3b:00.0"}]}'


def write_inventory(ironic: Ironic, node_uuid: str, inventory: str) -> None:
    """What an inspection would have written: fake hardware writes nothing."""
    now = datetime.now(UTC).isoformat()
    with sqlite3.connect(next(ironic.directory.glob("*.sqlite")), timeout=30) as database:
        (number,) = database.execute("SELECT id FROM nodes WHERE uuid = ?", (node_uuid,)).fetchone()
        database.execute(
            "INSERT INTO node_inventory (created_at, version, inventory_data, plugin_data, node_id) VALUES (?,?,?,?,?)",
            (now, "1.0", inventory, PLUGIN_DATA, number),
        )


def test_a_node_that_was_never_inspected_has_its_ports(driver: IronicDriver, enroll: Callable[..., Any]) -> None:
    (node,) = enroll()
    assert driver.devices(node.name) == tuple(
        Device(id=address, kind=DeviceKind.NIC, address=address) for address in node.addresses
    )


def test_what_inspection_found_is_told_with_the_other_ports(
    driver: IronicDriver, ironic: Ironic, enroll: Callable[..., Any]
) -> None:
    (node,) = enroll()
    write_inventory(ironic, node.uuid, INVENTORY % node.addresses[0].upper())
    cpu, memory, disk, card, gpu, other = driver.devices(node.uuid)
    assert (cpu.kind, cpu.name, cpu.product) == (DeviceKind.PROCESSOR, "8 x Xeon E-2388G", "x86_64")
    assert (memory.kind, memory.size_bytes) == (DeviceKind.MEMORY, 16 * 1024**3)
    assert (disk.id, disk.address, disk.size_bytes) == ("0x5001", "/dev/sda", 480103981056)
    assert (card.address, card.name) == (node.addresses[0], "eno1")
    assert (gpu.kind, gpu.address, gpu.vendor) == (DeviceKind.PCI, "0000:3b:00.0", "10de")
    assert other.address == node.addresses[1]


def test_who_a_node_is_to_a_storage_service(driver: IronicDriver, ironic: Ironic, enroll: Callable[..., Any]) -> None:
    bare, wired = enroll(2)
    for kind, value in (
        ("iqn", "iqn.2026-11.org.example:wired"),
        ("ip", "192.0.2.7"),
        ("wwpn", "500143802426baf4"),
        ("wwnn", "500143802426baf5"),
    ):
        body = {"node_uuid": wired.uuid, "type": kind, "connector_id": f"{value}-{wired.name}"}
        ironic.api.post("/v1/volume/connectors", body)
    found = driver.volume_connector(wired.name)
    assert found.node == wired.name
    assert found.iscsi_initiator == f"iqn.2026-11.org.example:wired-{wired.name}"
    assert (found.addresses, found.wwpns, found.wwnns) == (
        (f"192.0.2.7-{wired.name}",),
        (f"500143802426baf4-{wired.name}",),
        (f"500143802426baf5-{wired.name}",),
    )
    assert driver.volume_connector(bare.uuid).iscsi_initiator is None
    with pytest.raises(InvalidSpec):
        driver.volume_connector()


def test_the_only_node_need_not_be_named(make_driver: MakeDriver, enroll: Callable[..., Any]) -> None:
    (node,) = enroll(1, NodeSpec(resource_class="the-only-one"))
    alone = make_driver(resource_class="the-only-one")
    assert alone.volume_connector().node == node.name
    assert len(alone.devices()) == 2
