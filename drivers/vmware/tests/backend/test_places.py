"""Nodes, inventory, storage pools, networks and what can be done, at a simulated vCenter; and what it costs to ask."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.role import roles_of
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.place import PoolFeature
from nova_virt_api.model.units import MiB
from nova_virt_vmware.doctor import checks
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.options import OPTIONS
from nova_virt_vmware.version import __version__
from tools.vcsim import Settings, VCenter

MakeDriver = Callable[..., VmwareDriver]
Native = Callable[[VCenter], Any]

TIMES = 8
"""As large as this is the larger of two vCenters whose reading costs as many requests."""


@pytest.fixture
def small(own_vcenter: Callable[..., VCenter]) -> VCenter:
    """Two clusters of two hosts and a standalone host, with one machine each."""
    return own_vcenter(Settings(vms=1))


def entity(native: Any, kind: type[Any], name: str) -> Any:
    """A managed object by its name, past the driver."""
    view = native.content.viewManager.CreateContainerView(native.content.rootFolder, [kind], True)
    try:
        return next(one for one in view.view if one.name == name)
    finally:
        view.DestroyView()


@pytest.fixture
def in_maintenance(native: Native) -> Callable[..., None]:
    """Puts hosts into maintenance mode."""

    def enter(vcenter: VCenter, *names: str) -> None:
        for name in names:
            host = entity(native(vcenter), vim.HostSystem, name)
            WaitForTask(host.EnterMaintenanceMode_Task(timeout=0))

    return enter


# --- nodes ------------------------------------------------------------------------------------------------------------


def test_a_cluster_is_a_node_and_so_is_a_host_without_one(make_driver: MakeDriver, small: VCenter) -> None:
    driver = make_driver(to=small)
    assert {node.name: node.maintenance for node in driver.nodes()} == {"DC0_C0": None, "DC0_C1": None, "DC0_H0": None}
    ids = {node.name: node.id for node in driver.nodes()}
    assert driver.inventory("DC0_C0") == driver.inventory(ids["DC0_C0"])


def test_guests_are_on_nodes_that_there_are(make_driver: MakeDriver, small: VCenter) -> None:
    driver = make_driver(to=small)
    assert {guest.node for guest in driver.instances()} == {node.name for node in driver.nodes()}


def test_an_unknown_node_is_refused_with_those_that_there_are(make_driver: MakeDriver, small: VCenter) -> None:
    driver = make_driver(to=small)
    for ask in (driver.inventory, driver.capabilities):
        with pytest.raises(InvalidSpec, match=r"one of .*DC0_C0"):
            ask("nowhere")
    with pytest.raises(InvalidSpec, match=r"one of .*DC0_C0"):
        driver.inventory()


def test_the_only_node_need_not_be_named(make_driver: MakeDriver, own_vcenter: Callable[..., VCenter]) -> None:
    driver = make_driver(to=own_vcenter(Settings(clusters=1, standalone_hosts=0)))
    assert driver.inventory().node.name == "DC0_C0"


def test_clusters_of_one_name_are_told_apart(make_driver: MakeDriver, small: VCenter, native: Native) -> None:
    folder = entity(native(small), vim.Datacenter, "DC0").hostFolder.CreateFolder("more")
    folder.CreateClusterEx("DC0_C0", vim.cluster.ConfigSpecEx())
    driver = make_driver(to=small)
    found = {node.id: node for node in driver.nodes()}
    alike = {moref: node for moref, node in found.items() if node.name.startswith("DC0_C0")}
    assert len(alike) == 2
    assert all(node.name == f"DC0_C0 ({moref})" for moref, node in alike.items())
    assert sorted(node.maintenance or "" for node in alike.values()) == ["", "it has no host"]
    assert {guest.node for guest in driver.instances()} < {node.name for node in found.values()}


def test_a_node_takes_no_guests_without_a_host_that_does(
    make_driver: MakeDriver, small: VCenter, in_maintenance: Callable[..., None]
) -> None:
    driver = make_driver(to=small)
    before = {r.resource_class: r.total for r in driver.inventory("DC0_C0").resources}
    in_maintenance(small, "DC0_C0_H0", "DC0_H0")
    state = {node.name: node.maintenance for node in driver.nodes()}
    assert state["DC0_C0"] is None
    assert state["DC0_H0"] == "in maintenance mode"
    half = {r.resource_class: r.total for r in driver.inventory("DC0_C0").resources}
    assert half["VCPU"] * 2 == before["VCPU"]
    in_maintenance(small, "DC0_C0_H1")
    state = {node.name: node.maintenance for node in driver.nodes()}
    assert state["DC0_C0"] == "no host is out of maintenance mode and connected"
    assert {r.resource_class: r.total for r in driver.inventory("DC0_C0").resources}["VCPU"] == 0


# --- inventory --------------------------------------------------------------------------------------------------------


def test_inventory_is_that_of_the_hosts(make_driver: MakeDriver, small: VCenter, native: Native) -> None:
    driver = make_driver(to=small)
    hardware = entity(native(small), vim.HostSystem, "DC0_C0_H0").summary.hardware
    found = {r.resource_class: r for r in driver.inventory("DC0_C0").resources}
    assert found["VCPU"].total == 2 * hardware.numCpuThreads
    assert found["MEMORY_MB"].total == 2 * hardware.memorySize // MiB(1)
    on = [guest for guest in driver.instances() if guest.node == "DC0_C0"]
    assert found["VCPU"].used == sum(guest.vcpus for guest in on)
    assert found["MEMORY_MB"].used == sum(guest.memory_bytes for guest in on) // MiB(1)
    assert found["DISK_GB"].total > 0


def test_a_single_host_tells_its_address_and_uptime(make_driver: MakeDriver, small: VCenter) -> None:
    driver = make_driver(to=small)
    host, cluster = driver.inventory("DC0_H0"), driver.inventory("DC0_C0")
    assert host.address == "DC0_H0"
    assert host.uptime_seconds is not None
    assert cluster.address is None
    assert cluster.uptime_seconds is None
    assert host.hypervisor == "VMware ESXi"
    assert host.hypervisor_version


# --- storage and networks ---------------------------------------------------------------------------------------------


def test_datastores_are_storage_pools(make_driver: MakeDriver, small: VCenter, native: Native) -> None:
    summary = entity(native(small), vim.Datastore, "LocalDS_0").summary
    pool = next(pool for pool in make_driver(to=small).storage_pools() if pool.name == "LocalDS_0")
    assert (pool.id, pool.capacity_bytes, pool.kind) == (summary.datastore._moId, summary.capacity, summary.type)
    assert pool.free_bytes is not None
    assert set(pool.nodes) == {"DC0_C0", "DC0_C1", "DC0_H0"}
    assert pool.available
    assert PoolFeature.SHARED in pool.features


def test_a_datastore_cluster_is_a_pool_of_its_own(make_driver: MakeDriver, small: VCenter, native: Native) -> None:
    there = native(small)
    store = entity(there, vim.Datastore, "LocalDS_1")
    pod = entity(there, vim.Datacenter, "DC0").datastoreFolder.CreateStoragePod("pod")
    WaitForTask(pod.MoveIntoFolder_Task([store]))
    pools = {pool.name: pool for pool in make_driver(to=small).storage_pools()}
    assert pools["pod"].kind == "datastore cluster"
    assert pools["pod"].id == pod._moId
    assert pools["pod"].nodes == pools["LocalDS_1"].nodes
    assert pools["pod"].features == pools["LocalDS_1"].features
    assert pools["LocalDS_1"].kind != "datastore cluster"


def test_port_groups_are_networks(make_driver: MakeDriver, small: VCenter) -> None:
    networks = {network.name: network for network in make_driver(to=small).networks()}
    assert networks["VM Network"].kind == "port group"
    assert networks["DC0_DVPG0"].kind == "distributed port group"
    assert set(networks["VM Network"].nodes) == {"DC0_C0", "DC0_C1", "DC0_H0"}


# --- what it can do ---------------------------------------------------------------------------------------------------


def test_every_role_and_feature_has_an_answer(make_driver: MakeDriver, small: VCenter) -> None:
    driver = make_driver(to=small)
    found = driver.capabilities("DC0_C0")
    assert set(found.answers) == {*Capability, *Feature}
    assert {role.capability for role in roles_of(VmwareDriver)} == {
        what for what in found.answers if isinstance(what, Capability) and found.has(what)
    }
    assert all(answer.reason for answer in found.answers.values() if not answer.available)
    assert (found.driver_version, found.backend) == (__version__, "VMware vCenter Server")


def test_the_native_handle_is_pyvmomi_s(make_driver: MakeDriver, small: VCenter) -> None:
    native: Any = make_driver(to=small).native()
    assert isinstance(native, vim.ServiceInstance)
    assert native.content.about.apiType == "VirtualCenter"
    assert native.CurrentTime().year >= 2026
    assert [child.name for child in native.content.rootFolder.childEntity] == ["DC0"]


# --- requests ---------------------------------------------------------------------------------------------------------


READS: dict[str, tuple[Callable[[VmwareDriver], object], int]] = {
    "nodes": (lambda driver: driver.nodes(), 3),
    "inventory": (lambda driver: driver.inventory("DC0_C0"), 6),
    "storage_pools": (lambda driver: driver.storage_pools(), 6),
    "networks": (lambda driver: driver.networks(), 6),
    "capabilities": (lambda driver: driver.capabilities(), 0),
    "capabilities of a node": (lambda driver: driver.capabilities("DC0_C0"), 3),
}


@pytest.mark.parametrize("read", READS)
def test_requests_do_not_grow_with_the_vcenter(
    read: str, make_driver: MakeDriver, own_vcenter: Callable[..., VCenter]
) -> None:
    ask, expected = READS[read]
    for times in (1, TIMES):
        settings = Settings(hosts=2 * times, datastores=2 * times, portgroups=times, vms=2 * times)
        driver = make_driver(to=own_vcenter(settings))
        driver.instances()  # what inventory counts guests by
        before = driver.site.connection.request_count
        ask(driver)
        asked = driver.site.connection.request_count - before
        assert asked <= expected + 1  # one that waits for changes may begin anew at any time


def test_fifty_threads_on_one_driver_see_the_same_while_the_session_expires(
    make_driver: MakeDriver, own_vcenter: Callable[..., VCenter], native: Native
) -> None:
    vcenter = own_vcenter(Settings(vms=10))
    driver = make_driver(to=vcenter)
    manager = native(vcenter).content.sessionManager
    reads: list[Callable[[], object]] = [
        driver.nodes,
        lambda: {guest.uuid for guest in driver.instances(fresh=True)},
        lambda: driver.inventory("DC0_C0").resources,
        lambda: [pool.id for pool in driver.storage_pools()],
        driver.networks,
    ]
    expected = [read() for read in reads]
    begun = threading.Barrier(51)

    def look(number: int) -> list[object]:
        begun.wait(60)
        return [reads[(number + step) % len(reads)]() for step in range(len(reads))]

    with ThreadPoolExecutor(50) as threads:
        looking = [threads.submit(look, number) for number in range(50)]
        begun.wait(60)
        manager.TerminateSession([s.key for s in manager.sessionList if s.userAgent.startswith("nova-virt-vmware")])
        found = [each.result(120) for each in looking]
    for number, seen in enumerate(found):
        assert seen == [expected[(number + step) % len(reads)] for step in range(len(reads))]
    assert driver.site.connection.session_number == 2
    driver.close()
    assert not [s for s in manager.sessionList if s.userAgent.startswith("nova-virt-vmware")]


# --- doctor -----------------------------------------------------------------------------------------------------------


def options(vcenter: VCenter, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**({option.dest: option.default for option in OPTIONS} | vcenter.options | more))


def test_doctor_finds_all_well(small: VCenter) -> None:
    found = checks(options(small))
    assert [check.name for check in found] == ["endpoint", "nodes", "storage", "networks"]
    assert all(check.ok for check in found)


@pytest.mark.parametrize(
    ("wrong", "name", "fix"),
    [
        ({"password": "x"}, "login", "check username"),
        ({"cafile": None}, "endpoint", "cafile"),
        ({"cafile": "/nowhere.pem"}, "options", "PEM"),
        ({"host": None}, "options", "give host"),
        ({"port": 1}, "endpoint", "host and port"),
    ],
)
def test_doctor_says_what_to_mend(wrong: dict[str, Any], name: str, fix: str, small: VCenter) -> None:
    (check,) = checks(options(small, **wrong))
    assert (check.name, check.ok) == (name, False)
    assert fix in check.fix
    assert small.password not in f"{check}"


def test_doctor_names_hosts_in_maintenance(small: VCenter, in_maintenance: Callable[..., None]) -> None:
    in_maintenance(small, "DC0_H0")
    (nodes,) = [check for check in checks(options(small)) if check.name == "nodes"]
    assert nodes.ok
    assert "DC0_H0: in maintenance mode" in nodes.found


def test_doctor_leaves_no_session(make_driver: MakeDriver, small: VCenter, native: Native) -> None:
    there = native(small)
    before = len(there.content.sessionManager.sessionList)
    checks(options(small))
    checks(options(small, password="x"))
    assert len(there.content.sessionManager.sessionList) == before
