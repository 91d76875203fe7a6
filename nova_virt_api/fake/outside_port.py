"""The port of a switch outside of a fake world, in a form that a world's file can keep."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from nova_virt_api.model.nic_binding import BridgePort, NicBinding, OpaquePort, OvsPort


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsidePort:
    """A port that is on none of the world's networks; a file tells no two classes in one place apart.

    Args:
        switch: name of the bridge, or whose description it is.
        ovs: whether the bridge is one of Open vSwitch.
        interface_id: what controllers know the port by.
        vlan: the VLAN whose packets the guest sees.
        properties: the description, if there is nothing else.
    """

    switch: str
    ovs: bool = False
    interface_id: UUID | None = None
    vlan: int | None = None
    properties: str | None = None

    @property
    def binding(self) -> NicBinding:
        """It as it was asked for."""
        if self.properties is not None:
            return OpaquePort(kind=self.switch, properties=self.properties)
        if self.ovs:
            return OvsPort(bridge=self.switch, interface_id=self.interface_id, vlan=self.vlan)
        return BridgePort(bridge=self.switch)


def outside_port(binding: NicBinding | None) -> OutsidePort | None:
    """What was asked for, as the world keeps it."""
    match binding:
        case None:
            return None
        case OpaquePort(kind=kind, properties=properties):
            return OutsidePort(switch=kind, properties=properties)
        case OvsPort(bridge=bridge, interface_id=interface_id, vlan=vlan):
            return OutsidePort(switch=bridge, ovs=True, interface_id=interface_id, vlan=vlan)
        case BridgePort(bridge=bridge):
            return OutsidePort(switch=bridge)
