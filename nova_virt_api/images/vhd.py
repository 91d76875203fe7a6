"""The structure of a VHD image. Reference: Microsoft, Virtual Hard Disk Image Format Specification."""

import os
import struct
from typing import IO, Final

from nova_virt_api.driver.operation import Operation
from nova_virt_api.images.malformed import Malformed

FOOTER: Final = 512
COOKIE: Final = b"conectix"
CURRENT_SIZE: Final = 48
DISK_TYPE: Final = 60
FIXED: Final = 2
DYNAMIC: Final = 3


def has_footer(file: IO[bytes]) -> bool:
    """Whether the file ends as every VHD does; of a fixed one this is the only sign."""
    return footer(file).startswith(COOKIE)


def footer(file: IO[bytes]) -> bytes:
    """The file's last 512 bytes, or fewer of a shorter file."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - FOOTER))
    return file.read(FOOTER)


def check(file: IO[bytes], op: Operation) -> int:
    """Check that the image is whole and has no parent; returns the disk's size in bytes."""
    op.checkpoint()
    last = footer(file)
    if not last.startswith(COOKIE):
        raise Malformed("it is cut short: its footer is missing")
    (disk_type,) = struct.unpack_from(">I", last, DISK_TYPE)
    if disk_type not in (FIXED, DYNAMIC):
        raise Malformed("it is a differencing image, which needs its parent")
    (current,) = struct.unpack_from(">Q", last, CURRENT_SIZE)
    return int(current)
