"""Where a new guest goes: what the names in its spec mean, all of it looked up before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_vmware.entity_names import escaped_name
from nova_virt_vmware.errors import moref_of
from nova_virt_vmware.machine import child_of
from nova_virt_vmware.network_cards import find_backings
from nova_virt_vmware.nodes import NodeRow, read_nodes
from nova_virt_vmware.property_collector import look_at, retrieve
from nova_virt_vmware.storage_pools import CLUSTER, read_storage_pools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.place import StoragePool
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_vmware.connection import Connection

MOST_LISTED: Final = 20
FOLDER_PATH: Final = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places of one guest.

    Args:
        datacenter: id of the datacenter that all of them are in.
        machine_folder: id of the datacenter's folder for virtual machines.
        node: the node.
        host: id of one host of it; None leaves the choice to the server.
        folder: id of the folder that the guest ends in; None leaves it in its owner's.
        datastores: for each disk the name and the id of its datastore.
        backings: for each card what it is connected to.
    """

    datacenter: str
    machine_folder: str
    node: NodeRow
    host: str | None
    folder: str | None
    datastores: Sequence[tuple[str, str]]
    backings: Sequence[Any]


def find_places(connection: Connection, spec: InstanceSpec, op: Operation) -> Places:
    """Look up the places that a spec names; what it leaves out is taken where exactly one will do.

    Raises:
        InvalidSpec: a place is not there, or none was named where there are several.
        NoCapacity: no guest can be started on the node now.
    """
    nodes = read_nodes(connection, op)
    try:
        node = nodes.pick(spec.placement.node)
    except InvalidSpec as error:
        raise error.under("placement") from None
    if node.maintenance is not None:
        raise NoCapacity("nodes", f"node {node.name} takes no guests now: {node.maintenance}")
    pools = [
        pool
        for pool in read_storage_pools(connection, nodes, op)
        if pool.id in node.datastores and pool.kind != CLUSTER
    ]
    datacenter, machine_folder = datacenter_of(connection, node, op)
    return Places(
        datacenter=datacenter,
        machine_folder=machine_folder,
        node=node,
        host=host_of(connection, node, spec.placement.host, op),
        folder=find_folder(connection, datacenter, spec.placement.folder, op),
        datastores=datastores_of(connection, spec, pools, op),
        backings=find_backings(connection, nodes, node, spec.nics, op),
    )


def datastores_of(
    connection: Connection, spec: InstanceSpec, pools: Sequence[StoragePool], op: Operation
) -> list[tuple[str, str]]:
    """The server's name and the id of the datastore of each disk; of the machine's own files where it has no disk."""
    usual = ("placement.pool", spec.placement.pool)
    wanted = [
        usual if disk.pool is None else (f"disks[{index}].pool", disk.pool) for index, disk in enumerate(spec.disks)
    ]
    found = [pick(field, name, pools).id for field, name in wanted or [usual]]
    if spec.placement.pool is not None:
        pick(*usual, pools)
    names = dict(look_at(connection, vim.Datastore, list(dict.fromkeys(found)), ("name",), op))
    return [(str(names[moref]["name"]), moref) for moref in found]


def pick(field: str, wanted: str | None, pools: Sequence[StoragePool]) -> StoragePool:
    """The storage pool of this name or id; the only one where none is named."""
    found = [pool for pool in pools if wanted in (None, pool.name, pool.id)]
    if len(found) != 1:
        names = ", ".join(pool.name for pool in pools[:MOST_LISTED])
        raise InvalidSpec(field, wanted, f"one of: {names}" if names else "nothing: the node reaches no datastore")
    return found[0]


