"""The structure of a VMDK image in one file. Reference: VMware, Virtual Disk Format 5.0; QEMU, block/vmdk.c."""

import math
import os
import re
import struct
from collections.abc import Iterator
from typing import IO, Final

from nova_virt_api.driver.operation import Operation
from nova_virt_api.images.malformed import Malformed
from nova_virt_api.images.table import read_table

LAYOUT: Final = struct.Struct("<4sIIQQQQIQQ")
MAGIC: Final = b"KDMV"
SECTOR: Final = 512
DIRECTORY_AT_END: Final = 2**64 - 1
FOOTER_FROM_END: Final = 1024
"""Where the copy of the header that knows the directory's place lies, when the header does not know it."""

LARGEST_DESCRIPTOR: Final = 2**20
LARGEST_DIRECTORY: Final = 32 * 1024**2
ENTRY: Final = 4
PARENT: Final = re.compile(rb"parentfilenamehint|parentcid\s*=\s*(?!ffffffff)", re.IGNORECASE)


def check(file: IO[bytes], op: Operation) -> int:
    """Check that the image has no parent and that its grains lie within its file; returns the disk's size in bytes.

    What kind of VMDK it is and what its descriptor names was checked before.
    """
    file.seek(0)
    head = file.read(LAYOUT.size)
    if len(head) < LAYOUT.size or not head.startswith(MAGIC):
        raise Malformed("it is only a descriptor of other files")
    _, _, _, capacity, grain, start, length, per_table, _, directory = LAYOUT.unpack(head)
    file.seek(start * SECTOR)
    descriptor = file.read(min(length * SECTOR, LARGEST_DESCRIPTOR))
    if PARENT.search(descriptor):
        raise Malformed("it names a parent image")
    if not grain or not per_table:
        raise Malformed("its grain size is not allowed")
    end = os.fstat(file.fileno()).st_size
    if directory == DIRECTORY_AT_END:
        file.seek(end - FOOTER_FROM_END)
        directory = LAYOUT.unpack(file.read(LAYOUT.size))[-1]
    tables = math.ceil(capacity / (grain * per_table))
    for places in grains(file, directory * SECTOR, tables, per_table, op):
        if max(places, default=0) * SECTOR >= end:
            raise Malformed("it is cut short: its data lie beyond its end")
    return int(capacity) * SECTOR


def grains(file: IO[bytes], directory: int, tables: int, per_table: int, op: Operation) -> Iterator[set[int]]:
    """Sectors that the tables hold: first those of the directory, then table by table those of the grains."""
    if tables * ENTRY > LARGEST_DIRECTORY or per_table * ENTRY > LARGEST_DIRECTORY:
        raise Malformed("its grain tables do not fit its size")
    places = set(read_table(file, directory, tables, code="I", order="little")) - {0}
    yield places
    for place in sorted(places):
        op.checkpoint()
        yield set(read_table(file, place * SECTOR, per_table, code="I", order="little"))
