"""An image's bytes on their way into the cache: bounded, hashed while they are written, resumable after a crash."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageRejected, NoCapacity
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.model.image import Checksum

CHUNK: Final = 1024**2
ZEROS: Final = bytes(CHUNK)


class Part:
    """A file that grows to be an image. Open it with ``with``; not thread-safe.

    Args:
        path: the file; its notes go to a file beside it.
        image: the image's name for messages.
        limit: the most bytes that it may have.
        checksum: what the bytes must hash to, if that is known.
    """

    def __init__(self, path: Path, *, image: str, limit: int, checksum: Checksum | None) -> None:
        self.path = path
        self.size = 0
        self._image = image
        self._limit = limit
        self._checksum = checksum
        self._algorithms = {"sha256", checksum.algorithm if checksum else "sha256"}
        self._hashes = {name: hashlib.new(name) for name in self._algorithms}
        self._notes = path.with_suffix(".json")

    def __enter__(self) -> Self:
        with writing_to(self.path.parent):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file: IO[bytes] = os.fdopen(descriptor, "r+b", buffering=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def resume(self, op: Operation) -> Mapping[str, str]:
        """Take up what an earlier attempt has written; returns the notes that it made."""
        try:
            notes = json.loads(self._notes.read_bytes())
        except (OSError, ValueError):
            self.restart({})
            return {}
        while chunk := self._file.read(CHUNK):
            op.checkpoint()
            self._account(chunk)
        return {str(key): str(value) for key, value in notes.items()} if isinstance(notes, dict) else {}

    def restart(self, notes: Mapping[str, str]) -> None:
        """Forget all bytes and begin anew with these notes."""
        with writing_to(self.path.parent):
            self._file.seek(0)
            self._file.truncate()
            self._notes.write_text(json.dumps(dict(notes)))
        self.size = 0
        self._hashes = {name: hashlib.new(name) for name in self._algorithms}

    def expect(self, total: int) -> None:
        """Refuse at once what will not fit; ``total`` 0 means that the size is not known.

        Raises:
            ImageRejected: it is larger than its limit.
            NoCapacity: the file system has not enough space.
        """
        self._bound(total)
        free = shutil.disk_usage(self.path.parent).free
        if total - self.size > free:
            where = self.path.parent
            text = f"image {self._image} needs {total - self.size} bytes in {where}, where {free} are free"
            raise NoCapacity("disk space", text, hint="free some space or choose a directory on another file system")

    def append(self, chunk: bytes) -> None:
        """Write the next bytes.

        Raises:
            ImageRejected: it grows beyond its limit.
            NoCapacity: the file system is full.
        """
        self._bound(self.size + len(chunk))
        with writing_to(self.path.parent):
            if chunk == ZEROS[: len(chunk)]:  # stays a hole
                self._file.truncate(self.size + len(chunk))
                self._file.seek(self.size + len(chunk))
            else:
                write_all(self._file, chunk)
        self._account(chunk)

    def append_all(self, chunks: Iterable[bytes], total: int, op: Operation) -> None:
        """Write a stream, with progress and a checkpoint per chunk; ``total`` 0 means that its size is not known."""
        for chunk in chunks:
            self.append(chunk)
            op.progress(self.size, total)
            op.checkpoint()

    def finish(self) -> str:
        """Make the bytes durable and return their SHA-256.

        Raises:
            ImageRejected: they are none, or not those that the checksum stands for.
        """
        if not self.size:
            raise ImageRejected(self._image, "it is empty")
        if self._checksum is not None:
            found = self._hashes[self._checksum.algorithm].hexdigest()
            if found != self._checksum.digest:
                why = f"its {self._checksum.algorithm} is {found} and not {self._checksum.digest}"
                raise ImageRejected(self._image, why, hint="fetch it again, or check which image the checksum is for")
        with writing_to(self.path.parent):
            os.fsync(self._file.fileno())
        return self._hashes["sha256"].hexdigest()

    def _bound(self, size: int) -> None:
        if size > self._limit:
            raise ImageRejected(self._image, f"it is larger than the {self._limit} bytes allowed")

    def _account(self, chunk: bytes) -> None:
        self.size += len(chunk)
        for running in self._hashes.values():
            running.update(chunk)


def write_all(file: IO[bytes], chunk: bytes) -> None:
    """Write every byte to an unbuffered file."""
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
