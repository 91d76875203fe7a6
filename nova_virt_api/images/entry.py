"""The files of the cache: records of what was fetched, and the images themselves under the hash of their bytes."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from nova_virt_api.errors import StorageError
from nova_virt_api.images.cached import CachedImage, Hold
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.model.image import ImageFormat, ImageInfo

SEAL_NS: Final = 10**18
"""Modification time of every finished image: a seal that whoever writes to it later breaks, seen by one ``stat``."""

UNSETTLED_NS: Final = 100_000_000
"""A file may change again within its clock's tick and look the same, so one that had just changed is not trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What fetching one source gave.

    Args:
        identity: what the source's bytes were known by.
        fetched_ns: when that was, in nanoseconds since the epoch.
        sha256: of the finished image.
        format: of the finished image.
        size_bytes: of the finished image.
        virtual_size_bytes: of the disk in it.
    """

    identity: Mapping[str, str]
    fetched_ns: int
    sha256: str
    format: ImageFormat
    size_bytes: int
    virtual_size_bytes: int

    def settled(self) -> bool:
        """Whether the source's identity would have shown a change after it was read."""
        return self.fetched_ns - int(self.identity.get("ctime_ns", "0")) > UNSETTLED_NS


class Usage(NamedTuple):
    """A finished image as pruning sees it."""

    sha256: str
    disk_bytes: int
    last_used_ns: int


class Entries:
    """Records and images below one directory.

    Args:
        directory: where they are; made if it is not there.
    """

    def __init__(self, directory: Path) -> None:
        self._images = directory / "images"
        self._records = directory / "records"

    def make_directories(self) -> None:
        """Make the directories, closed to other accounts."""
        for directory in (self._images, self._records):
            make_private(directory)

    def record(self, key: str) -> Record | None:
        """The record under this key; None if there is none that can be read."""
        try:
            data = json.loads((self._records / key).read_bytes())
            return Record(**{**data, "format": ImageFormat(data["format"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def hold(self, record: Record) -> CachedImage | None:
        """The record's image, held; None if it is gone or not as it was."""
        return self._hold(self._images / record.sha256, record)

    def add(self, key: str, identity: Mapping[str, str], sha256: str, info: ImageInfo, work: Path) -> CachedImage:
        """Take over a finished image, whose file moves, and record it; returns it held."""
        record = Record(
            identity=dict(identity),
            fetched_ns=time.time_ns(),
            sha256=sha256,
            format=info.format,
            size_bytes=info.size_bytes,
            virtual_size_bytes=info.virtual_size_bytes,
        )
        with writing_to(self._images.parent):
            held = self.hold(record)
            if held is None:
                Path(info.ref).chmod(0o600)
                os.utime(info.ref, ns=(time.time_ns(), SEAL_NS))
                held = self._hold(Path(info.ref), record)  # before it can be seen, and so be pruned
                Path(info.ref).replace(self._images / sha256)
                sync(self._images)
            if held is None:
                raise StorageError(f"the file system of {self._images} does not keep a file's times")
            fields = {name: getattr(record, name) for name in Record.__dataclass_fields__}
            (work / "record").write_text(json.dumps({**fields, "format": info.format.value}))
            (work / "record").replace(self._records / key)
            sync(self._records)
        return held

    def _hold(self, path: Path, record: Record) -> CachedImage | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        hold = Hold(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        status = os.fstat(descriptor)
        if not status.st_nlink or status.st_size != record.size_bytes or status.st_mtime_ns != SEAL_NS:
            hold.close()
            return None
        os.utime(descriptor, ns=(time.time_ns(), SEAL_NS))
        return CachedImage(
            path=self._images / record.sha256,
            format=record.format,
            size_bytes=record.size_bytes,
            virtual_size_bytes=record.virtual_size_bytes,
            sha256=record.sha256,
            hold=hold,
        )

    def usage(self) -> Iterator[Usage]:
        """What the finished images take, and when each was last used."""
        for path in self._images.glob("*"):
            with contextlib.suppress(FileNotFoundError):  # another process prunes too
                status = path.stat()
                yield Usage(path.name, status.st_blocks * 512, status.st_atime_ns)

    def remove(self, sha256: str) -> bool:
        """Remove a finished image unless somebody holds it; returns whether it was removed."""
        path = self._images / sha256
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except (BlockingIOError, FileNotFoundError):
            return False
        return True

    def forget_lost(self) -> None:
        """Remove the records whose image is gone."""
        for path in self._records.glob("*"):
            record = self.record(path.name)
            if record is None or not (self._images / record.sha256).exists():
                path.unlink(missing_ok=True)


def make_private(directory: Path) -> None:
    """Make a directory that only this account may enter, or close it to others."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)


def sync(directory: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
