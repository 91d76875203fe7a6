"""What a backup is made of: a point in time, the disks as they were then, and what to read of them."""

import enum
import uuid
from dataclasses import dataclass
from typing import Final

from nova_virt_api.model.check import check_integer, check_text, check_type, frozen_tuple

LONGEST_READ: Final = 32 * 1024**2
"""Bytes that one ``read_backup`` may ask for."""

LONGEST_LOOK: Final = 64 * 1024**3
"""Bytes that one ``backup_extents`` may ask about."""

LARGEST_DISK: Final = 2**63 - 1


class ExtentKind(enum.Enum):
    """What an extent of a disk holds."""

    DATA = "data"
    """Bytes that have to be read."""

    ZERO = "zero"
    """Zeros, which need not be read."""


@dataclass(frozen=True, slots=True)
class BackupPoint:
    """A moment to which a later backup can be the difference. Opaque: only the endpoint that gave it knows it.

    Args:
        text: what to keep of it, in a file or a database.
    """

    text: str

    def __post_init__(self) -> None:
        check_text("text", self.text, 4096)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupDisk:
    """A guest's disk as a backup sees it.

    Args:
        id: names the disk, the same in each backup of the guest.
        size_bytes: its size at that moment.
        incremental: whether its extents are those that changed since the backup's ``since``; otherwise they are all
            that the disk holds, e.g. as it is a new one.
    """

    id: str
    size_bytes: int
    incremental: bool

    def __post_init__(self) -> None:
        check_text("id", self.id, 255)
        check_integer("size_bytes", self.size_bytes, 0, LARGEST_DISK, "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSession:
    """A backup under way: all disks as they were at one moment, for as long as it is neither finished nor aborted.

    Args:
        id: names it at the connection that began it.
        guest: the guest.
        point: the moment, to be kept for the next backup; it counts once the backup is finished.
        disks: the disks, the one to boot from first.
        quiesced: whether the guest's file systems were at rest at that moment.
    """

    id: str
    guest: uuid.UUID
    point: BackupPoint
    disks: tuple[BackupDisk, ...]
    quiesced: bool = False

    def __post_init__(self) -> None:
        check_text("id", self.id, 255)
        check_type("guest", self.guest, uuid.UUID, "a uuid.UUID")
        check_type("point", self.point, BackupPoint, "a BackupPoint")
        frozen_tuple(self, "disks", BackupDisk, "BackupDisk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A stretch of a disk that belongs into a backup.

    Args:
        offset: where it begins, in bytes.
        length: how many bytes it has.
        kind: what it holds.
    """

    offset: int
    length: int
    kind: ExtentKind
