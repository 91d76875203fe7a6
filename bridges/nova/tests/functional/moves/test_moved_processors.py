"""Processors of two hosts: a server that moves has those that Nova claims at its destination, and frees the others."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from nova import context, objects
from nova.tests import fixtures as nova_fixtures

pytestmark = pytest.mark.timeout(900)  # on a busy machine

HERE, THERE, NETWORK = "compute1", "compute2", "default"
DIVIDED = {
    HERE: {"cpu_dedicated_set": "1", "cpu_shared_set": "0"},
    THERE: {"cpu_dedicated_set": "0", "cpu_shared_set": "1"},
}
PINNED = {"hw:cpu_policy": "dedicated"}
CELLS = {"hw:numa_nodes": "1"}
ON_0, ON_1 = [(True, False)], [(False, True)]
"""Which of the host's two processors the only virtual CPU may run on."""


class Trackers:
    """What Nova's resource trackers of both hosts have counted.

    Args:
        managers: the hosts' compute managers.
    """

    def __init__(self, *managers: Any) -> None:
        self._managers = managers

    def pinned(self) -> dict[str, set[int]]:
        """The processors that are given away, by host."""
        admin = context.get_admin_context()
        for manager in self._managers:
            manager.update_available_resource(admin)
        nodes = objects.ComputeNodeList.get_all(admin)
        cells = {node.host: objects.NUMATopology.obj_from_db_obj(node.numa_topology).cells for node in nodes}
        return {host: only.pinned_cpus for host, (only,) in cells.items()}


@pytest.fixture
def cloud(make_cloud: Any, hosts: dict[str, Any]) -> Iterator[Any]:
    """A cloud of two hosts, each with another processor that guests may have for themselves; what it leaves fails."""
    given = {"owner": f"nova-tests-{uuid.uuid4().hex[:8]}", "networks": {"private": NETWORK}, "node_uuids": "endpoint"}
    cloud = make_cloud("libvirt", hosts[HERE].options() | DIVIDED[HERE], **given)
    cloud.flags(shutdown_timeout=0)  # no system is there to be asked
    options = hosts[THERE].options() | DIVIDED[THERE]
    cloud.flags(group="nova_virt", options=[f"{key}={value}" for key, value in options.items()])
    with nova_fixtures.ConfPatcher(host=THERE):
        second = cloud.start_service("compute", host=THERE)
    cloud.trackers = Trackers(cloud.compute.manager, second.manager)
    yield cloud
    for host in hosts.values():
        assert [domain.name() for domain in host.native.listAllDomains(0)] == [], "guests left behind"


def places(host: Any, server: Any) -> list[tuple[bool, ...]]:
    """For each virtual CPU of a server that runs, which of the host's processors it really may run on."""
    found: list[tuple[bool, ...]] = host.native.lookupByUUIDString(server["id"]).vcpus()[1]
    return found


def end(cloud: Any, server: Any, how: str) -> None:
    """Confirm or revert."""
    cloud.act(server, how)
    cloud.wait_for(server, "ACTIVE")
    assert cloud.ended(server, how) == "Success"


def test_moved_while_it_is_off_and_back_and_for_good(cloud: Any, image: str, hosts: Any) -> None:
    source, destination = hosts[HERE], hosts[THERE]
    server = cloud.boot(image, host=HERE, extra_specs=PINNED)
    assert (places(source, server), cloud.trackers.pinned()) == (ON_1, {HERE: {1}, THERE: set()})
    for how in ("revertResize", "confirmResize"):
        cloud.act(server, "migrate", {"host": THERE})
        cloud.wait_for(server, "VERIFY_RESIZE")
        assert (places(destination, server), cloud.trackers.pinned()) == (ON_0, {HERE: {1}, THERE: {0}})
        there = destination.definition(server)
        assert there.find("cputune/emulatorpin").get("cpuset") == "0"
        assert there.find("numatune/memnode").get("nodeset") == "0"
        end(cloud, server, how)
        if how == "revertResize":
            assert (places(source, server), cloud.trackers.pinned()) == (ON_1, {HERE: {1}, THERE: set()})
    cloud.wait(lambda: source.traces(server) == [], "nothing is left at the source")
    assert (places(destination, server), cloud.trackers.pinned()) == (ON_0, {HERE: set(), THERE: {0}})
    cloud.delete(server)
    assert cloud.trackers.pinned() == {HERE: set(), THERE: set()}


def test_flavors_give_and_take_processors(cloud: Any, image: str, hosts: Any) -> None:
    """A flavor with none of its own, one that has one, and one that has a cell only, from host to host."""
    server = cloud.boot(image, host=HERE)
    cloud.act(server, "resize", {"flavorRef": cloud.flavor(extra_specs=PINNED)})
    cloud.wait_for(server, "VERIFY_RESIZE")
    assert (places(hosts[THERE], server), cloud.trackers.pinned()) == (ON_0, {HERE: set(), THERE: {0}})
    end(cloud, server, "confirmResize")
    cloud.act(server, "resize", {"flavorRef": cloud.flavor(extra_specs=CELLS)})
    cloud.wait_for(server, "VERIFY_RESIZE")
    definition = hosts[HERE].definition(server)
    assert [(pin.get("vcpu"), pin.get("cpuset")) for pin in definition.iterfind("cputune/vcpupin")] == [("0", "0")]
    assert definition.find("cpu/numa/cell").get("cpus") == "0"
    assert cloud.trackers.pinned() == {HERE: set(), THERE: {0}}
    end(cloud, server, "confirmResize")
    assert (places(hosts[HERE], server), cloud.trackers.pinned()) == (ON_0, {HERE: set(), THERE: set()})
    cloud.delete(server)


def live(cloud: Any, server: Any, host: str) -> None:
    """Move a server while it runs."""
    cloud.act(server, "os-migrateLive", {"host": host, "block_migration": "auto"})
    cloud.wait_for(server, "ACTIVE")
    assert cloud.ended(server, "live-migration") == "Success"


@pytest.mark.parametrize("extra_specs", [PINNED, CELLS], ids=["processors", "cells"])
def test_moved_while_it_runs(cloud: Any, image: str, hosts: Any, extra_specs: Any) -> None:
    """There and back: the guest runs on what the destination has for it, and starts there again on the same."""
    server = cloud.boot(image, host=HERE, extra_specs=extra_specs)
    own = extra_specs is PINNED
    for start, goal, before, after in ((HERE, THERE, {1}, {0}), (THERE, HERE, {0}, {1})):
        assert cloud.trackers.pinned() == {start: before if own else set(), goal: set()}
        live(cloud, server, goal)
        assert cloud.server(server)["OS-EXT-SRV-ATTR:host"] == goal
        assert places(hosts[goal], server) == [tuple((cpu in after) is own for cpu in (0, 1))]
        assert hosts[goal].definition(server).find("numatune/memnode").get("nodeset") == "0"
        assert cloud.trackers.pinned() == {start: set(), goal: after if own else set()}
        assert hosts[start].traces(server) == []
        assert not [name for name in hosts[goal].traces(server) if ".cpus." in name]
        cloud.act(server, "reboot", {"type": "HARD"})
        cloud.wait_for(server, "ACTIVE")
        assert places(hosts[goal], server) == [tuple((cpu in after) is own for cpu in (0, 1))]
    cloud.delete(server)
    assert cloud.trackers.pinned() == {HERE: set(), THERE: set()}
