"""What the local file system answers, as errors of this API."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nova_virt_api.errors import NoCapacity, PermissionDenied, StorageError, VirtError

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def writing_to(directory: str | Path) -> Iterator[None]:
    """Turn failures of writing below a directory into typed errors that name it.

    Raises:
        NoCapacity: the file system is full.
        PermissionDenied: the account may not write there.
        StorageError: anything else that the file system answers.
    """
    try:
        yield
    except VirtError:  # one of them is an OSError too
        raise
    except OSError as error:
        number = error.errno or errno.EIO
        if number in FULL:
            hint = "free some space or choose a directory on another file system"
            raise NoCapacity("disk space", f"no space left in {directory}", hint=hint) from error
        if number in REFUSED:
            hint = "choose a directory that this account may write to"
            raise PermissionDenied(f"cannot write in {directory}: {os.strerror(number)}", hint=hint) from error
        raise StorageError(f"cannot write in {directory}: {os.strerror(number)}") from error
