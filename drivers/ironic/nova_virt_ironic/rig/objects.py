"""All that guests may leave behind in Ironic, and in the network service that it uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nova_virt_ironic.rig.native import Native
    from nova_virt_ironic.rig.nodes import Nodes

GUESTLESS: Final = frozenset(
    {"available", "manageable", "enroll", "cleaning", "clean wait", "clean hold", "inspecting", "inspect wait"}
)
"""Provision states of nodes that nothing is deployed on; one that is cleaned is on its way to be free."""


SETTINGS: Final = (
    "bios_interface",
    "boot_interface",
    "console_interface",
    "console_enabled",
    "deploy_interface",
    "inspect_interface",
    "management_interface",
    "network_interface",
    "power_interface",
    "raid_interface",
    "rescue_interface",
    "storage_interface",
    "vendor_interface",
    "maintenance",
    "maintenance_reason",
    "protected",
    "retired",
    "properties",
    "driver_info",
    "extra",
    "traits",
    "name",
)
"""What a guest must find as it was before it: what of a node people set."""

MARK: Final = "nova_virt"
SCRIPT: Final = "script"
"""What the rig itself tells an imitated machine."""


class Objects:
    """Looks at what there is.

    Args:
        native: the API.
        nodes: the nodes that count.
        owners: whose objects count; others' that say whose they are do not.
    """

    def __init__(self, native: Native, nodes: Nodes, owners: Collection[str]) -> None:
        self._native = native
        self._nodes = nodes
        self._owners = owners

    def list(self) -> list[str]:
        """One line for each object."""
        nodes = {node["uuid"]: node for node in self._nodes.all() if not self._is_others(node)}
        found = [line for node in nodes.values() for line in of_node(node)]
        for port in self._native.all("/ports/detail?limit=1000", "ports"):
            if port["node_uuid"] in nodes and (vif := vif_of(port)) is not None:
                found.append(f"VIF {vif} at port {port['address']}")
        for target in self._native.all("/volume/targets?detail=True&limit=1000", "targets"):
            if target["node_uuid"] in nodes:
                found.append(f"volume target {target['uuid']} of volume {target['volume_id']}")
        for allocation in self._native.all("/allocations?limit=1000", "allocations"):
            if allocation["node_uuid"] in nodes:
                found.append(f"allocation {allocation['uuid']}")
        return found

    def _is_others(self, node: Any) -> bool:
        mark = (node["instance_info"] or {}).get(MARK)
        return isinstance(mark, dict) and mark.get("owner") not in self._owners


def of_node(node: Any) -> Iterator[str]:
    """What a node shows of guests."""
    name = node["name"] or node["uuid"]
    if node["instance_uuid"]:
        yield f"claim of {name} for {node['instance_uuid']}"
    if node["provision_state"] not in GUESTLESS:
        yield f"deployment on {name}"
    for key in node["instance_info"]:
        yield f"instance_info of {name}: {key}"
    for key in SETTINGS:
        value = node.get(key)
        if key == "driver_info":
            value = {name: setting for name, setting in value.items() if name != SCRIPT}
        if value not in (None, "", {}, [], False):
            yield f"{key} of {name}: {value}"


def vif_of(port: Any) -> str | None:
    """The VIF that is attached to a port of a node."""
    found = (port.get("internal_info") or {}).get("tenant_vif_port_id")
    return None if found is None else str(found)
