"""Nodes: what guests are placed on. A cluster is one node, and so is a host that is in none.

This is how Nova's VMware driver sees it, and it is what vSphere places on: inside of a cluster DRS and HA move guests
from host to host, so a guest's node stays the same, and its host, which ``Placement.host`` may name, does not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.place import Node
from nova_virt_vmware.entity_names import distinct_names, plain_name
from nova_virt_vmware.errors import moref_of
from nova_virt_vmware.property_collector import retrieve_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection

MOST_LISTED: Final = 20

HOST_PATHS: Final = (
    "name",
    "parent",
    "runtime.connectionState",
    "runtime.inMaintenanceMode",
    "runtime.bootTime",
    "summary.hardware.numCpuThreads",
    "summary.hardware.memorySize",
    "summary.config.product",
)
NODE_PATHS: Final = ("name", "resourcePool", "datastore", "network")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """A host.

    Args:
        moref: its id.
        name: its name or address.
        node: id of the node that it belongs to.
        connected: whether vCenter manages it now.
        maintenance: whether it is in maintenance mode.
        booted: when it was started, if known.
        threads: what it can run at a time.
        memory_bytes: its memory.
        product: name and version of what runs on it, e.g. ``VMware ESXi`` and ``8.0.2``.
    """

    moref: str
    name: str
    node: str
    connected: bool = True
    maintenance: bool = False
    booted: datetime | None = None
    threads: int = 0
    memory_bytes: int = 0
    product: tuple[str, str] = ("", "")

    @property
    def usable(self) -> bool:
        """Whether guests can be started on it."""
        return self.connected and not self.maintenance


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A cluster, or a host that is in none.

    Args:
        moref: its id; of a single host's ``ComputeResource``, not the host's own.
        name: its name, which no other node has.
        cluster: whether it is a cluster.
        hosts: its hosts.
        resource_pool: id of its root resource pool.
        datastores: ids of the datastores that it reaches.
        networks: ids of the networks that it reaches.
    """

    moref: str
    name: str
    cluster: bool
    hosts: tuple[HostRow, ...] = ()
    resource_pool: str = ""
    datastores: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()

    @property
    def usable_hosts(self) -> tuple[HostRow, ...]:
        """Those on which guests can be started."""
        return tuple(host for host in self.hosts if host.usable)

    @property
    def maintenance(self) -> str | None:
        """Why no guest can be started on it now; None when guests can."""
        if self.usable_hosts:
            return None
        if not self.hosts:
            return "it has no host"
        if any(host.maintenance for host in self.hosts):
            return "in maintenance mode" if len(self.hosts) == 1 else "no host is out of maintenance mode and connected"
        return "vCenter is not connected to the host" if len(self.hosts) == 1 else "no host is connected"

    @property
    def node(self) -> Node:
        """The node as specs and people know it."""
        return Node(id=self.moref, name=self.name, maintenance=self.maintenance)


class Nodes:
    """All nodes as one look found them.

    Args:
        rows: the nodes.
    """

    def __init__(self, rows: Iterable[NodeRow]) -> None:
        self.rows = tuple(rows)
        self._of_host = {host.moref: row for row in self.rows for host in row.hosts}

    def of_host(self, moref: str | None) -> NodeRow | None:
        """The node that a host belongs to, by the host's id; None when it was not there."""
        return self._of_host.get(moref or "")

    def pick(self, wanted: str | None) -> NodeRow:
        """The node of this name or id; the only one where none is named. A single host's own id is good, too.

        Raises:
            InvalidSpec: no such node, or several and none was named.
        """
        found = [row for row in self.rows if wanted in (None, row.name, row.moref)]
        if not found and (single := self.of_host(wanted)) is not None and not single.cluster:
            found = [single]
        if len(found) == 1:
            return found[0]
        names = [row.name for row in self.rows[:MOST_LISTED]]
        more = f" and {len(self.rows) - len(names)} more" if len(self.rows) > len(names) else ""
        raise InvalidSpec("node", wanted, f"one of {', '.join(names)}{more}" if names else "nothing: there is no node")


def read_nodes(connection: Connection, op: Operation | None = None) -> Nodes:
    """All nodes, with their hosts. Three requests, more only with more than a page of objects."""
    found = list(retrieve_kinds(connection, {vim.ComputeResource: NODE_PATHS, vim.HostSystem: HOST_PATHS}, None, op))
    hosts: dict[str, list[HostRow]] = defaultdict(list)
    for kind, moref, values in found:
        if issubclass(kind, vim.HostSystem):
            row = host_row(moref, values)
            hosts[row.node].append(row)
    resources = [(kind, moref, values) for kind, moref, values in found if issubclass(kind, vim.ComputeResource)]
    names = distinct_names({moref: values.get("name", moref) for _, moref, values in resources})
    return Nodes(
        NodeRow(
            moref=moref,
            name=names[moref],
            cluster=issubclass(kind, vim.ClusterComputeResource),
            hosts=tuple(sorted(hosts[moref], key=lambda host: host.name)),
            resource_pool=moref_of(values.get("resourcePool")),
            datastores=frozenset(map(moref_of, values.get("datastore") or ())),
            networks=frozenset(map(moref_of, values.get("network") or ())),
        )
        for kind, moref, values in resources
    )


def host_row(moref: str, values: Mapping[str, Any]) -> HostRow:
    """A host from its properties."""
    product = values.get("summary.config.product")
    return HostRow(
        moref=moref,
        name=plain_name(values.get("name", moref)),
        node=moref_of(values.get("parent")),
        connected=values.get("runtime.connectionState") == vim.HostSystem.ConnectionState.connected,
        maintenance=bool(values.get("runtime.inMaintenanceMode")),
        booted=values.get("runtime.bootTime"),
        threads=int(values.get("summary.hardware.numCpuThreads") or 0),
        memory_bytes=int(values.get("summary.hardware.memorySize") or 0),
        product=(product.name, product.version) if product is not None else ("", ""),
    )
