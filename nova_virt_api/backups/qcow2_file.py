"""Writing a qcow2 image from front to back, whole or as an overlay of another. Reference: QEMU, docs/interop/qcow2.txt.

Data go first, in the order in which they come; the tables follow, and the header is written last. So a file that was
not written to its end is no image.
"""

import math
import struct
import sys
from array import array
from typing import IO, Final

from nova_virt_api.errors import ImageRejected

CLUSTER_BITS: Final = 16
CLUSTER: Final = 1 << CLUSTER_BITS
ENTRIES: Final = CLUSTER // 8
REFCOUNTS: Final = CLUSTER // 2
"""Clusters that a block of 16-bit reference counts covers."""

HEADER: Final = struct.Struct(">4sIQIIQIIQQIIQQQQII")
MAGIC: Final = b"QFI\xfb"
VERSION: Final = 3
REFCOUNT_ORDER: Final = 4
BACKING_FORMAT: Final = 0xE2792ACA
USED_ONCE: Final = 1 << 63
ZERO: Final = 1
LONGEST_NAME: Final = 1023


class Qcow2File:
    """An image in the making.

    Args:
        file: an empty file, open for writing.
        size_bytes: size of the disk.
        backing: name of the qcow2 file, in the same directory, that holds what is not put here; None for zeros.
    """

    def __init__(self, file: IO[bytes], size_bytes: int, backing: str | None = None) -> None:
        self._file = file
        self._size = size_bytes
        self._backing = (backing or "").encode()
        self._tables: dict[int, array[int]] = {}
        self._next = 1  # cluster 0 is the header's
        file.seek(CLUSTER)

    def put(self, cluster: int, data: bytes) -> None:
        """Store the content of neighbouring clusters; the last may be cut short by the disk's end.

        Args:
            cluster: number of the first.
            data: what they hold.
        """
        count = math.ceil(len(data) / CLUSTER)
        self._file.write(data)
        self._file.write(bytes(count * CLUSTER - len(data)))
        for index in range(count):
            self._set(cluster + index, (self._next + index) * CLUSTER | USED_ONCE)
        self._next += count

    def put_zeros(self, cluster: int) -> None:
        """Let a cluster read as zeros, whatever the backing file holds."""
        self._set(cluster, ZERO)

    def finish(self) -> None:
        """Write the tables and the header."""
        first_level = array("Q", bytes(8 * math.ceil(self._size / (CLUSTER * ENTRIES))))
        for index, table in sorted(self._tables.items()):
            first_level[index] = self._append(table) * CLUSTER | USED_ONCE
        first_level_at = self._append(first_level) if first_level else 0
        refcounts_at, refcount_clusters = self._count()
        self._file.seek(0)
        self._file.write(self._header(len(first_level), first_level_at, refcounts_at, refcount_clusters))
        self._file.seek(0, 2)

    def _set(self, cluster: int, entry: int) -> None:
        index, place = divmod(cluster, ENTRIES)
        table = self._tables.get(index)
        if table is None:
            table = self._tables[index] = array("Q", bytes(CLUSTER))
        table[place] = entry

    def _append(self, table: "array[int]") -> int:
        """Write a table in whole clusters; returns the number of the first."""
        at, count = self._next, math.ceil(len(table) * table.itemsize / CLUSTER)
        ordered = table[:]
        if sys.byteorder == "little":
            ordered.byteswap()
        data = ordered.tobytes()
        self._file.write(data + bytes(count * CLUSTER - len(data)))
        self._next += count
        return at

    def _count(self) -> tuple[int, int]:
        """Write that every cluster of the file is used once; returns where, and how many clusters the table takes."""
        used, blocks, tables = self._next, 0, 0
        while True:
            total = used + blocks + tables
            wanted = math.ceil(total / REFCOUNTS)
            if (wanted, math.ceil(wanted / ENTRIES)) == (blocks, tables):
                break
            blocks, tables = wanted, math.ceil(wanted / ENTRIES)
        counts = array("H", [1]) * total
        first_block = self._append(counts)
        table = array("Q", ((first_block + index) * CLUSTER for index in range(blocks)))
        return self._append(table), tables

    def _header(self, first_level: int, first_level_at: int, refcounts_at: int, refcount_clusters: int) -> bytes:
        extensions = b""
        if self._backing:
            extensions += struct.pack(">II8s", BACKING_FORMAT, 5, b"qcow2")
        extensions += bytes(8)
        backing_at = HEADER.size + len(extensions) if self._backing else 0
        fields = HEADER.pack(
            MAGIC,
            VERSION,
            backing_at,
            len(self._backing),
            CLUSTER_BITS,
            self._size,
            0,  # not encrypted
            first_level,
            first_level_at * CLUSTER,
            refcounts_at * CLUSTER,
            refcount_clusters,
            0,  # no snapshots
            0,
            0,
            0,
            0,  # no features
            REFCOUNT_ORDER,
            HEADER.size,
        )
        return fields + extensions + self._backing


def check_backing(file: IO[bytes], name: str, backing: str | None) -> None:
    """See that an image stands on this file, or on none, and on nothing else.

    Args:
        file: the image.
        name: what errors call it.
        backing: the file's name, in the same directory; None for none.

    Raises:
        ImageRejected: it is no such image.
    """
    file.seek(0)
    data = file.read(HEADER.size)
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise ImageRejected(name, "it is no qcow2 image")
    fields = HEADER.unpack(data)
    version, backing_at, length, incompatible = fields[1], fields[2], fields[3], fields[13]
    if version != VERSION or incompatible:
        raise ImageRejected(name, "it has features that no backup has")
    file.seek(backing_at)
    found = file.read(min(length, LONGEST_NAME)).decode(errors="replace") if backing_at else ""
    if found != (backing or ""):
        raise ImageRejected(name, f"it stands on {found or 'nothing'}, not on {backing or 'nothing'}")
