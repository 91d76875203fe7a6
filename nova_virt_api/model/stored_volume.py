"""Volumes that an endpoint keeps in its own storage pools, for whichever guest they are attached to."""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check, check_integer, check_text, check_type
from nova_virt_api.model.identity import NAMESPACE
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import FILE_FORMATS, VolumeConnection

VOLUME_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
LARGEST_VOLUME: Final = 2**60
"""Bytes; no backend comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVolumeSpec:
    """A volume to be made.

    Args:
        name: its name: 1 to 63 letters, digits, ``.``, ``_`` or ``-``, the first one a letter or a digit.
        size_bytes: its size as guests see it, which an endpoint may round up to what its storage counts in. None takes
            the size of the image that it is made from.
        pool: name or id of the pool; may be left out where a disk's may be left out.
        format: how it is kept, ``RAW`` or ``QCOW2``.
        id: what it is known by for ever; None takes one that follows from the connection's owner, the pool and the
            name, so that asking twice for a name makes one volume.
    """

    name: str
    size_bytes: int | None = None
    pool: str | None = None
    format: ImageFormat = ImageFormat.QCOW2
    id: UUID | None = None

    def __post_init__(self) -> None:
        good = isinstance(self.name, str) and VOLUME_NAME.fullmatch(self.name) is not None
        check(good, "name", self.name, "1 to 63 letters, digits, '.', '_' or '-', a letter or a digit first")
        if self.size_bytes is not None:
            check_volume_size("size_bytes", self.size_bytes)
        if self.pool is not None:
            check_text("pool", self.pool, 255)
        check(self.format in FILE_FORMATS, "format", self.format, "ImageFormat.RAW or ImageFormat.QCOW2")
        if self.id is not None:
            check_type("id", self.id, UUID, "a uuid.UUID")

    def identity(self, owner: str, pool: str) -> UUID:
        """The id that the volume has.

        Args:
            owner: whose it is.
            pool: name of its pool.
        """
        return self.id or uuid5(NAMESPACE, f"stored volume\n{owner}\n{pool}\n{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVolume:
    """A volume of a pool, as last seen.

    Args:
        id: what it is known by for ever; for one of other making it follows from pool and name.
        name: its name.
        pool: name of the pool that it is in.
        owner: who made it by this API (see ``connect(owner=...)``); None for one of other making.
        owned: whether that owner is the one of this connection, so that verbs may change it.
        size_bytes: its size as guests see it.
        allocation_bytes: what it takes from the pool now; None when not known.
        format: how it is kept; None for one of other making in a format that this API does not know.
        guests: the guests that use it, running or not; None when nobody has looked: a listing may not.
        connection: how a guest of this endpoint reaches it; None when guests of this endpoint cannot.
    """

    id: UUID
    name: str
    pool: str
    owner: str | None = None
    owned: bool = False
    size_bytes: int
    allocation_bytes: int | None = None
    format: ImageFormat | None
    guests: tuple[UUID, ...] | None = None
    connection: VolumeConnection | None = None

    def attachable(self) -> Volume:
        """It as ``attach_volume`` and ``InstanceSpec.volumes`` take it; ``dataclasses.replace`` changes how it is used.

        Raises:
            InvalidSpec: guests of this endpoint cannot reach it.
        """
        if self.connection is None:
            raise InvalidSpec("volume", self.name, "a volume that guests of its endpoint can reach")
        return Volume(id=str(self.id), connection=self.connection)


def check_volume_size(field: str, value: object) -> None:
    """Refuse what is no size of a volume."""
    check_integer(field, value, 1, LARGEST_VOLUME, "bytes")
