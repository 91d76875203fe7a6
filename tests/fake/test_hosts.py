"""Hosts: out of use and back, whole ones as guests, and what is in them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]


@pytest.mark.parametrize("persist", [False, True])
def test_a_host_out_of_use_keeps_its_guests_and_takes_none(
    persist: bool, connect: Connect, world: str, make_spec: Any
) -> None:
    place = {"persist": True} if persist else {"world": world}
    compute = connect(**place)
    guest = compute.spawn(make_spec())
    compute.enter_maintenance("fake-host", "a fan")
    compute.enter_maintenance("fake-host", "two fans")
    assert [node.maintenance for node in connect(**place).nodes()] == ["two fans"]
    assert compute.inventory().node.maintenance == "two fans"
    assert compute.instance(guest) is guest
    assert compute.spawn(make_spec()) is guest
    compute.reboot(guest)
    with pytest.raises(virt.NoCapacity, match="two fans") as caught:
        compute.spawn(make_spec("db"))
    assert caught.value.resource == "nodes"
    compute.leave_maintenance("fake-host")
    compute.leave_maintenance("fake-host")
    assert [node.maintenance for node in compute.nodes()] == [None]
    assert compute.spawn(make_spec("db")).node == "fake-host"


def test_it_may_have_happened_natively(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    fake_switches.outside.set_maintenance("fake-host", "")
    assert [node.maintenance for node in fake_compute.nodes()] == [""]
    with pytest.raises(virt.NoCapacity):
        fake_compute.spawn(make_spec())


@pytest.fixture
def metal(connect: Connect) -> virt.Compute:
    return connect(whole_nodes=True, nodes=["one", "two"], vcpus=8, memory_gib=16)


def test_a_guest_is_a_whole_host(metal: virt.Compute, make_spec: Any) -> None:
    assert metal.capabilities().has(virt.Feature.WHOLE_NODES)
    guest = metal.spawn(make_spec())
    assert (guest.node, guest.vcpus, guest.memory_bytes) == ("one", 8, virt.GiB(16))
    assert metal.spawn(make_spec()) is guest
    used = {resource.resource_class: resource.used for resource in metal.inventory("one").resources}
    assert (used["VCPU"], used["MEMORY_MB"]) == (8, 16 * 1024)
    metal.power_off(guest)
    used = {resource.resource_class: resource.used for resource in metal.inventory("one").resources}
    assert used["VCPU"] == 8
    assert metal.spawn(make_spec("db")).node == "two"
    with pytest.raises(virt.NoCapacity, match="no host is free"):
        metal.spawn(make_spec("mail"))
    assert metal.leftovers() == []
    metal.power_on(guest)
    metal.destroy(guest)
    assert metal.spawn(make_spec("mail")).node == "one"


@pytest.mark.parametrize(
    ("change", "resource"),
    [
        ({"vcpus": 9}, "vcpus"),
        ({"memory_bytes": virt.GiB(17)}, "memory_bytes"),
        ({"placement": virt.Placement(node="one")}, "nodes"),
    ],
)
def test_no_host_fits(
    change: dict[str, Any], resource: str, metal: virt.Compute, switches: SwitchesOf, make_spec: Any
) -> None:
    metal.spawn(make_spec("first"))
    objects = switches(metal).outside.objects()
    with pytest.raises(virt.NoCapacity) as caught:
        metal.spawn(make_spec(**change))
    assert caught.value.resource == resource
    assert switches(metal).outside.objects() == objects


def test_of_many_that_want_a_host_each_gets_one_of_its_own(connect: Connect, make_spec: Any) -> None:
    nodes = [f"node{number}" for number in range(5)]
    compute = connect(whole_nodes=True, nodes=nodes)
    together = threading.Barrier(12)

    def wait_for_all(operation: virt.Operation[Any]) -> None:
        together.wait(20)

    hooks = {virt.Stage.NETWORK_READY: wait_for_all}
    operations = [compute.submit.spawn(make_spec(f"guest{number}"), hooks=hooks) for number in range(12)]
    won, lost = [], 0
    for operation in operations:
        try:
            won.append(operation.result().node)
        except virt.NoCapacity:
            lost += 1
    assert sorted(won, key=str) == nodes
    assert lost == 7
    assert compute.leftovers() == []


def test_an_unmarked_guest_is_known_again_although_it_is_larger(connect: Connect, make_spec: Any) -> None:
    compute = connect(whole_nodes=True, manage="all")
    guest = compute.spawn(make_spec())
    assert compute.spawn(make_spec()) is guest


def test_what_is_in_a_host(fake_compute: virt.Compute) -> None:
    devices = fake_compute.devices()
    assert {device.kind for device in devices} == {
        virt.DeviceKind.PROCESSOR,
        virt.DeviceKind.MEMORY,
        virt.DeviceKind.DISK,
        virt.DeviceKind.NIC,
    }
    assert len({device.id for device in devices}) == len(devices)
    with pytest.raises(virt.InvalidSpec):
        fake_compute.devices("nope")


def test_a_closer_look_at_a_guest(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    fake_compute.trigger_crash_dump(web)
    assert fake_switches.outside.interrupts(web) == 1
    assert b"NMI received" in fake_compute.console_log(web)
    fake_switches.outside.crash(web)
    fake_switches.outside.set_health(web, virt.Condition.DEGRADED, "a disk is slow")
    found = fake_compute.diagnostics(web)
    assert found.health.reason == "a disk is slow"
    assert (found.native_state, found.uptime_seconds, found.memory_used_bytes) == ("crashed", None, 0)
    assert [(incident.kind, incident.error) for incident in found.incidents] == [
        ("crash", True),
        ("interrupt", False),
        ("start", False),
    ]
    assert found.sensors
    fake_compute.power_on(web)
    running = fake_compute.diagnostics(web)
    assert running.uptime_seconds is not None
    assert running.memory_used_bytes == web.memory_bytes
