"""A directory with the backups of one guest.

``0001.json`` is the manifest of the first backup, ``0001.vda.qcow2`` what belongs into it of the disk ``vda``. An
incremental backup's files are overlays of those of the backup before. A manifest appears last; what has none, or is
called ``*.part``, was not written to its end and is removed by the next backup.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from nova_virt_api.backups.manifest import Manifest
from nova_virt_api.errors import Busy, InvalidSpec, StorageError
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.images.entry import sync

if TYPE_CHECKING:
    from uuid import UUID

PART: Final = ".part"
PENDING: Final = ".pending"
NUMBER: Final = "[0-9][0-9][0-9][0-9]*"
FORBIDDEN: Final = frozenset("/\\\0")


class BackupFolder:
    """The backups in one directory.

    Args:
        path: the directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Final = Path(path).expanduser().absolute()

    def manifests(self) -> list[Manifest]:
        """The backups that are complete, the oldest first.

        Raises:
            StorageError: a manifest cannot be read.
        """
        found = [self._read(path) for path in sorted(self.path.glob(f"{NUMBER}.json"))]
        return sorted(found, key=lambda manifest: manifest.number)

    def latest(self) -> Manifest | None:
        """The newest complete backup; None if there is none."""
        found = self.manifests()
        return found[-1] if found else None

    def manifest(self, number: int | None) -> Manifest:
        """The backup of this number, or the newest.

        Raises:
            InvalidSpec: there is none.
        """
        found = {manifest.number: manifest for manifest in self.manifests()}
        if not found:
            raise InvalidSpec("directory", str(self.path), "a directory with backups")
        wanted = max(found) if number is None else number
        if wanted not in found:
            raise InvalidSpec("number", wanted, f"one of: {', '.join(map(str, found))}")
        return found[wanted]

    def stored_bytes(self, manifest: Manifest) -> int:
        """How much a backup's files take; those of a backup that has lost one are counted without it."""
        paths = [self.path / disk.file for disk in manifest.disks]
        return sum(path.stat().st_size for path in paths if path.is_file())

    # --- writing --------------------------------------------------------------------------------------------------

    @contextmanager
    def held(self, guest: UUID) -> Iterator[None]:
        """Be the only one who writes here; the directory is made if it is not there, open to this account only.

        Raises:
            Busy: another process writes here.
            InvalidSpec: there are backups of another guest.
            StorageError: it cannot be written to.
        """
        with writing_to(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.path, f"another process writes a backup to {self.path}"):
            latest = self.latest()
            if latest is not None and latest.guest != guest:
                allowed = "a directory of its own for each guest"
                raise InvalidSpec("directory", str(self.path), f"{allowed}; this one has backups of {latest.guest}")
            yield

    def pending(self) -> Manifest | None:
        """A backup of which only the last step may be missing; None if there is none."""
        found = sorted(self.path.glob(f"{NUMBER}.json{PENDING}"))
        return self._read(found[-1]) if found else None

    def store(self, manifest: Manifest) -> None:
        """Write a manifest, durably, but so that the backup does not count yet."""
        with writing_to(self.path):
            with self.create(manifest_name(manifest.number) + PENDING) as file:
                file.write(manifest.encode())
            sync(self.path)

    def commit(self, manifest: Manifest) -> None:
        """Let a stored backup count."""
        name = manifest_name(manifest.number)
        with writing_to(self.path):
            (self.path / (name + PENDING)).replace(self.path / name)
            sync(self.path)

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """A new file that has its name, and is durable, once the block ends."""
        part = self.path / (name + PART)
        with writing_to(self.path):
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path / name)

    def sweep(self) -> None:
        """Remove what belongs to no complete backup."""
        manifests = self.manifests()
        kept = {manifest_name(manifest.number) for manifest in manifests}
        kept |= {disk.file for manifest in manifests for disk in manifest.disks}
        with writing_to(self.path):
            for path in self.path.glob(f"{NUMBER}.*"):
                if path.name not in kept and path.suffix in (".json", ".qcow2", PART, PENDING):
                    path.unlink()

    def _read(self, path: Path) -> Manifest:
        try:
            return Manifest.decode(path.read_bytes(), str(path))
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error


@contextmanager
def locked(directory: Path, taken: str) -> Iterator[None]:
    """Hold the lock of a directory.

    Args:
        directory: the directory.
        taken: what to say if another process has it.

    Raises:
        Busy: it has.
        StorageError: the directory cannot be opened.
    """
    with writing_to(directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(taken, hint="wait until it is done") from error
        yield
    finally:
        os.close(descriptor)


def manifest_name(number: int) -> str:
    """Name of a backup's manifest."""
    return f"{number:04}.json"


def disk_file_name(number: int, disk_id: str) -> str:
    """Name of the file with what belongs into a backup of one disk."""
    return f"{number:04}.{''.join('_' if letter in FORBIDDEN else letter for letter in disk_id)}.qcow2"
