"""A lock between processes and threads that leaves no file behind and ends with its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nova_virt_api.driver.operation import Operation


class FileLock:
    """An exclusive ``flock`` on a file of its own, which is removed on release. Not re-entrant."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock unless somebody else has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        if not self._names(descriptor):  # its last holder removed the file after we had opened it
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; idempotent."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def held(self, op: Operation) -> Iterator[None]:
        """Hold the lock, after waiting for it as long as the operation allows."""
        if not self.try_acquire():
            op.wait_until(self.try_acquire)
        try:
            yield
        finally:
            self.release()

    def _names(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False
