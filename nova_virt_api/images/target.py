"""Put a finished image where a caller wants it, in one step."""

import os
import tempfile
from collections.abc import Iterator
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
    if not final.parent.is_dir():
        raise InvalidSpec("target.path", target.path, "a path in a directory that exists")
    if final.exists() and not final.is_file():
        raise InvalidSpec("target.path", target.path, "a path of a regular file or of none yet")
    with writing_to(final.parent):
        descriptor, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".part", dir=final.parent)
        os.close(descriptor)
        written = Path(name)
        try:
            yield written
            make_durable(written)
            written.replace(final)
            sync(final.parent)
        finally:
            with suppress(FileNotFoundError):
                written.unlink()


def make_durable(path: Path) -> None:
    """Close the file to other accounts and bring it to the disk."""
    with path.open("r+b") as file:
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
