"""The structure of a VDI image. Reference: QEMU, block/vdi.c."""

import os
import struct
from typing import IO, Final

from nova_virt_api.driver.operation import Operation
from nova_virt_api.images.malformed import Malformed

HEADER: Final = 512
IMAGE_TYPE: Final = 0x4C
DATA_OFFSET: Final = 0x158
DISK_SIZE: Final = 0x170
BLOCK_SIZE: Final = 0x178
BLOCKS_ALLOCATED: Final = 0x184
PARENT: Final = 0x1B8
DYNAMIC: Final = 1
STATIC: Final = 2


def check(file: IO[bytes], op: Operation) -> int:
    """Check that the image is whole and has no parent; returns the disk's size in bytes."""
    op.checkpoint()
    file.seek(0)
    header = file.read(HEADER)
    image_type, data, block, allocated = (
        struct.unpack_from("<I", header, offset)[0]
        for offset in (IMAGE_TYPE, DATA_OFFSET, BLOCK_SIZE, BLOCKS_ALLOCATED)
    )
    if image_type not in (DYNAMIC, STATIC) or any(header[PARENT : PARENT + 16]):
        raise Malformed("it is a differencing image, which needs its parent")
    if data + allocated * block > os.fstat(file.fileno()).st_size:
        raise Malformed("it is cut short: its data lie beyond its end")
    (disk_size,) = struct.unpack_from("<Q", header, DISK_SIZE)
    return int(disk_size)
