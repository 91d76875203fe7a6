"""Names of volumes that no guest owns: libvirt keeps no notes on a volume, so its name says all that is to be known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from nova_virt_api.model.image import ImageFormat

PREFIX: Final = "nova-virt-volume+"
BLANK: Final = "blank"
"""In place of an image's digest."""

DIGITS: Final = 16
"""So many of an image's digest tell it from others."""

NAME: Final = re.compile(
    r"nova-virt-volume\+(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"\+(?P<owner>[A-Za-z0-9._@-]+)\+(?P<name>[A-Za-z0-9._-]+)\+(?P<origin>blank|[0-9a-f]{16})\.(?P<format>raw|qcow2)"
)
"""``+`` is in no part of it."""

CLAIM: Final = re.compile(
    r"nova-virt-volume\+(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?P<head>\.claim)(?P<rest>\..*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredName:
    """What the name of a volume says.

    Args:
        id: the volume's id.
        owner: whose it is.
        name: what people call it.
        origin: the beginning of the digest of the image that it was made from, or ``blank``.
        format: what its bytes are; never guessed from them.
    """

    id: UUID
    owner: str
    name: str
    origin: str
    format: ImageFormat

    def encode(self) -> str:
        """The name in libvirt."""
        return f"{volume_key(self.id)}+{self.owner}+{self.name}+{self.origin}.{self.format.value}"

    @classmethod
    def decode(cls, text: str) -> StoredName | None:
        """Read :meth:`encode`'s text back; None for what is no such volume."""
        found = NAME.fullmatch(text)
        if found is None:
            return None
        parts = found.groupdict()
        return cls(
            id=UUID(parts["id"]),
            owner=parts["owner"],
            name=parts["name"],
            origin=parts["origin"],
            format=ImageFormat(parts["format"]),
        )


def volume_key(volume: UUID) -> str:
    """What the claim on a volume is kept under, while it is made or removed."""
    return f"{PREFIX}{volume}"


def head_of(volume: UUID) -> str:
    """The part of the claim on a volume that makes it exist."""
    return f"{volume_key(volume)}.claim"


def claimed_volume(name: str) -> UUID | None:
    """The volume that this is (part of) a claim on; None for what is no such claim."""
    found = CLAIM.fullmatch(name)
    return None if found is None else UUID(found["id"])


def is_head(name: str) -> bool:
    """Whether it is the part of a claim that makes it exist."""
    found = CLAIM.fullmatch(name)
    return found is not None and found["rest"] is None
