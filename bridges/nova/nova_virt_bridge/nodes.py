"""Which nodes there are."""

from __future__ import annotations

from nova_virt_bridge.errors import HOST, nova_errors
from nova_virt_bridge.site import Bridged


class Nodes(Bridged):
    """Nova's methods about which nodes there are."""

    def get_available_nodes(self, refresh: bool = False) -> list[str]:
        with nova_errors(HOST):
            return list(self.site.nodes.by_name())

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        with nova_errors(HOST):
            return self.site.nodes.by_uuid()

    def node_is_available(self, nodename: str) -> bool:
        with nova_errors(HOST):
            return nodename in self.site.nodes.by_name()
