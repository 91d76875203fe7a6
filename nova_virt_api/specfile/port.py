"""Ports of switches in a spec file: what an interface is plugged into where that is no network of the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.nic_binding import BridgePort, OpaquePort, OvsPort
from nova_virt_api.specfile.kinds import Fields, Integer, Kind, Text, Uuid, inside

if TYPE_CHECKING:
    from pathlib import Path

PORTS: Final = {
    "bridge": Fields(BridgePort, {"bridge": Text(maxLength=15)}),
    "ovs": Fields(OvsPort, {"bridge": Text(maxLength=15), "interface_id": Uuid(), "vlan": Integer(1, 4094)}),
    "opaque": Fields(OpaquePort, {"kind": Text(maxLength=63), "properties": Text(maxLength=65536)}),
}
"""Forms of a port by the key that tells which it is."""


class Port(Kind):
    """A port: a mapping with one key that tells the form."""

    def read(self, value: Any, path: str, folder: Path) -> Any:
        chosen = next(iter(value), None) if isinstance(value, dict) and len(value) == 1 else None
        if chosen not in PORTS:
            allowed = f"a mapping with one of the keys: {', '.join(PORTS)}, and a mapping as its value"
            raise InvalidSpec(path, value, allowed)
        return PORTS[chosen].read(value[chosen], inside(path, chosen), folder)

    def schema(self) -> dict[str, Any]:
        forms = [
            {"type": "object", "properties": {key: form.schema()}, "required": [key], "additionalProperties": False}
            for key, form in PORTS.items()
        ]
        return {"oneOf": forms}
