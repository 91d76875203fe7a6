"""When a node takes guests, and what it then has to give."""

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.place import StoragePool
from nova_virt_api.model.units import GiB, MiB
from nova_virt_vmware.inventory import inventory_of
from nova_virt_vmware.nodes import HostRow, NodeRow, Nodes
from nova_virt_vmware.vm_row import VmRow


def host(name: str, *, connected: bool = True, maintenance: bool = False, version: str = "8.0.2") -> HostRow:
    return HostRow(
        moref=f"host-{name}",
        name=name,
        node="domain-c1",
        connected=connected,
        maintenance=maintenance,
        threads=8,
        memory_bytes=GiB(32),
        product=("VMware ESXi", version),
    )


def node(*hosts: HostRow, name: str = "one", moref: str = "domain-c1", cluster: bool = True) -> NodeRow:
    return NodeRow(moref=moref, name=name, cluster=cluster, hosts=hosts, datastores=frozenset({"datastore-1"}))


@pytest.mark.parametrize(
    ("hosts", "reason"),
    [
        ([], "it has no host"),
        ([host("a")], None),
        ([host("a"), host("b", connected=False)], None),
        ([host("a", connected=False)], "vCenter is not connected to the host"),
        ([host("a", connected=False), host("b", connected=False)], "no host is connected"),
        ([host("a", maintenance=True)], "in maintenance mode"),
        (
            [host("a", maintenance=True), host("b", connected=False)],
            "no host is out of maintenance mode and connected",
        ),
    ],
)
def test_a_node_takes_guests_while_one_of_its_hosts_does(hosts: list[HostRow], reason: str | None) -> None:
    assert node(*hosts).maintenance == reason


def test_a_node_is_picked_by_name_id_or_as_the_only_one() -> None:
    single = node(host("b"), name="two", moref="domain-s2", cluster=False)
    rows = Nodes([node(host("a")), single])
    assert rows.pick("one").moref == "domain-c1"
    assert rows.pick("domain-s2") is single
    assert rows.pick("host-b") is single
    assert Nodes([single]).pick(None) is single
    assert rows.of_host("host-b") is single
    assert rows.of_host("host-x") is rows.of_host(None) is None
    for wanted in (None, "three", "host-a"):
        with pytest.raises(InvalidSpec, match="one of one, two"):
            rows.pick(wanted)
    with pytest.raises(InvalidSpec, match="there is no node"):
        Nodes([]).pick(None)


def test_a_long_list_of_nodes_is_cut() -> None:
    rows = Nodes(node(name=f"n{number}", moref=f"domain-c{number}") for number in range(25))
    with pytest.raises(InvalidSpec, match=r"n19 and 5 more$"):
        rows.pick("x")


def pool(moref: str, capacity: int | None, free: int | None, *, available: bool = True) -> StoragePool:
    return StoragePool(id=moref, name=moref, kind="VMFS", capacity_bytes=capacity, free_bytes=free, available=available)


def test_inventory_is_of_usable_hosts_and_reached_datastores() -> None:
    row = node(host("a"), host("b", version="7.0.3"), host("c", maintenance=True, version="6.7.0"))
    pools = [pool("datastore-1", GiB(100), GiB(30)), pool("datastore-2", GiB(999), GiB(999))]
    guests = [
        VmRow(moref="vm-1", host="host-a", power_state="poweredOn", vcpus=4, memory_mb=2048),
        VmRow(moref="vm-2", host="host-c", power_state="poweredOn", vcpus=1, memory_mb=512),
        VmRow(moref="vm-3", host="host-a", power_state="poweredOff", vcpus=64, memory_mb=65536),
        VmRow(moref="vm-4", host="host-x", power_state="poweredOn", vcpus=64, memory_mb=65536),
    ]
    found = inventory_of(row, pools, guests)
    assert {r.resource_class: (r.total, r.used) for r in found.resources} == {
        "VCPU": (16, 5),
        "MEMORY_MB": (GiB(64) // MiB(1), 2560),
        "DISK_GB": (100, 70),
    }
    assert found.hypervisor_version == "7.0.3"  # the oldest that a guest may come to run on


@pytest.mark.parametrize(
    "pools", [[], [pool("datastore-1", None, None)], [pool("datastore-1", GiB(1), GiB(1), available=False)]]
)
def test_room_that_is_not_known_is_not_told(pools: list[StoragePool]) -> None:
    found = inventory_of(node(host("a")), pools, ())
    assert "DISK_GB" not in {r.resource_class for r in found.resources}
