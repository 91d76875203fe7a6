"""What a backup says of itself: a small JSON file, which is there once all else is."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from nova_virt_api.errors import StorageError, VirtError
from nova_virt_api.model.backup import LARGEST_DISK, BackupPoint
from nova_virt_api.model.check import check_integer, check_text

FORMAT: Final = "nova-virt backup 1"
LARGEST_NUMBER: Final = 10**9
LONGEST_NAME: Final = 1023
"""Characters of a file's name that fit into the header of a qcow2 file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFile:
    """One disk of a backup.

    Args:
        id: what the guest's endpoint calls the disk.
        file: name of the qcow2 file with what belongs into this backup.
        size_bytes: size of the disk.
        backing: name of the file that holds the rest; None if there is no rest.
    """

    id: str
    file: str
    size_bytes: int
    backing: str | None = None

    def __post_init__(self) -> None:
        for field in ("id", "file"):
            check_text(field, getattr(self, field), LONGEST_NAME)
        check_integer("size_bytes", self.size_bytes, 0, LARGEST_DISK, "bytes")
        if self.backing is not None:
            check_text("backing", self.backing, LONGEST_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One backup.

    Args:
        number: counts the backups in a directory, from 1.
        guest: the guest.
        name: what it was called.
        point: what the next backup can be the difference to.
        since: number of the backup that this one is the difference to; None for a full one.
        created: when it was begun.
        quiesced: whether the guest's file systems were at rest.
        disks: the disks, the one to boot from first.
    """

    number: int
    guest: UUID
    name: str
    point: BackupPoint
    since: int | None
    created: datetime
    quiesced: bool
    disks: tuple[DiskFile, ...]

    @property
    def kind(self) -> str:
        """What people call it."""
        return "full" if self.since is None else "incremental"

    def encode(self) -> bytes:
        """The file's content."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "number": self.number,
            "guest": str(self.guest),
            "name": self.name,
            "point": str(self.point),
            "since": self.since,
            "created": self.created.astimezone(UTC).isoformat(),
            "quiesced": self.quiesced,
            "disks": [asdict(disk) for disk in self.disks],
        }
        return json.dumps(document, indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, content: bytes, name: str) -> "Manifest":
        """Read :meth:`encode`'s bytes back.

        Args:
            content: the bytes.
            name: what errors call the file.

        Raises:
            StorageError: they are none.
        """
        try:
            document = json.loads(content)
            if document["format"] != FORMAT:
                raise StorageError(f"{name} is of the form {document['format']!r}, this version reads {FORMAT!r}")
            disks = tuple(DiskFile(**disk) for disk in document["disks"])
            number, since = document["number"], document["since"]
            check_integer("number", number, 1, LARGEST_NUMBER, "backups")
            if since is not None:
                check_integer("since", since, 1, number - 1, "earlier backups")
            if any("/" in file for disk in disks for file in (disk.file, disk.backing or "", disk.id)):
                raise StorageError(f"{name} names files in other directories")
            return cls(
                number=number,
                guest=UUID(document["guest"]),
                name=document["name"],
                point=BackupPoint(document["point"]),
                since=since,
                created=datetime.fromisoformat(document["created"]),
                quiesced=document["quiesced"],
                disks=disks,
            )
        except StorageError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, VirtError) as error:
            raise StorageError(f"{name} is no manifest of a backup", hint="restore the file, or begin anew") from error
