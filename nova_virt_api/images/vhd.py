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


def has_footer(file: IO[bytes], size: int) -> bool:
    """Whether the file ends as every VHD does; of a fixed one this is the only sign."""
    file.seek(max(0, size - FOOTER))
    return file.read(FOOTER).startswith(COOKIE)


def check(file: IO[bytes], op: Operation) -> int:
    """Check that the image is whole and has no parent; returns the disk's size in bytes."""
    op.checkpoint()
    size = os.fstat(file.fileno()).st_size
    if not has_footer(file, size):
        raise Malformed("it is cut short: its footer is missing")
    file.seek(size - FOOTER)
    footer = file.read(FOOTER)
    (disk_type,) = struct.unpack_from(">I", footer, DISK_TYPE)
    if disk_type not in (FIXED, DYNAMIC):
        raise Malformed("it is a differencing image, which needs its parent")
    (current,) = struct.unpack_from(">Q", footer, CURRENT_SIZE)
    return int(current)
