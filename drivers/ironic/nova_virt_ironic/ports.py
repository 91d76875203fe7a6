"""The network cards of a node, as Ironic was told of them or found them (API reference: "Ports", "Portgroups")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nova_virt_ironic.microversions import Call

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.connection import Connection
    from nova_virt_ironic.node import NodeRow

ATTACHED: Final = "tenant_vif_port_id"
"""Where Ironic keeps, in ``internal_info``, the VIF that a port or a group of ports is attached to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A network card, or a group of them that acts as one.

    Args:
        uuid: Ironic's.
        address: its MAC address, lower case; None for a group without one of its own.
        vif_id: the VIF that it is attached to, if any.
        group: uuid of the group that it belongs to, if any.
    """

    uuid: str
    address: str | None
    vif_id: str | None = None
    group: str | None = None


class Ports:
    """Reads the ports of nodes.

    Args:
        connection: where it asks.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, row: NodeRow, op: Operation | None = None) -> Sequence[Port]:
        """The ports of a node in the order in which they were enrolled. One request."""
        names = ["uuid", "address", "internal_info", "portgroup_uuid"]
        found = self._connection.read(
            f"list the ports of node {row.label}",
            lambda client: client.port.list(node=row.uuid, fields=names, limit=0),
            at=Call.PORTS,
            op=op,
        )
        return tuple(port(vars(one)) for one in found)

    def groups_of(self, row: NodeRow, op: Operation | None = None) -> Sequence[Port]:
        """The groups of ports of a node. One request."""
        found = self._connection.read(
            f"list the groups of ports of node {row.label}",
            lambda client: client.portgroup.list(node=row.uuid, fields=["uuid", "address", "internal_info"], limit=0),
            at=Call.PORTS,
            op=op,
        )
        return tuple(port(vars(one)) for one in found)


def port(found: dict[str, Any]) -> Port:
    """A port, or a group of ports, from JSON."""
    address = found.get("address")
    return Port(
        uuid=str(found["uuid"]),
        address=str(address).lower() if address else None,
        vif_id=(found.get("internal_info") or {}).get(ATTACHED),
        group=found.get("portgroup_uuid"),
    )
