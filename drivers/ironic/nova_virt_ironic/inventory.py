"""What a node has to give, as Nova's Ironic driver tells Placement: one unit of its resource class, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import os_resource_classes

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.place import Inventory, Node, Resource
from nova_virt_ironic.instances import guest_on
from nova_virt_ironic.provision_states import power_state_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nova_virt_ironic.node import NodeRow

HYPERVISOR: Final = "Ironic"
FREE: Final = "available"
MOST_LISTED: Final = 20


def node_of(row: NodeRow) -> Node:
    """The node as specs and people know it."""
    reason = (row.maintenance_reason or row.fault or "") if row.maintenance else None
    return Node(id=row.uuid, name=row.label, maintenance=reason)


def pick(rows: Iterable[NodeRow], wanted: str | None) -> NodeRow:
    """The node of this name or id; the only one where none is named.

    Raises:
        InvalidSpec: no such node, or several and none was named.
    """
    candidates = list(rows)
    found = [row for row in candidates if wanted in (None, row.name, row.uuid)]
    if len(found) == 1:
        return found[0]
    names = [row.label for row in candidates[:MOST_LISTED]]
    more = f" and {len(candidates) - len(names)} more" if len(candidates) > len(names) else ""
    raise InvalidSpec("node", wanted, f"one of {', '.join(names)}{more}" if names else "nothing: there is no node")


def inventory_of(row: NodeRow, version: str) -> Inventory:
    """What a node has to give.

    Args:
        row: the node.
        version: of the endpoint's API; Ironic tells no other.
    """
    used = guest_on(row) is not None
    resources = []
    if row.resource_class:
        name = os_resource_classes.normalize_name(row.resource_class)
        reserved = not used and why_unavailable(row) != ""
        resources.append(Resource(resource_class=name, total=1, reserved=int(reserved), used=int(used)))
    return Inventory(
        node=node_of(row),
        hypervisor=HYPERVISOR,
        hypervisor_version=version,
        resources=tuple(resources),
        traits=row.traits,
    )


def why_unavailable(row: NodeRow) -> str:
    """Why a node that carries no guest cannot get one now, in a few words; empty when it can."""
    if row.maintenance:
        return "it is in maintenance"
    if row.retired:
        return "it is retired"
    if row.provision_state != FREE:
        return f"it is {row.provision_state}"
    if power_state_of(row) is PowerState.NOSTATE:
        return "its power state is not known"
    return ""
