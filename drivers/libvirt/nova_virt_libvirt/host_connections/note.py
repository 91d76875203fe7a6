"""What is remembered of the volumes that a guest's host connects: how, until they are disconnected. Nothing secret."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nova_virt_libvirt.metadata import Mark, change_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import libvirt

ROLE: Final = "os-brick"
"""Name of the note in the guest's mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A volume that the host connects, or was about to.

    Args:
        protocol: how, by os-brick's name for it.
        properties: what os-brick has to know but secrets, a JSON object.
        device: what os-brick told of the device that it made, a JSON object; None until it has.
    """

    protocol: str
    properties: str
    device: str | None = None

    def is_same(self, other: Connected) -> bool:
        """Whether the other is the same device of the host."""
        return (self.protocol, json.loads(self.properties)) == (other.protocol, json.loads(other.properties))


@dataclass(frozen=True, slots=True)
class HostConnectionNote:
    """The guest's volumes of this kind.

    Args:
        volumes: each by its id.
    """

    volumes: Mapping[str, Connected] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self) -> str:
        """The note as it stands in the mark."""
        said = {
            volume_id: {"protocol": one.protocol, "properties": one.properties, "device": one.device}
            for volume_id, one in self.volumes.items()
        }
        return json.dumps(said, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> HostConnectionNote:
        """The note in a mark; of what nobody here wrote an empty one."""
        try:
            found = json.loads(text)
            return cls(MappingProxyType({str(volume_id): connected_of(said) for volume_id, said in found.items()}))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    @classmethod
    def of(cls, mark: Mark | None) -> HostConnectionNote:
        """The note of a guest; an empty one for a guest without."""
        text = None if mark is None else mark.notes.get(ROLE)
        return cls() if text is None else cls.decode(text)

    def put_into(self, mark: Mark) -> Mark:
        """The mark with this note; without one if the guest has no such volumes."""
        return mark.noting(ROLE, self.encode() if self.volumes else None)


def connected_of(said: Mapping[str, Any]) -> Connected:
    """One volume of a note."""
    found = Connected(protocol=said["protocol"], properties=said["properties"], device=said["device"])
    for text in (found.properties, found.device or "{}"):
        if not isinstance(json.loads(text), dict):
            raise ValueError(text)
    return found


def remember(native: libvirt.virDomain, volume_id: str, connected: Connected) -> None:
    """Write down a volume before it is connected, or what became of it.

    Raises:
        libvirt.libvirtError: the guest is gone, or the connection, or it is busy.
    """
    change(native, lambda volumes: {**volumes, volume_id: connected})


def forget(native: libvirt.virDomain, volume_id: str) -> None:
    """Take that back, once the volume is disconnected.

    Raises:
        libvirt.libvirtError: the guest is gone, or the connection, or it is busy.
    """
    change(native, lambda volumes: {known: one for known, one in volumes.items() if known != volume_id})


def change(native: libvirt.virDomain, changed: Callable[[Mapping[str, Connected]], Mapping[str, Connected]]) -> None:
    """Replace the note of a guest that has a mark."""

    def noted(mark: Mark) -> Mark:
        volumes = changed(HostConnectionNote.of(mark).volumes)
        return HostConnectionNote(MappingProxyType(dict(volumes))).put_into(mark)

    change_mark(native, noted)
