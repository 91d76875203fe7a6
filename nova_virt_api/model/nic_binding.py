"""What a network interface is plugged into, where that is no network that the endpoint lists."""

import json
import re
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from nova_virt_api.capability import Feature
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_integer, check_text, check_type

DEVICE_NAME: Final = re.compile(r"[^\s/:]{1,15}")
"""What Linux takes as the name of a network device."""

MOST_JSON: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePort:
    """A port of a Linux bridge of the hypervisor's host. Whoever set the host up made the bridge.

    Args:
        bridge: the bridge's name, e.g. ``br0``.
    """

    bridge: str

    def __post_init__(self) -> None:
        check_device_name("bridge", self.bridge)


@dataclass(frozen=True, slots=True, kw_only=True)
class OvsPort:
    """A port of an Open vSwitch bridge of the hypervisor's host.

    Args:
        bridge: the bridge's name, e.g. ``br-int``.
        interface_id: what controllers know the port by, e.g. a Neutron port's id; None lets the driver choose one that
            stays.
        vlan: the VLAN whose packets the guest sees, without their tags, from 1 to 4094; None is left to the bridge.
    """

    bridge: str
    interface_id: UUID | None = None
    vlan: int | None = None

    def __post_init__(self) -> None:
        check_device_name("bridge", self.bridge)
        if self.interface_id is not None:
            check_type("interface_id", self.interface_id, UUID, "a uuid.UUID")
        if self.vlan is not None:
            check_integer("vlan", self.vlan, 1, 4094, "a VLAN")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaquePort:
    """A port that only a network service and the driver understand.

    Args:
        kind: whose description it is, e.g. ``os-vif``.
        properties: the description, a JSON object; for ``os-vif`` a VIF object as its library writes it.
    """

    kind: str
    properties: str

    def __post_init__(self) -> None:
        check_text("kind", self.kind, 63)
        check_type("properties", self.properties, str, "a JSON object as text")
        length = len(self.properties)
        check(length <= MOST_JSON, "properties", f"{length} characters", f"at most {MOST_JSON} characters")
        try:
            good = isinstance(json.loads(self.properties), dict)
        except ValueError:
            good = False
        if not good:
            raise InvalidSpec("properties", self.properties, "a JSON object as text")


NicBinding: TypeAlias = BridgePort | OvsPort | OpaquePort
"""What an interface is plugged into."""

BINDINGS: Final = (BridgePort, OvsPort, OpaquePort)

BINDING_FEATURES: Final[dict[type, Feature]] = {
    BridgePort: Feature.NIC_BRIDGE,
    OvsPort: Feature.NIC_OVS,
    OpaquePort: Feature.NIC_OPAQUE,
}
"""What an endpoint has to declare for each."""


def check_device_name(field: str, value: str) -> None:
    """Refuse what cannot be the name of a network device."""
    allowed = "the name of a bridge, 1 to 15 characters without blanks, '/' and ':'"
    check_type(field, value, str, allowed)
    check(DEVICE_NAME.fullmatch(value) is not None and value not in {".", ".."}, field, value, allowed)