def host_of(connection: Connection, node: NodeRow, wanted: str | None, op: Operation) -> str | None:
    """Id of the host that was asked for; else None where the server chooses, or the one with the most free memory.

    A server chooses in a cluster with DRS only (vSphere API reference: ``VirtualMachineRelocateSpec.host``).

    Raises:
        InvalidSpec: the node has no such host, or it takes no guests.
    """
    if wanted is not None:
        found = [host for host in node.usable_hosts if wanted in (host.name, host.moref)]
        if not found:
            names = ", ".join(host.name for host in node.usable_hosts[:MOST_LISTED])
            raise InvalidSpec("placement.host", wanted, f"one of: {names}")
        return found[0].moref
    if not node.cluster or has_drs(connection, node, op):
        return None
    free = {
        moref: values.get("summary.hardware.memorySize", 0)
        - values.get("summary.quickStats.overallMemoryUsage", 0) * 1024**2
        for moref, values in look_at(
            connection,
            vim.HostSystem,
            [host.moref for host in node.usable_hosts],
            ("summary.hardware.memorySize", "summary.quickStats.overallMemoryUsage"),
            op,
        )
    }
    return max(free, key=lambda moref: free[moref]) if free else None


def has_drs(connection: Connection, node: NodeRow, op: Operation) -> bool:
    """Whether the cluster chooses hosts by itself."""
    path = "configurationEx"
    found = dict(look_at(connection, vim.ClusterComputeResource, [node.moref], (path,), op))
    configuration = found.get(node.moref, {}).get(path)
    drs = getattr(configuration, "drsConfig", None)
    return drs is not None and bool(drs.enabled)


def datacenter_of(connection: Connection, node: NodeRow, op: Operation) -> tuple[str, str]:
    """Ids of the datacenter that a node is in, and of its folder for virtual machines."""
    kind: type[Any] = vim.ClusterComputeResource if node.cluster else vim.ComputeResource
    moref = datacenter_above(connection, kind, node.moref, op)
    if moref is None:
        raise InvalidSpec("placement.node", node.name, "a node inside of a datacenter")
    return moref, machine_folder_of(connection, moref, op)


def datacenter_above(connection: Connection, kind: type[Any], moref: str, op: Operation | None) -> str | None:
    """Id of the datacenter that an entity is in; None when it is in none, or gone."""
    while True:
        found = dict(look_at(connection, kind, [moref], ("parent",), op))
        parent = found.get(moref, {}).get("parent")
        if parent is None:
            return None
        kind, moref = type(parent), moref_of(parent)
        if isinstance(parent, vim.Datacenter):
            return moref


def machine_folder_of(connection: Connection, datacenter: str, op: Operation) -> str:
    """Id of a datacenter's folder for virtual machines."""
    found = dict(look_at(connection, vim.Datacenter, [datacenter], ("vmFolder",), op))
    return moref_of(found[datacenter]["vmFolder"])


def find_folder(connection: Connection, datacenter: str, wanted: str | None, op: Operation) -> str | None:
    """Id of a folder for virtual machines by its id, or by its path beneath the datacenter's, e.g. ``lab/web``.

    Raises:
        InvalidSpec: there is no such folder in the datacenter.
    """
    if wanted is None:
        return None
    folder: Any = connection.object(vim.Folder, machine_folder_of(connection, datacenter, op))
    for name in wanted.strip(FOLDER_PATH).split(FOLDER_PATH):
        if not isinstance(folder, vim.Folder):
            break
        folder = child_of(connection, moref_of(folder), escaped_name(name), op)
    if folder is None:
        folder = folder_by_id(connection, connection.object(vim.Datacenter, datacenter), wanted, op)
    if not isinstance(folder, vim.Folder):
        raise InvalidSpec("placement.folder", wanted, "the path of a folder for virtual machines, or its id")
    return moref_of(folder)


def folder_by_id(connection: Connection, datacenter: vim.Datacenter, wanted: str, op: Operation) -> Any:
    """The folder of this id, if it is one for virtual machines of the datacenter."""
    for moref, values in retrieve(connection, vim.Folder, ("childType",), datacenter, op):
        if moref == wanted and "VirtualMachine" in (values.get("childType") or ()):
            return connection.object(vim.Folder, moref)
    return None
