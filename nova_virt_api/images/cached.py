"""An image in the cache, held against removal as long as somebody uses it."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from nova_virt_api.model.image import ImageFormat


class Hold:
    """A shared lock on a file by its descriptor; ends when it is closed, forgotten, or its process ends."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        """Give the lock back; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedImage:
    """A checked image on this machine. Its file never changes; pruning spares it until :meth:`close`.

    Use it with ``with``, or call :meth:`close`; forgetting it is as good, only later.

    Args:
        path: its file. Read it, never write to it.
        format: what its bytes are.
        size_bytes: bytes stored.
        virtual_size_bytes: size of the disk that a guest sees.
        sha256: of the file's bytes, in hexadecimal; the same bytes have the same wherever they came from.
        hold: what keeps it from being pruned.
    """

    path: Path
    format: ImageFormat
    size_bytes: int
    virtual_size_bytes: int
    sha256: str
    hold: Hold = field(repr=False, compare=False)

    def close(self) -> None:
        """Allow the cache to remove it; idempotent."""
        self.hold.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
