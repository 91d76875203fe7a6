"""Storage pools: datastores, and datastore clusters, which place disks on one of theirs by themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.model.place import PoolFeature, StoragePool
from nova_virt_vmware.entity_names import distinct_names
from nova_virt_vmware.errors import moref_of
from nova_virt_vmware.property_collector import retrieve_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.nodes import Nodes

CLUSTER: Final = "datastore cluster"
"""The kind of a ``StoragePod``."""

NORMAL: Final = "normal"
"""``DatastoreSummaryMaintenanceModeState`` of a datastore that takes new disks."""

DATASTORE_PATHS: Final = (
    "name",
    "parent",
    "capability.perFileThinProvisioningSupported",
    "summary.type",
    "summary.accessible",
    "summary.capacity",
    "summary.freeSpace",
    "summary.maintenanceMode",
    "summary.multipleHostAccess",
)
CLUSTER_PATHS: Final = ("name", "summary.capacity", "summary.freeSpace")


def read_storage_pools(connection: Connection, nodes: Nodes, op: Operation | None = None) -> tuple[StoragePool, ...]:
    """All datastores, then all datastore clusters. Three requests, more only with more than a page of them.

    Args:
        connection: asks.
        nodes: tell which of them reaches what.
        op: the operation worked for, if any.
    """
    found = list(retrieve_kinds(connection, {vim.Datastore: DATASTORE_PATHS, vim.StoragePod: CLUSTER_PATHS}, None, op))
    names = distinct_names({moref: values.get("name", moref) for _, moref, values in found})
    stores, clusters, members = [], [], defaultdict(list)
    for kind, moref, values in found:
        if issubclass(kind, vim.StoragePod):
            clusters.append((moref, values))
            continue
        store = datastore_of(moref, names[moref], values, nodes)
        stores.append(store)
        members[moref_of(values.get("parent"))].append(store)
    return (*stores, *(cluster_of(moref, names[moref], values, members[moref]) for moref, values in clusters))


def datastore_of(moref: str, name: str, values: Mapping[str, Any], nodes: Nodes) -> StoragePool:
    """A datastore. Its size is what the server last knew; it is not told while no host reaches the datastore."""
    accessible = bool(values.get("summary.accessible"))
    reached_by = tuple(row.name for row in nodes.rows if moref in row.datastores)
    features = set()
    if values.get("capability.perFileThinProvisioningSupported"):
        features.add(PoolFeature.THIN)
    if values.get("summary.multipleHostAccess") or len(reached_by) > 1:
        features.add(PoolFeature.SHARED)
    return StoragePool(
        id=moref,
        name=name,
        kind=str(values.get("summary.type") or "datastore"),
        nodes=reached_by,
        capacity_bytes=size(values.get("summary.capacity")) if accessible else None,
        free_bytes=size(values.get("summary.freeSpace")) if accessible else None,
        available=accessible and values.get("summary.maintenanceMode", NORMAL) == NORMAL,
        features=frozenset(features),
    )


def cluster_of(moref: str, name: str, values: Mapping[str, Any], members: Sequence[StoragePool]) -> StoragePool:
    """A datastore cluster. A node reaches it that reaches all of its datastores, as Storage DRS may take any."""
    nodes = [name for name in members[0].nodes if all(name in each.nodes for each in members)] if members else []
    alike = frozenset.intersection(*(each.features for each in members)) if members else frozenset()
    return StoragePool(
        id=moref,
        name=name,
        kind=CLUSTER,
        nodes=tuple(nodes),
        capacity_bytes=size(values.get("summary.capacity")),
        free_bytes=size(values.get("summary.freeSpace")),
        available=any(each.available for each in members),
        features=alike,
    )


def size(native: int | None) -> int | None:
    """A number of bytes; pyvmomi's own kind of numbers does not cross the contract."""
    return None if native is None else int(native)
