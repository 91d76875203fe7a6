"""The virtual interfaces of the network service that a node's ports are connected to (API reference: "VIFs")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.errors import InvalidSpec, NetworkError
from nova_virt_ironic.effect import bring_about
from nova_virt_ironic.errors import Conflict, NotThere, Refused
from nova_virt_ironic.microversions import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_ironic.connection import Connection
    from nova_virt_ironic.node import NodeRow


def check_nics(spec: InstanceSpec) -> None:
    """Refuse networks by name: what a machine's ports are connected to is the network service's affair.

    Raises:
        InvalidSpec: an interface names a network.
    """
    for index, nic in enumerate(spec.nics):
        if nic.network is not None:
            allowed = "None for one of the machine's own ports, or a vif_id: Ironic has no networks of its own"
            raise InvalidSpec(f"nics[{index}].network", nic.network, allowed)


def too_few_ports(connection: Connection, row: NodeRow, nics: Sequence[Nic], op: Operation) -> str:
    """Why a node cannot have so many interfaces, in a few words; empty when it can."""
    if not nics:
        return ""
    ports = connection.read(
        f"list the ports of node {row.label}",
        lambda client: client.port.list(node=row.uuid, limit=len(nics), fields=["uuid"]),
        at=Call.PORTS,
        op=op,
    )
    return f"node {row.label} has {len(ports)} ports" if len(ports) < len(nics) else ""


def attached(connection: Connection, row: NodeRow, op: Operation | None) -> list[str]:
    """Ids of the VIFs that are attached to a node."""
    found = connection.read(
        f"list the VIFs of node {row.label}", lambda client: client.node.vif_list(row.uuid), at=Call.VIFS, op=op
    )
    return [str(vif.id) for vif in found]


def attach(connection: Connection, row: NodeRow, vif: str, op: Operation) -> None:
    """Attach a VIF to a free port of a node; one that is attached to it already stays.

    Raises:
        NetworkError: the network service does not have it, it is in use elsewhere, or no port suits it.
    """
    doing = f"attach VIF {vif} to node {row.label}"
    try:
        bring_about(
            lambda: connection.change(doing, lambda client: client.node.vif_attach(row.uuid, vif), at=Call.VIFS, op=op),
            lambda: vif in attached(connection, row, op),
            op,
        )
    except (Conflict, NotThere, Refused) as error:
        if vif not in attached(connection, row, op):
            raise NetworkError(
                error.message, hint="see that the VIF is there, unused, and on a network of a free port"
            ) from error


def detach(connection: Connection, row: NodeRow, vif: str, op: Operation) -> None:
    """Detach a VIF from a node; one that is not attached stays away.

    Raises:
        NetworkError: it could not be disconnected.
    """
    doing = f"detach VIF {vif} from node {row.label}"
    try:
        bring_about(
            lambda: connection.change(doing, lambda client: client.node.vif_detach(row.uuid, vif), at=Call.VIFS, op=op),
            lambda: vif not in attached(connection, row, op),
            op,
        )
    except (Conflict, NotThere, Refused) as error:
        if vif in attached(connection, row, op):
            hint = "see that the network service works, then detach it again"
            raise NetworkError(error.message, hint=hint) from error
