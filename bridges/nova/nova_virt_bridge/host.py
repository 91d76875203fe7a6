"""The host that nova-compute runs for: opening and closing, address, uptime, maintenance."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

import nova.conf

import nova_virt_api as virt
from nova_virt_bridge.errors import HOST, START, nova_errors
from nova_virt_bridge.live_migration import roll_back_what_was_left
from nova_virt_bridge.site import Bridged

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)
REASON: Final = "Nova's host maintenance mode"


class Host(Bridged):
    """Nova's methods about the host as a whole."""

    def init_host(self, host: str) -> None:
        with nova_errors(START):
            self.site.open()
            roll_back_what_was_left(self.site)
            told = self.compute.capabilities()
        LOG.info("driver %s %s for %s %s", told.driver, told.driver_version, told.backend, told.backend_version)

    def cleanup_host(self, host: str) -> None:
        with nova_errors(HOST):
            self.site.close()

    def get_host_ip_addr(self) -> str:
        with nova_errors(HOST):
            return address(self.compute)

    def get_host_uptime(self) -> str:
        """As the command uptime prints it, as far as the endpoint knows."""
        with nova_errors(HOST):
            nodes = self.compute.nodes()
            seconds = self.compute.inventory(nodes[0].id).uptime_seconds if len(nodes) == 1 else None
        if seconds is None:
            raise NotImplementedError("the endpoint does not tell how long its hosts are up")
        return f"up {timedelta(seconds=seconds)}"

    def host_maintenance_mode(self, host: str, mode: bool) -> str:
        """Take the nodes out of use, or back those that Nova took out; what others took out stays as it is."""
        with nova_errors(HOST):
            for node in self.compute.nodes():
                if mode and node.maintenance is None:
                    self.compute.enter_maintenance(node, REASON, timeout=self.site.verb_timeout)
                elif not mode and node.maintenance == REASON:
                    self.compute.leave_maintenance(node, timeout=self.site.verb_timeout)
        return "on_maintenance" if mode else "off_maintenance"

    def network_binding_host_id(self, context: Any, instance: Any) -> str | None:
        """Where a network service binds the ports of whole machines by itself, Nova must not."""
        return None if self.manages_network_binding_host_id() else instance.get("host")

    def manages_network_binding_host_id(self) -> bool:
        with nova_errors(HOST):
            return all(self.site.has(feature) for feature in (virt.Feature.WHOLE_NODES, virt.Feature.NIC_VIF))


def address(compute: virt.Compute) -> str:
    """The address by which Nova knows this host: the endpoint's only node's, if it tells it."""
    nodes = compute.nodes()
    found = compute.inventory(nodes[0].id).address if len(nodes) == 1 else None
    return found or str(CONF.my_ip)
