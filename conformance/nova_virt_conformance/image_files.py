"""Small disk images for tests, good and bad ones; the same bytes each time, so that backends' caches stay small."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from nova_virt_api.fake.qcow2 import qcow2_disk
from nova_virt_api.model.image import Checksum, ImageFormat, LocalFile
from nova_virt_api.model.units import MiB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VIRTUAL_SIZE: Final = MiB(2)
CONTENT: Final = b"a disk of the conformance kit, on which there is no operating system\n"
BACKING_NAME: Final = b"/etc/passwd"
BACKING_AT: Final = 1024
"""Where the name is put: within the header's cluster, past the header."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image.

    Args:
        name: of the file.
        format: what it is declared to be.
        content: makes its bytes.
    """

    name: str
    format: ImageFormat
    content: Callable[[], bytes]

    def written(self, directory: Path) -> Path:
        """The file, made in this directory."""
        path = directory / self.name
        path.write_bytes(self.content())
        return path

    def source(self, directory: Path, *, checksum: Checksum | None = None) -> LocalFile:
        """The file as a spec names it."""
        return LocalFile(self.written(directory), format=self.format, checksum=checksum)

    def checksum(self) -> Checksum:
        """The right one."""
        return Checksum(digest=sha256(self.content()).hexdigest())


def raw() -> bytes:
    """A disk without a partition table."""
    return CONTENT.ljust(VIRTUAL_SIZE, b"\0")


def qcow2() -> bytes:
    """The same disk as qcow2."""
    return qcow2_disk(VIRTUAL_SIZE, CONTENT)


def qcow2_with_backing_file() -> bytes:
    """A qcow2 whose missing clusters are those of a file of the machine that opens it: CVE-2015-5162 and its kin.

    The header's fields backing_file_offset and backing_file_size: QEMU, docs/interop/qcow2.txt.
    """
    image = bytearray(qcow2())
    image[8:20] = struct.pack(">QI", BACKING_AT, len(BACKING_NAME))
    image[BACKING_AT : BACKING_AT + len(BACKING_NAME)] = BACKING_NAME
    return bytes(image)


def cut_short() -> bytes:
    """Only the beginning of a qcow2."""
    return qcow2()[:200]


RAW: Final = ImageFile("good.raw", ImageFormat.RAW, raw)
QCOW2: Final = ImageFile("good.qcow2", ImageFormat.QCOW2, qcow2)
GOOD: Final = (RAW, QCOW2)

GARBAGE: Final = ImageFile("garbage.qcow2", ImageFormat.QCOW2, raw)
CUT_SHORT: Final = ImageFile("cut-short.qcow2", ImageFormat.QCOW2, cut_short)
WITH_BACKING_FILE: Final = ImageFile("with-backing-file.qcow2", ImageFormat.QCOW2, qcow2_with_backing_file)
DISGUISED: Final = ImageFile("qcow2-called.raw", ImageFormat.RAW, qcow2)
EMPTY: Final = ImageFile("empty.raw", ImageFormat.RAW, bytes)
BAD: Final = (GARBAGE, CUT_SHORT, WITH_BACKING_FILE, DISGUISED, EMPTY)
