"""Volumes that the hypervisor's host itself connects: it logs in, and guests use the device that it gets."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_text, check_type
from nova_virt_api.model.secret import Secret

LARGEST_JSON: Final = 65536
SECRET_KEY: Final = re.compile(r"passw(or)?d|passphrase|keyring|token|jwt|dhchap|(^|_)(key|secret)$", re.IGNORECASE)
"""Keys under which storage services keep what must not be seen, e.g. ``auth_password``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConnection:
    """A volume that the hypervisor's host connects as an initiator: fibre channel, NVMe over fabrics, iSCSI and others.

    Args:
        protocol: how, by os-brick's name for it, e.g. ``fibre_channel``, ``nvmeof``, ``iscsi`` or ``local``.
        properties: what the host has to know, a JSON object: the ``data`` of Cinder's ``connection_info``. An endpoint
            keeps it as long as the volume is connected, where everybody who reads guests sees it.
        secrets: the members of it that must not be seen, e.g. ``auth_password``, a JSON object of its own; None for
            none.
    """

    protocol: str
    properties: str
    secrets: Secret | None = None

    def __post_init__(self) -> None:
        check_text("protocol", self.protocol, 63)
        check_type("properties", self.properties, str, "a JSON object as text")
        plain = json_object(self.properties)
        if plain is None:
            raise InvalidSpec("properties", f"{len(self.properties)} characters", "a JSON object as text")
        open_secrets = sorted(set(secret_keys(plain)))
        check(not open_secrets, "properties", f"members that look secret: {open_secrets}", "these in 'secrets'")
        if self.secrets is not None:
            check_type("secrets", self.secrets, Secret, "a Secret that holds a JSON object")
            hidden = json_object(self.secrets.reveal())
            if hidden is None:
                raise InvalidSpec("secrets", self.secrets, "a JSON object")
            both = sorted(set(plain) & set(hidden))
            check(not both, "secrets", f"members that 'properties' has too: {both}", "each member once")

    @classmethod
    def of(cls, protocol: str, properties: Mapping[str, Any]) -> "HostConnection":
        """The connection of what a storage service says, with what looks secret put where it is not seen.

        Args:
            protocol: how, e.g. ``driver_volume_type`` of Cinder's ``connection_info``.
            properties: what the host has to know, e.g. its ``data``.
        """
        hidden = {name: value for name, value in properties.items() if any(secret_keys({name: value}))}
        plain = {name: value for name, value in properties.items() if name not in hidden}
        return cls(
            protocol=protocol,
            properties=json.dumps(plain, default=str, sort_keys=True),
            secrets=Secret(json.dumps(hidden, default=str, sort_keys=True)) if hidden else None,
        )

    def revealed(self) -> dict[str, Any]:
        """All that the host has to know, secrets too; keep it out of logs, errors and command lines."""
        hidden = {} if self.secrets is None else json.loads(self.secrets.reveal())
        return {**json.loads(self.properties), **hidden}


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None for one that is none, or too large."""
    if len(text) > LARGEST_JSON:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def secret_keys(found: Any) -> Iterator[str]:
    """The keys in a JSON value, at any depth, that look as if something secret were there."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            if SECRET_KEY.search(str(key)) and value not in (None, "", False):
                yield str(key)
            yield from secret_keys(value)
    elif isinstance(found, list | tuple):
        for value in found:
            yield from secret_keys(value)
