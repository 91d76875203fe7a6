"""What a network interface is plugged into, as libvirt's definitions say it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from lxml.builder import E

from nova_virt_api.model.nic_binding import BridgePort, OvsPort
from nova_virt_libvirt.network.user_network import USER_MODE

if TYPE_CHECKING:
    from lxml import etree

    from nova_virt_api.model.nic_binding import NicBinding

OPEN_VSWITCH: Final = "openvswitch"
WIRING: Final = ("source", "virtualport", "vlan", "target")
"""Parts of an ``<interface>`` that say what it is plugged into."""


class WireKind(enum.Enum):
    """Kinds of what an interface is plugged into."""

    NETWORK = "network"
    USER = "user"
    BRIDGE = "bridge"
    OVS = OPEN_VSWITCH
    TAP = "tap"


TYPES: Final = {
    WireKind.NETWORK: "network",
    WireKind.USER: "user",
    WireKind.BRIDGE: "bridge",
    WireKind.OVS: "bridge",
    WireKind.TAP: "ethernet",
}
"""libvirt's type of an ``<interface>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What an interface is plugged into.

    Args:
        kind: a network of libvirt's, QEMU's own, a bridge of the host, or a tap that somebody else connects.
        name: of the network, the bridge or the tap.
        interface_id: what controllers of Open vSwitch know the port by.
        vlan: the VLAN of the port of Open vSwitch.
        device: what the guest's end is to be called on the host; None lets libvirt choose.
    """

    kind: WireKind
    name: str
    interface_id: UUID | None = None
    vlan: int | None = None
    device: str | None = None

    @property
    def id(self) -> str:
        """What networks and tickets call it; a network of libvirt's by its name."""
        if self.kind in (WireKind.NETWORK, WireKind.USER):
            return self.name
        return f"{self.kind.value}:{self.name}"

    @property
    def port(self) -> str:
        """It as a ticket says it: its id, and what the port is to be, of which no name tells."""
        if self.interface_id is None and self.vlan is None and self.device is None:
            return self.id
        return f"{self.id}/{self.interface_id or ''}/{self.vlan or ''}/{self.device or ''}"

    @property
    def binding(self) -> NicBinding | None:
        """It in the contract's words; None for a network."""
        if self.kind is WireKind.BRIDGE:
            return BridgePort(bridge=self.name)
        if self.kind is WireKind.OVS:
            return OvsPort(bridge=self.name, interface_id=self.interface_id, vlan=self.vlan)
        return None

    @classmethod
    def of_id(cls, text: str) -> Wire:
        """That which has this id, or which a ticket says so."""
        if text == USER_MODE:
            return cls(kind=WireKind.USER, name=text)
        kind, _, rest = text.partition(":")
        name, known, vlan, device = (*rest.split("/"), "", "", "")[:4]  # no bridge or device has a slash in its name
        for each in (WireKind.BRIDGE, WireKind.OVS, WireKind.TAP):
            if kind == each.value and name:
                return cls(
                    kind=each,
                    name=name,
                    interface_id=UUID(known) if known else None,
                    vlan=int(vlan) if vlan else None,
                    device=device or None,
                )
        return cls(kind=WireKind.NETWORK, name=text)

    @classmethod
    def of_binding(cls, binding: BridgePort | OvsPort) -> Wire:
        """That which a NIC names itself."""
        if isinstance(binding, BridgePort):
            return cls(kind=WireKind.BRIDGE, name=binding.bridge)
        return cls(kind=WireKind.OVS, name=binding.bridge, interface_id=binding.interface_id, vlan=binding.vlan)

    @classmethod
    def of_element(cls, interface: etree._Element) -> Wire | None:
        """What an ``<interface>`` is plugged into; None for what this driver does not make."""
        kind, source = interface.get("type"), interface.find("source")
        if kind == "user":
            return cls(kind=WireKind.USER, name=USER_MODE)
        if kind == "ethernet":
            target = interface.find("target")
            return None if target is None else cls(kind=WireKind.TAP, name=target.get("dev", ""))
        if source is None:
            return None
        if kind == "network":
            return cls(kind=WireKind.NETWORK, name=source.get("network", ""))
        if kind != "bridge":
            return None
        port = interface.find(f"virtualport[@type='{OPEN_VSWITCH}']")
        if port is None:
            return cls(kind=WireKind.BRIDGE, name=source.get("bridge", ""))
        parameters, tag = port.find("parameters"), interface.find("vlan/tag")
        known = None if parameters is None else parameters.get("interfaceid")
        return cls(
            kind=WireKind.OVS,
            name=source.get("bridge", ""),
            interface_id=None if known is None else UUID(known),
            vlan=None if tag is None else int(tag.get("id", "")),
        )


def wiring(wire: Wire, interface_id: UUID) -> list[etree._Element]:
    """The parts of an ``<interface>`` that plug it in.

    Args:
        wire: what it is plugged into.
        interface_id: what controllers of Open vSwitch know the port by if nobody said it.
    """
    parts: list[etree._Element] = []
    if wire.kind is WireKind.NETWORK:
        parts.append(E.source(network=wire.name))
    elif wire.kind in (WireKind.BRIDGE, WireKind.OVS):
        parts.append(E.source(bridge=wire.name))
    if wire.kind is WireKind.OVS:
        known = str(wire.interface_id or interface_id)
        parts.append(E.virtualport(E.parameters(interfaceid=known), type=OPEN_VSWITCH))
    if wire.vlan is not None:
        parts.append(E.vlan(E.tag(id=str(wire.vlan))))
    if wire.kind is WireKind.TAP:
        parts.append(E.target(dev=wire.name))
    elif wire.device is not None:
        parts.append(E.target(dev=wire.device))
    return parts


def rewire(interface: etree._Element, wire: Wire, interface_id: UUID) -> None:
    """Plug an ``<interface>`` in somewhere else; what it is to the guest stays.

    Args:
        interface: it.
        wire: what it is plugged into from now on.
        interface_id: what controllers of Open vSwitch know the port by if nobody ever said it.
    """
    before, target = Wire.of_element(interface), interface.find("target")
    named = wire.device is None or (target is not None and target.get("dev") == wire.device)
    if before is not None and before.id == wire.id and agrees(before, wire) and named:
        return
    if before is not None and before.interface_id is not None:
        interface_id = before.interface_id
    for name in WIRING:
        for part in interface.findall(name):
            interface.remove(part)
    interface.set("type", TYPES[wire.kind])
    interface.extend(wiring(wire, interface_id))


def agrees(port: Wire, wanted: Wire) -> bool:
    """Whether a port of a bridge is as it is wanted, as far as anybody says so."""
    return wanted.interface_id in (None, port.interface_id) and wanted.vlan in (None, port.vlan)
