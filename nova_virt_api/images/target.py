"""Put a finished image where a caller wants it, in one step."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.images.entry import sync
from nova_virt_api.model.image import LocalTarget


@contextmanager
def write_target(target: LocalTarget) -> Iterator[Path]:
    """Lend a file to write a snapshot to; it takes the target's place when the block ends without an error.

    The file is empty, has mode 0600 and lies in the target's directory. It may be replaced by another of its name.
    After an error it is gone, and what was at the target before is as it was. A killed process leaves a file whose name
    begins with ``.`` and the target's name and ends with ``.part``.

    Raises:
        InvalidSpec: the target's directory does not exist, or the target is there and not a regular file.
        NoCapacity: the file system is full.
        PermissionDenied: the account may not write there.
        StorageError: anything else that the file system answers.
    """
    final = Path(target.path).absolute()
    if final.exists() and not final.is_file():
        raise InvalidSpec("target.path", target.path, "a path of a regular file or of none yet")
    with written_beside(target, final, Path.replace) as path:
        yield path


@contextmanager
def write_new_target(target: LocalTarget) -> Iterator[Path]:
    """Like :func:`write_target`, for a target that must not be there, now or when the block ends.

    Raises:
        InvalidSpec: the target's directory does not exist, or the target is there.
        NoCapacity: the file system is full.
        PermissionDenied: the account may not write there.
        StorageError: anything else that the file system answers, e.g. that it knows no hard links.
    """
    final = Path(target.path).absolute()
    taken = InvalidSpec("target.path", target.path, "a path where there is nothing yet")
    if os.path.lexists(final):
        raise taken

    def link(written: Path, path: Path) -> None:
        try:
            path.hardlink_to(written)  # unlike a rename, never in the place of another
        except FileExistsError:
            raise taken from None

    with written_beside(target, final, link) as path:
        yield path


@contextmanager
def written_beside(target: LocalTarget, final: Path, place: Callable[[Path, Path], object]) -> Iterator[Path]:
    """Lend a file in the target's directory.

    Args:
        target: the target.
        final: where it is.
        place: puts the finished file there.
    """
    if not final.parent.is_dir():
        raise InvalidSpec("target.path", target.path, "a path in a directory that exists")
    with writing_to(final.parent):
        descriptor, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".part", dir=final.parent)
        os.close(descriptor)
        written = Path(name)
        try:
            yield written
            make_durable(written)
            place(written, final)
            sync(final.parent)
        finally:
            with suppress(FileNotFoundError):
                written.unlink()


def make_durable(path: Path) -> None:
    """Close the file to other accounts and bring it to the disk."""
    with path.open("r+b") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
