"""What a guest's mark remembers of its rebuild while that is under way, so that the next one can go on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import BackendError
from nova_virt_api.model.image import ImageFormat
from nova_virt_libvirt.storage.pools import Backing

if TYPE_CHECKING:
    from nova_virt_libvirt.metadata import Mark

ROLE: Final = "rebuild"
"""The note's name in the mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPlace:
    """Where a disk is, or was.

    Args:
        pool: name of its pool.
        volume: its name there.
        capacity_bytes: its size as the guest sees it.
    """

    pool: str
    volume: str
    capacity_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildNote:
    """A boot disk that is being written anew and may be missing.

    Args:
        disk: the disk.
        base: the image that it is to be an overlay of.
        seed_lost: whether the guest's first-boot data may be missing too.
    """

    disk: DiskPlace
    base: Backing
    seed_lost: bool

    def encode(self) -> str:
        """The note as one line of JSON."""
        return json.dumps(
            {
                "pool": self.disk.pool,
                "volume": self.disk.volume,
                "capacity_bytes": self.disk.capacity_bytes,
                "base": self.base.path,
                "format": self.base.format.value,
                "seed_lost": self.seed_lost,
            }
        )

    @classmethod
    def decode(cls, text: str) -> RebuildNote:
        """Read :meth:`encode`'s line back.

        Raises:
            BackendError: it is not such a line: somebody has changed the mark.
        """
        try:
            data = json.loads(text)
            return cls(
                disk=DiskPlace(
                    pool=str(data["pool"]), volume=str(data["volume"]), capacity_bytes=int(data["capacity_bytes"])
                ),
                base=Backing(path=str(data["base"]), format=ImageFormat(data["format"])),
                seed_lost=bool(data["seed_lost"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BackendError(
                "what the guest's mark says of its rebuild cannot be read", hint="destroy the guest and make it again"
            ) from error


def rebuild_note(mark: Mark | None) -> RebuildNote | None:
    """The note in a mark; None of a guest that is not in the middle of a rebuild."""
    text = None if mark is None else mark.notes.get(ROLE)
    return None if text is None else RebuildNote.decode(text)
