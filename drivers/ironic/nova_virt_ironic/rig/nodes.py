"""Nodes changed natively, as an operator changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from nova_virt_api.model.spec import Firmware

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_ironic.rig.native import Native

SCOPE: Final = {"resource_class": "resource_class", "conductor_group": "conductor_group", "node_owner": "owner"}
"""Options that say which nodes are looked at, each with the parameter of the request that does the same."""


class Nodes:
    """The nodes that a target's options leave in view.

    Args:
        native: the API.
    """

    def __init__(self, native: Native) -> None:
        self._native = native
        options = native.options
        query = {name: getattr(options, option) for option, name in SCOPE.items() if getattr(options, option)}
        if options.shards:
            query["shard"] = ",".join(options.shards)
        self._path = f"/nodes/detail?{urlencode(query | {'limit': 1000})}"

    def all(self) -> list[Any]:
        """All of them, as Ironic shows them."""
        return self._native.all(self._path, "nodes")

    def of(self, guest: UUID) -> Any:
        """The node that a guest is on.

        Raises:
            LookupError: there is none.
        """
        for node in self.all():
            if str(guest) in (node["instance_uuid"], node["uuid"]):
                return node
        raise LookupError(f"there is no guest {guest}")

    def deploy(self, guest: UUID | None, info: dict[str, Any]) -> Any:
        """Deploy a free node natively and switch it off.

        Args:
            guest: its ``instance_uuid``; None for none.
            info: its ``instance_info``.

        Raises:
            LookupError: none is free.
        """
        free = [node for node in self.all() if node["provision_state"] == "available" and not taken(node)]
        if not free:
            raise LookupError("the rig needs a node, and none is free")
        uuid = str(free[0]["uuid"])
        if guest is not None:
            self._native.patch(uuid, instance_uuid=str(guest))
        self._native.patch(uuid, instance_info=info)
        self.provision(uuid, "active", "active")
        self.power(uuid, "power off")
        return self._native.get(f"/nodes/{uuid}")

    def undeploy(self, node: str) -> None:
        """Undeploy a node natively; nothing happens to one that is free."""
        shown = self._native.wait(node, lambda now: now["target_provision_state"] is None, "the node is at rest")
        if shown["provision_state"] != "available":
            self.provision(node, "deleted", "available")

    def provision(self, node: str, verb: str, state: str) -> None:
        """Bring a node into another provision state."""
        self._native.change("PUT", f"/nodes/{node}/states/provision", {"target": verb})
        self._native.wait(node, lambda now: now["provision_state"] == state, f"{verb} ends in {state}")

    def power(self, node: str, state: str) -> None:
        """Switch a node."""
        self._native.change("PUT", f"/nodes/{node}/states/power", {"target": state})
        self._native.wait(
            node, lambda now: (now["power_state"], now["target_power_state"]) == (state, None), f"the node is {state}"
        )


def taken(node: Any) -> bool:
    """Whether a node is somebody's, or not to be had."""
    return bool(node["instance_uuid"] or node["maintenance"] or node["reservation"] or node["retired"])


def firmware_of(node: Any) -> Firmware | None:
    """What starts a node: what its guest asked for, else what it is said to have; None when nobody says."""
    asked = (node["instance_info"].get("capabilities") or {}).get("boot_mode")
    pairs = (pair.partition(":") for pair in (node["properties"].get("capabilities") or "").split(","))
    found = asked or {key: value for key, _, value in pairs}.get("boot_mode")
    return Firmware(found) if found else None
