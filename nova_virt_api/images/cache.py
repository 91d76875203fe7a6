"""The client's image cache: one directory that processes share, and the way of an image into it."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from nova_virt_api.driver.operation import CancelMode, Operation
from nova_virt_api.errors import InvalidSpec, Timeout, Unavailable
from nova_virt_api.images.cached import CachedImage
from nova_virt_api.images.convert import convert_image
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.images.entry import Entries, make_private
from nova_virt_api.images.inspect import inspect_image
from nova_virt_api.images.limits import Limits
from nova_virt_api.images.lock import FileLock
from nova_virt_api.images.origin import Origin, origin_of
from nova_virt_api.images.part import CHUNK, Part
from nova_virt_api.model.image import ImageFormat, ImageSource

USUAL_FORMATS: Final = frozenset({ImageFormat.QCOW2, ImageFormat.RAW})
CONVERTED_TO: Final = (ImageFormat.QCOW2, ImageFormat.RAW)
"""What can be made of other formats, the better one first."""

KEEP_BYTES: Final = 100 * 1024**3
KEEP_SECONDS: Final = 30 * 24 * 3600
RESUMABLE: Final = (Timeout, Unavailable)
"""After these the bytes that have arrived are kept, and the next fetch goes on from there."""


class ImageCache:
    """Images that passed inspection, kept under the hash of their bytes. Thread-safe; any number of processes share it.

    Nothing is half there: an image and its record each appear in one step, and what a killed process left is used or
    removed by the next fetch of the same source, or by :meth:`prune`. The cache holds only copies; the directory may be
    deleted whenever no process uses it.

    Args:
        directory: where it lives; made on first use, for this account only.
        limits: what one image may ask of this machine.
        keep_bytes: a fetch that adds an image prunes to this size.
        keep_seconds: and to images that were used within this time.
    """

    def __init__(
        self,
        directory: Path,
        *,
        limits: Limits | None = None,
        keep_bytes: int = KEEP_BYTES,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._directory = directory.absolute()
        self._entries = Entries(self._directory)
        self._work = self._directory / "work"
        self._locks = self._directory / "locks"
        self._limits = limits or Limits()
        self._keep = (keep_bytes, keep_seconds)

    def fetch(
        self, source: ImageSource, op: Operation, *, formats: Collection[ImageFormat] = USUAL_FORMATS
    ) -> CachedImage:
        """The source's image: checked, in one of the wanted formats, and held.

        A source that did not change is answered from the cache: a local file by its inode, size and times, a URL by its
        checksum or, without one, after asking the server. Else its bytes are fetched (stages ``copy image`` or ``fetch
        image``), inspected (``check image``) and converted if need be (``convert image``). Of several callers for one
        source, one works and the others wait.

        Args:
            source: a ``LocalFile``, ``Url`` or ``Store``.
            op: the operation worked for.
            formats: formats that the caller can use, ``QCOW2`` or ``RAW`` among them. ``RAW`` takes a medium (ISO) too.

        Raises:
            ImageNotFound: the source has no such image.
            ImageRejected: it is not what it was declared to be, not safe, or too large.
            InvalidSpec: such a source does not pass through the client.
            NoCapacity: the cache's file system is full.
            PermissionDenied: the source or the cache's directory cannot be accessed.
            StorageError: reading or writing a file failed.
            Unavailable: the source does not answer, or a tool for the conversion is missing.
        """
        wanted_format(ImageFormat.RAW, formats)
        origin = origin_of(source)
        key = entry_key(origin, formats)
        if (found := self._find(key, origin, op)) is not None:
            return found
        self._make_directories()
        with writing_to(self._directory), FileLock(self._locks / key).held(op):
            if (found := self._find(key, origin, op)) is not None:
                return found
            with self._workplace(key, origin) as work:
                found = self._add(key, origin, work, formats, op)
        self.prune(*self._keep)
        return found

    def prune(self, max_bytes: int, max_age_seconds: float) -> int:
        """Remove what was not used for long, then what was used longest ago; images in use stay.

        Args:
            max_bytes: how much may remain.
            max_age_seconds: how long ago the last use of what remains may be.

        Returns:
            Bytes that were freed.
        """
        oldest_ns = time.time_ns() - int(max_age_seconds * 10**9)
        with writing_to(self._directory):
            used = sorted(self._entries.usage(), key=lambda usage: usage.last_used_ns)
            excess = sum(usage.disk_bytes for usage in used) - max_bytes
            freed = 0
            for usage in used:
                if (usage.last_used_ns < oldest_ns or freed < excess) and self._entries.remove(usage.sha256):
                    freed += usage.disk_bytes
            self._entries.forget_lost()
            self._sweep(oldest_ns)
        return freed

    def _find(self, key: str, origin: Origin, op: Operation) -> CachedImage | None:
        record = self._entries.record(key)
        if record is None or not record.settled() or record.virtual_size_bytes > self._limits.virtual_size_bytes:
            return None
        if not origin.unchanged(record.identity, op):
            return None
        return self._entries.hold(record)

    def _add(
        self, key: str, origin: Origin, work: Path, formats: Collection[ImageFormat], op: Operation
    ) -> CachedImage:
        op.stage(origin.stage, CancelMode.IMMEDIATE)
        part = Part(work / "part", image=origin.name, limit=self._limits.stored_bytes, checksum=origin.checksum)
        with part:
            identity = origin.fetch(part, op)
            sha256 = part.finish()
        op.stage("check image", CancelMode.IMMEDIATE)
        info = inspect_image(part.path, origin.name, op, declared=origin.declared, limits=self._limits)
        wanted = wanted_format(info.format, formats)
        if wanted is info.format or (info.format, wanted) == (ImageFormat.ISO, ImageFormat.RAW):
            return self._entries.add(key, identity, sha256, replace(info, format=wanted), work)
        op.stage("convert image", CancelMode.IMMEDIATE)
        with tempfile.TemporaryDirectory(dir=work) as scratch:
            target = Path(scratch) / "image"
            convert_image(info, target, wanted, origin.name, self._limits, op)
            info = inspect_image(target, origin.name, op, declared=wanted, limits=self._limits)
            return self._entries.add(key, identity, hash_of(target, op), info, work)

    def _make_directories(self) -> None:
        with writing_to(self._directory):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for directory in (self._work, self._locks):
                make_private(directory)
            self._entries.make_directories()

    @contextmanager
    def _workplace(self, key: str, origin: Origin) -> Iterator[Path]:
        """A directory for the bytes of one key, whose lock is held; what an earlier attempt can hand on is in it."""
        work = self._work / key
        make_private(work)
        for path in work.glob("*"):
            if path.is_dir():
                shutil.rmtree(path)
        keep = False
        try:
            yield work
        except RESUMABLE:
            keep = origin.resumable
            raise
        finally:
            if not keep:
                shutil.rmtree(work)

    def _sweep(self, oldest_ns: int) -> None:
        """Remove what killed processes left and nobody came back for."""
        for path in (*self._work.glob("*"), *self._locks.glob("*")):
            lock = FileLock(self._locks / path.name)
            if last_change_ns(path) < oldest_ns and lock.try_acquire():
                shutil.rmtree(self._work / path.name, ignore_errors=True)
                lock.release()


def entry_key(origin: Origin, formats: Collection[ImageFormat]) -> str:
    """A name for what was asked: the source, what was declared of it, and what is wanted."""
    declared = origin.declared.value if origin.declared else ""
    checksum = f"{origin.checksum.algorithm}:{origin.checksum.digest}" if origin.checksum else ""
    asked = [*origin.key(), declared, checksum, *sorted(member.value for member in formats)]
    return hashlib.sha256(json.dumps(asked).encode("utf-8", "surrogatepass")).hexdigest()


def wanted_format(found: ImageFormat, formats: Collection[ImageFormat]) -> ImageFormat:
    """What an image of the found format is to be handed on as.

    Raises:
        InvalidSpec: none of the wanted formats can be made.
    """
    if found in formats:
        return found
    if found is ImageFormat.ISO and ImageFormat.RAW in formats:
        return ImageFormat.RAW  # the same bytes under the other name
    for target in CONVERTED_TO:
        if target in formats:
            return target
    raise InvalidSpec("formats", sorted(member.value for member in formats), "formats with QCOW2 or RAW among them")


def hash_of(path: Path, op: Operation) -> str:
    """SHA-256 of a file that was just written, which is made durable too."""
    running = hashlib.sha256()
    with path.open("r+b") as file:
        while chunk := file.read(CHUNK):
            op.checkpoint()
            running.update(chunk)
        os.fsync(file.fileno())
    return running.hexdigest()


def last_change_ns(path: Path) -> int:
    """When something last changed in a directory or a file; 0 if it is gone."""
    times = [0]
    for place in (path, *path.glob("*")):
        with contextlib.suppress(FileNotFoundError):
            times.append(place.stat().st_mtime_ns)
    return max(times)
