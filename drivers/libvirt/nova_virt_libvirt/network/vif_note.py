"""What is remembered of a guest's ports that os-vif makes: their descriptions, until they are unplugged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from nova_virt_libvirt.metadata import Mark, change_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import libvirt

ROLE: Final = "os-vif"
"""Name of the note in the guest's mark."""


@dataclass(frozen=True, slots=True)
class VifNote:
    """The guest's ports.

    Args:
        ports: os-vif's description of each as text, by the MAC address of its interface.
    """

    ports: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self) -> str:
        """The note as it stands in the mark."""
        return json.dumps(dict(self.ports), separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> VifNote:
        """The note in a mark; of what nobody here wrote an empty one."""
        try:
            found = json.loads(text)
        except ValueError:
            return cls()
        good = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
        return cls(found) if good else cls()

    @classmethod
    def of(cls, mark: Mark | None) -> VifNote:
        """The note of a guest; an empty one for a guest without."""
        text = None if mark is None else mark.notes.get(ROLE)
        return cls() if text is None else cls.decode(text)

    def without(self, other: VifNote) -> VifNote:
        """Those ports of this note that the other does not tell of in the same way."""
        return VifNote({mac: text for mac, text in self.ports.items() if other.ports.get(mac) != text})

    def put_into(self, mark: Mark) -> Mark:
        """The mark with this note; without one if the guest has no such ports."""
        return mark.noting(ROLE, self.encode() if self.ports else None)


def remember(native: libvirt.virDomain, mac: str, properties: str) -> None:
    """Write down a port before it is made.

    Raises:
        libvirt.libvirtError: the guest is gone, or the connection, or it is busy.
    """
    change(native, lambda ports: {**ports, mac: properties})


def forget(native: libvirt.virDomain, mac: str) -> None:
    """Take that back, once the port is gone.

    Raises:
        libvirt.libvirtError: the guest is gone, or the connection, or it is busy.
    """
    change(native, lambda ports: {known: text for known, text in ports.items() if known != mac})


def change(native: libvirt.virDomain, changed: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
    """Replace the note of a guest that has a mark."""
    change_mark(native, lambda mark: VifNote(changed(VifNote.of(mark).ports)).put_into(mark))
