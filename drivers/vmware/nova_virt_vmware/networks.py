"""Networks: standard port groups, distributed port groups, and networks that something else than vSphere makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.model.place import Network
from nova_virt_vmware.entity_names import distinct_names
from nova_virt_vmware.property_collector import retrieve_kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.nodes import Nodes

PATHS: Final = ("name", "summary.accessible", "tag")

UPLINKS: Final = "SYSTEM/DVS.UPLINKPG"
"""Tag of the port groups that a distributed switch's own way out ends in; no guest can be connected to them."""

KINDS: Final[Mapping[type[Any], str]] = {
    vim.dvs.DistributedVirtualPortgroup: "distributed port group",
    vim.OpaqueNetwork: "opaque network",
    vim.Network: "port group",
}
"""The first that matches decides."""


def read_networks(connection: Connection, nodes: Nodes, op: Operation | None = None) -> tuple[Network, ...]:
    """All networks that a guest can be connected to. Three requests, more only with more than a page of them.

    Args:
        connection: asks.
        nodes: tell which of them reaches what.
        op: the operation worked for, if any.
    """
    found = [
        (kind, moref, values)
        for kind, moref, values in retrieve_kinds(connection, {vim.Network: PATHS}, None, op)
        if UPLINKS not in [tag.key for tag in values.get("tag") or ()]
    ]
    names = distinct_names({moref: values.get("name", moref) for _, moref, values in found})
    return tuple(
        Network(
            id=moref,
            name=names[moref],
            kind=next(text for native, text in KINDS.items() if issubclass(kind, native)),
            nodes=tuple(row.name for row in nodes.rows if moref in row.networks),
            available=values.get("summary.accessible", True),
        )
        for kind, moref, values in found
    )
