"""Where guests go, what is refused, and when the world is full."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]


def test_places_are_those_of_the_options(connect: Connect) -> None:
    compute = connect(nodes=["a", "b"], pools=["fast", "slow"], networks=["red", "blue"], pool_gib=10)
    assert [node.name for node in compute.nodes()] == ["a", "b"]
    assert [(pool.name, pool.capacity_bytes, pool.free_bytes) for pool in compute.storage_pools()] == [
        ("fast", GiB(10), GiB(10)),
        ("slow", GiB(10), GiB(10)),
    ]
    assert [network.name for network in compute.networks()] == ["red", "blue"]
    assert {type(found) for found in (compute.nodes(), compute.storage_pools(), compute.networks())} == {tuple}
    assert compute.inventory("b").node.name == "b"
    for ask in (compute.inventory, lambda: compute.capabilities("c"), lambda: compute.inventory("c")):
        with pytest.raises(virt.InvalidSpec, match="a, b"):
            ask()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"disks": [virt.Disk(source=virt.Native("debian-13"), pool="nowhere")]}, "disks[0].pool"),
        ({"disks": [virt.Disk(source=virt.Native("debian-13"))]}, "placement.pool"),
        ({"placement": virt.Placement(pool="nowhere")}, "placement.pool"),
        ({"placement": virt.Placement(pool="fast", folder="drawer")}, "placement.folder"),
        ({"placement": virt.Placement(pool="fast", host="rack")}, "placement.host"),
        ({"placement": virt.Placement(pool="fast"), "nics": [virt.Nic(network="nowhere")]}, "nics[0].network"),
        ({"placement": virt.Placement(pool="fast"), "nics": [virt.Nic()]}, "nics[0].network"),
        (
            {
                "placement": virt.Placement(pool="fast"),
                "nics": [],
                "disks": [virt.Disk(source=virt.Native("debian-13"), size_bytes=1)],
            },
            "disks[0].size_bytes",
        ),
        (
            {
                "placement": virt.Placement(pool="fast"),
                "nics": [],
                "disks": [virt.Disk(source=virt.Template("whole"))],
            },
            "disks[0].source",
        ),
    ],
)
def test_a_place_that_is_not_there_is_refused(
    change: dict[str, Any], field: str, connect: Connect, switches: SwitchesOf, make_spec: Any
) -> None:
    compute = connect(pools=["fast", "slow"], networks=["red", "blue"])
    with pytest.raises(virt.InvalidSpec) as caught:
        compute.spawn(make_spec(**change))
    assert caught.value.field == field
    assert switches(compute).outside.objects() == ()


def test_a_node_that_is_not_there_is_refused(connect: Connect, make_spec: Any) -> None:
    with pytest.raises(virt.InvalidSpec, match="nowhere") as caught:
        connect().spawn(make_spec(placement=virt.Placement(node="nowhere")))
    assert caught.value.field.endswith("node")


def test_a_guest_goes_where_its_spec_says(connect: Connect, switches: SwitchesOf, make_spec: Any) -> None:
    compute = connect(nodes=["a", "b"], pools=["fast", "slow"], networks=["red", "blue"])
    native = virt.Native("cirros")
    guest = compute.spawn(
        make_spec(
            disks=[virt.Disk(source=native), virt.Disk(source=virt.Blank(), size_bytes=GiB(1), pool="slow")],
            nics=[virt.Nic(network="blue"), virt.Nic(network="red", mac="52:54:00:aa:bb:cc")],
            placement=virt.Placement(node="b", pool="fast"),
        )
    )
    assert guest.node == "b"
    assert guest.addresses is not None
    assert [(address.network, str(address.ip)) for address in guest.addresses] == [
        ("blue", "192.0.2.1"),
        ("red", "192.0.2.2"),
    ]
    assert guest.addresses[1].mac == "52:54:00:aa:bb:cc"
    objects = switches(compute).outside.objects()
    assert f"disk fast/{guest.uuid}-disk0" in objects
    assert f"disk slow/{guest.uuid}-disk1" in objects
    assert f"seed fast/{guest.uuid}-seed" in objects


@pytest.mark.parametrize(
    ("change", "resource"),
    [
        ({"vcpus": 5}, "vcpus"),
        ({"memory_bytes": GiB(9)}, "memory_bytes"),
        ({"disks": [virt.Disk(source=virt.Native("cirros"), size_bytes=GiB(11))]}, "default"),
    ],
)
def test_a_full_host_or_pool_is_no_capacity(
    change: dict[str, Any], resource: str, connect: Connect, switches: SwitchesOf, make_spec: Any
) -> None:
    compute = connect(vcpus=4, memory_gib=8, pool_gib=10)
    small = {"disks": [virt.Disk(source=virt.Native("cirros"), size_bytes=GiB(9))]}
    with pytest.raises(virt.NoCapacity) as caught:
        compute.spawn(make_spec(**{**small, **change}))
    assert caught.value.resource == resource
    assert switches(compute).outside.objects() == ()
    compute.spawn(make_spec(**small))


def test_stopped_guests_give_their_host_back(connect: Connect, make_spec: Any) -> None:
    compute = connect(vcpus=2, memory_gib=8)
    first = compute.spawn(make_spec("first"))
    with pytest.raises(virt.NoCapacity):
        compute.spawn(make_spec("second"))
    second = compute.spawn(make_spec("second", power_on=False))
    assert second.power_state is virt.PowerState.SHUTDOWN
    with pytest.raises(virt.NoCapacity):
        compute.power_on(second)
    with pytest.raises(virt.NoCapacity):
        compute.reboot(second)
    assert compute.instance(second).power_state is virt.PowerState.SHUTDOWN
    compute.suspend(first)
    compute.power_on(second)
    with pytest.raises(virt.NoCapacity):
        compute.resume(first)
    used = {resource.resource_class: resource.used for resource in compute.inventory().resources}
    assert used == {"VCPU": 2, "PCPU": 0, "MEMORY_MB": 2048, "DISK_GB": 43}, "of disks, seeds and memory"


def test_memory_that_does_not_fit_is_not_saved(connect: Connect, make_spec: Any) -> None:
    compute = connect(pool_gib=21)
    guest = compute.spawn(make_spec())
    with pytest.raises(virt.StorageError, match="cannot be saved"):
        compute.suspend(guest)
    assert compute.instance(guest).power_state is virt.PowerState.RUNNING


def test_connections_to_one_world_have_to_agree_on_its_size(connect: Connect, world: str) -> None:
    connect(world=world)
    with pytest.raises(virt.ConfigError, match="other sizes"):
        connect(world=world, vcpus=3)


@pytest.mark.parametrize("option", [{"vcpus": 0}, {"boot_seconds": -1.0}, {"world": "../up"}, {"pool_gib": "many"}])
def test_a_wrong_option_is_named(option: dict[str, Any], connect: Connect) -> None:
    with pytest.raises(virt.ConfigError) as caught:
        connect(**option)
    assert caught.value.field in option
