"""What is told of datastores and datastore clusters."""

from typing import Any

import pytest

from nova_virt_api.model.place import PoolFeature
from nova_virt_vmware.nodes import NodeRow, Nodes
from nova_virt_vmware.storage_pools import cluster_of, datastore_of

NODES = Nodes(
    [
        NodeRow(moref="c1", name="one", cluster=True, datastores=frozenset({"ds-1", "ds-2"})),
        NodeRow(moref="c2", name="two", cluster=True, datastores=frozenset({"ds-1"})),
    ]
)
GOOD: dict[str, Any] = {
    "summary.type": "VMFS",
    "summary.accessible": True,
    "summary.capacity": 100,
    "summary.freeSpace": 40,
    "summary.maintenanceMode": "normal",
    "capability.perFileThinProvisioningSupported": True,
}


def test_a_datastore_tells_who_reaches_it() -> None:
    shared, local = datastore_of("ds-1", "a", GOOD, NODES), datastore_of("ds-2", "b", GOOD, NODES)
    assert (shared.nodes, local.nodes) == (("one", "two"), ("one",))
    assert shared.features == {PoolFeature.SHARED, PoolFeature.THIN}
    assert local.features == {PoolFeature.THIN}
    assert PoolFeature.SHARED in datastore_of("ds-2", "b", GOOD | {"summary.multipleHostAccess": True}, NODES).features
    assert (shared.capacity_bytes, shared.free_bytes, shared.kind, shared.available) == (100, 40, "VMFS", True)


@pytest.mark.parametrize("mode", ["enteringMaintenance", "inMaintenance"])
def test_a_datastore_in_maintenance_takes_no_disks(mode: str) -> None:
    assert not datastore_of("ds-1", "a", GOOD | {"summary.maintenanceMode": mode}, NODES).available


def test_a_datastore_out_of_reach_has_no_known_size() -> None:
    found = datastore_of("ds-1", "a", GOOD | {"summary.accessible": False}, NODES)
    assert (found.available, found.capacity_bytes, found.free_bytes) == (False, None, None)


def test_a_datastore_of_which_little_may_be_seen_is_listed() -> None:
    assert datastore_of("ds-9", "a", {}, NODES).available is False


def test_a_datastore_cluster_is_what_all_of_its_datastores_are() -> None:
    members = [datastore_of("ds-1", "a", GOOD, NODES), datastore_of("ds-2", "b", GOOD, NODES)]
    found = cluster_of("pod-1", "pod", {"summary.capacity": 200, "summary.freeSpace": 80}, members)
    assert found.nodes == ("one",)
    assert found.features == {PoolFeature.THIN}
    assert (found.capacity_bytes, found.free_bytes, found.available) == (200, 80, True)
    empty = cluster_of("pod-1", "pod", {}, [])
    assert (empty.nodes, empty.available, empty.features) == ((), False, frozenset())
