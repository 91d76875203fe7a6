"""The endpoint's nodes under the names and uuids by which Nova knows them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import nova.conf
import nova.virt.node
from nova import exception

import nova_virt_api as virt
from nova_virt_bridge.local_node import LocalNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.model.place import Node
    from nova_virt_bridge.site import Site

CONF = nova.conf.CONF


class NodeNames:
    """Names and uuids of the nodes of one endpoint.

    A node's name at Nova is its own, or its id where guests are whole machines (as Nova's Ironic driver has it). Nodes
    that have one name have their id behind it; the others keep theirs.

    Args:
        site: the endpoint.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._local_node = LocalNode()

    @property
    def whole(self) -> bool:
        """Whether a guest is a whole machine."""
        return self._site.has(virt.Feature.WHOLE_NODES)

    def by_name(self) -> dict[str, Node]:
        """The nodes by their names at Nova, in the endpoint's order."""
        nodes = self._site.compute.nodes()
        if self.whole:
            return {node.id: node for node in nodes}
        count = Counter(node.name for node in nodes)
        return {node.name if count[node.name] == 1 else with_id(node): node for node in nodes}

    def node(self, name: str) -> Node:
        """The node of this name.

        Raises:
            ComputeHostNotFound: there is none.
        """
        found = self.by_name().get(name)
        if found is None:
            raise exception.ComputeHostNotFound(host=name)
        return found

    def home(self, instance: Any) -> Node:
        """The node that an instance belongs on. Where there is only one, whatever Nova says of the instance.

        While an instance is on its way to this host, evacuated or migrated, it still has the name of the node it left.

        Raises:
            ComputeHostNotFound: there are several, and none has the name.
        """
        nodes = list(self.by_name().values())
        return nodes[0] if len(nodes) == 1 else self.node(instance.node)

    def by_uuid(self) -> dict[str, str]:
        """The names by uuid at Nova and Placement, see the option ``node_uuids``.

        Nova refuses to start a second time without its file compute_id, whatever the driver says, except for Ironic. So
        that file is made even where no node needs it.

        Raises:
            InvalidConfiguration: nova.conf says that there is one node, and there is not; or the file that keeps which
                node has Nova's uuid cannot be used.
        """
        nodes = self.by_name()
        local = "" if "ironic" in CONF.compute_driver.lower() else str(nova.virt.node.get_local_node_uuid())
        chosen = self._named_by_nova(list(nodes.values()), local) if local else None
        return {local if node is chosen else uuid_of(node, local): name for name, node in nodes.items()}

    def _named_by_nova(self, nodes: Sequence[Node], local: str) -> Node | None:
        rule: Any = CONF.nova_virt.node_uuids
        if rule == "nova" and len(nodes) != 1:
            names = ", ".join(node.name for node in nodes) or "none"
            raise exception.InvalidConfiguration(f"[nova_virt] node_uuids = nova, but the endpoint has nodes: {names}")
        if rule == "nova":
            return nodes[0]
        return self._local_node.among(nodes, local) if rule == "auto" and not self.whole else None


def with_id(node: Node) -> str:
    """A name that no other node has, of letters that Nova's API takes where a server is asked for on a node."""
    return f"{node.name}.{node.id}"


def uuid_of(node: Node, local: str) -> str:
    """A node's uuid by its own id; one that is no uuid is told apart from another endpoint's by Nova's file."""
    try:
        return str(UUID(node.id))
    except ValueError:
        return str(uuid5(UUID(local or str(nova.virt.node.get_local_node_uuid())), node.id))
