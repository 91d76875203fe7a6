"""Processors of the host: what Nova claims of them for a server is what libvirt gives its guest."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from nova import context, objects

pytestmark = pytest.mark.timeout(900)  # on a busy machine

HOST, NETWORK = "compute1", "default"
DIVIDED = {"cpu_dedicated_set": "1", "cpu_shared_set": "0"}
PINNED = {"hw:cpu_policy": "dedicated"}
MACHINE = {
    "hw:numa_nodes": "1",
    "hw:watchdog_action": "poweroff",
    "quota:disk_total_iops_sec": "500",
    "hw:cpu_max_sockets": "1",
}


@pytest.fixture
def cloud(make_cloud: Any, hosts: dict[str, Any]) -> Iterator[Any]:
    """A cloud of one host with a processor that guests may have for themselves; what it leaves fails the test."""
    given = {"owner": f"nova-tests-{uuid.uuid4().hex[:8]}", "networks": {"private": NETWORK}}
    cloud = make_cloud("libvirt", hosts[HOST].options() | DIVIDED, node_uuids="endpoint", **given)
    cloud.flags(shutdown_timeout=0)  # no system is there to be asked
    yield cloud
    assert [domain.name() for domain in hosts[HOST].native.listAllDomains(0)] == [], "guests left behind"


def host_cell(cloud: Any) -> Any:
    """The only NUMA cell of the host, as Nova's resource tracker has it now."""
    cloud.compute.manager.update_available_resource(context.get_admin_context())
    (node,) = objects.ComputeNodeList.get_all(context.get_admin_context())
    (cell,) = objects.NUMATopology.obj_from_db_obj(node.numa_topology).cells
    return cell


def test_a_pinned_server_has_the_processor_that_nova_claimed(cloud: Any, image: str, hosts: Any) -> None:
    assert host_cell(cloud).pcpuset == {1}
    assert host_cell(cloud).cpuset == {0}
    server = cloud.boot(image, extra_specs=PINNED)
    definition = hosts[HOST].definition(server)
    assert [(pin.get("vcpu"), pin.get("cpuset")) for pin in definition.iterfind("cputune/vcpupin")] == [("0", "1")]
    (placed,) = definition.iterfind("numatune/memnode")
    assert (placed.get("mode"), placed.get("nodeset")) == ("strict", "0")
    assert definition.find("cpu/numa/cell").get("cpus") == "0"
    running = hosts[HOST].native.lookupByUUIDString(server["id"])
    assert running.vcpus()[1] == [(False, True)], "where its virtual CPU really may run"
    assert host_cell(cloud).pinned_cpus == {1}
    second = cloud.request(image, extra_specs=PINNED)
    cloud.wait_for(second, "ERROR")
    cloud.delete(second)
    cloud.delete(server)
    assert host_cell(cloud).pinned_cpus == set()


def test_a_server_with_cells_and_a_machine_of_its_own_floats(cloud: Any, image: str, hosts: Any) -> None:
    server = cloud.boot(image, extra_specs=MACHINE)
    definition = hosts[HOST].definition(server)
    assert [(pin.get("vcpu"), pin.get("cpuset")) for pin in definition.iterfind("cputune/vcpupin")] == [("0", "0")]
    assert definition.find("numatune/memnode").get("nodeset") == "0"
    assert definition.find("devices/watchdog").get("action") == "poweroff"
    assert definition.findtext("devices/disk/iotune/total_iops_sec") == "500"
    assert definition.find("cpu/topology").get("sockets") == "1"
    cloud.delete(server)


def test_what_the_host_lacks_goes_nowhere(cloud: Any, image: str, hosts: Any) -> None:
    server = cloud.request(image, extra_specs={"quota:cpu_quota": "50000"})
    cloud.wait_for(server, "ERROR")
    assert hosts[HOST].traces(server) == []
    cloud.delete(server)
