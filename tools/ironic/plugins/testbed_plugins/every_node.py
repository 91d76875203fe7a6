"""Binds the ports of bare metal as a switch's driver does, without a switch."""

from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class EveryNode(api.MechanismDriver):  # type: ignore[misc]  # Neutron ships no types
    """Every node is cabled to every flat network."""

    def initialize(self) -> None:
        """Neutron asks for it; there is nothing to prepare."""

    def bind_port(self, context: api.PortContext) -> None:
        """Bind a bare metal port to its network's first flat segment; a port of any other kind is not for us."""
        if context.current[portbindings.VNIC_TYPE] != portbindings.VNIC_BAREMETAL:
            return
        for segment in context.segments_to_bind:
            if segment[api.NETWORK_TYPE] == "flat":
                details = {portbindings.VIF_DETAILS_CONNECTIVITY: self.connectivity}
                context.set_binding(segment[api.ID], portbindings.VIF_TYPE_OTHER, details, status="ACTIVE")
                return

    @property
    def connectivity(self) -> str:
        """What a bound port offers."""
        return str(portbindings.CONNECTIVITY_L2)
