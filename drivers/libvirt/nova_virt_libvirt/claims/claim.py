"""What a claim says, and how its volumes follow one another.

A claim is a chain of tiny volumes. Its head ``<key>.claim`` is created first and removed last; of two that create it at
once libvirt lets one succeed. Each volume says who made it and bears a random token. To take over from a holder that is
gone, one creates the successor of the chain's newest volume, whose name is made of that token: again only one can
succeed, and since tokens do not repeat, nobody succeeds the holder of an earlier life. The newest volume's maker holds
the claim.

Removal begins with the head; from then on nothing refers to the rest of the chain. So whoever has created a successor
looks whether the head is still the one that he had read: the whole claim may have been removed meanwhile.
"""

import json
from dataclasses import dataclass
from typing import Final

from nova_virt_api.model.record import Record
from nova_virt_libvirt.storage.pools import Volume

SIZE: Final = 8192
"""Bytes of a claim's volume, always written as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one volume of a chain says.

    Args:
        record: the guest's record as this holder left it.
        token: names the successor.
        host: uuid of the host on which the guest lives; a shared pool is seen by several.
        keeps_disks: whether a removal under way leaves the disks.
    """

    record: Record
    token: str
    host: str
    keeps_disks: bool = False

    def encode(self) -> bytes:
        """The volume's whole content."""
        more = {"token": self.token, "host": self.host, "keeps_disks": self.keeps_disks}
        return json.dumps(json.loads(self.record.encode()) | more).encode().ljust(SIZE)

    @classmethod
    def decode(cls, content: bytes) -> "Claim | None":
        """Read :meth:`encode`'s bytes back; None for a volume that was not written, or not to its end."""
        try:
            text = content.rstrip(b"\0").decode()
            more = json.loads(text)
            return cls(
                record=Record.decode(text), token=more["token"], host=more["host"], keeps_disks=more["keeps_disks"]
            )
        except (ValueError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Link:
    """One volume of a chain with what it says; ``claim`` is None while it is not written."""

    volume: Volume
    claim: Claim | None

    @property
    def identity(self) -> tuple[str, str | None]:
        """Differs between this volume and one of the same name in another life."""
        return self.volume.name, None if self.claim is None else self.claim.token

    def successor(self, key: str) -> str:
        """Name of the volume that follows."""
        return f"{self.volume.name}.next" if self.claim is None else f"{key}.claim.{self.claim.token}"


@dataclass(frozen=True, slots=True)
class Chain:
    """All volumes of a claim, the head first."""

    key: str
    links: tuple[Link, ...]

    @property
    def head(self) -> Link:
        """The volume that makes the claim exist."""
        return self.links[0]

    @property
    def newest(self) -> Link:
        """The volume of the last one to take it."""
        return self.links[-1]

    @property
    def claim(self) -> Claim | None:
        """What the last one to take it wrote, or else the one before; None if nobody has written anything."""
        written = [link.claim for link in self.links if link.claim is not None]
        return written[-1] if written else None


def head_name(key: str) -> str:
    """Name of a chain's first volume."""
    return f"{key}.claim"
