"""Images that are files on the client's machine."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar, Final

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageNotFound, ImageRejected, PermissionDenied, StorageError, VirtError
from nova_virt_api.images.origin import Origin
from nova_virt_api.images.part import CHUNK, Part
from nova_virt_api.model.image import LocalFile

MISSING: Final = (errno.ENOENT, errno.ENOTDIR)
STAT_BLOCK: Final = 512
REFUSED: Final = (errno.EACCES, errno.EPERM)


class LocalOrigin(Origin):
    """A file. It is copied, so that the bytes that were checked are the bytes that are used, whatever becomes of it."""

    stage: ClassVar[str] = "copy image"
    resumable: ClassVar[bool] = False

    def __init__(self, source: LocalFile) -> None:
        self._path = Path(source.path).absolute()
        super().__init__(str(self._path), source.format, source.checksum)

    def key(self) -> tuple[str, ...]:
        """The file's path."""
        return ("file", self.name)

    def unchanged(self, identity: Mapping[str, str], op: Operation) -> bool:
        """Whether it is the same file with the same size and times."""
        with self._reading():
            return identity_of(self._path.stat()) == identity

    def fetch(self, part: Part, op: Operation) -> Mapping[str, str]:
        """Copy the file from its beginning."""
        part.restart({})
        with self._reading(), self._open() as file:
            before = os.fstat(file.fileno())
            part.expect(min(before.st_size, before.st_blocks * STAT_BLOCK))
            more = iter(lambda: file.read(CHUNK) if part.size <= before.st_size else b"", b"")
            part.append_all(more, before.st_size, op)
            after = os.fstat(file.fileno())
        if identity_of(before) != identity_of(after) or part.size != after.st_size:
            raise ImageRejected(self.name, "it changed while it was read", hint="try again once it is complete")
        return identity_of(after)

    def _open(self) -> IO[bytes]:
        self._require_regular(self._path.stat())  # before: opening a device could already do something
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb", buffering=0)
        try:
            self._require_regular(os.fstat(descriptor))
        except ImageRejected:
            file.close()
            raise
        return file

    def _require_regular(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise ImageRejected(self.name, f"it is {kind(status.st_mode)} and not a regular file")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except VirtError:  # one of them is an OSError too
            raise
        except OSError as error:
            text = os.strerror(error.errno or errno.EIO)
            if error.errno in MISSING:
                raise ImageNotFound(f"no image {self.name}: {text}", hint="check the path") from error
            if error.errno in REFUSED:
                hint = "make it and its directories readable for this account"
                raise PermissionDenied(f"cannot read image {self.name}: {text}", hint=hint) from error
            raise StorageError(f"cannot read image {self.name}: {text}") from error


def identity_of(status: os.stat_result) -> dict[str, str]:
    """What changes whenever a file's content does; ``ctime`` cannot be set back by the file's owner."""
    return {
        "file": f"{status.st_dev}:{status.st_ino}",
        "size": str(status.st_size),
        "mtime_ns": str(status.st_mtime_ns),
        "ctime_ns": str(status.st_ctime_ns),
    }


def kind(mode: int) -> str:
    """What a file that is not a regular one is, in words."""
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a block device",
        stat.S_IFCHR: "a character device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
