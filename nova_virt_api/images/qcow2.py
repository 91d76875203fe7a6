"""The structure of a qcow2 image: one file, unencrypted, whole. Reference: QEMU, docs/interop/qcow2.txt."""

import math
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final, Self

from nova_virt_api.driver.operation import Operation
from nova_virt_api.images.malformed import Malformed
from nova_virt_api.images.table import read_table

LAYOUT: Final = struct.Struct(">4sIQIIQIIQQIIQ")
LAYOUT_3: Final = struct.Struct(">QQQII")
LEAST_CLUSTER_BITS: Final = 9
MOST_CLUSTER_BITS: Final = 21
LARGEST_L1: Final = 32 * 1024**2
"""QEMU's own limit, in bytes."""

CORRUPT: Final = 1 << 1
ENTRY: Final = 8
OFFSET: Final = 0x00FFFFFFFFFFFE00
COMPRESSED: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of the header that say where things are."""

    version: int
    cluster_bits: int
    virtual_size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    incompatible: int

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Read the header at the file's beginning."""
        file.seek(0)
        data = file.read(LAYOUT.size + LAYOUT_3.size)
        _, version, _, _, bits, size, encryption, l1, l1_offset, refcounts, clusters, _, _ = LAYOUT.unpack_from(data)
        features = LAYOUT_3.unpack_from(data, LAYOUT.size)[0] if version == 3 else 0
        return cls(version, bits, size, encryption, l1, l1_offset, refcounts, clusters, features)

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster, and of a second-level table."""
        return 1 << self.cluster_bits

    @property
    def covered_by_entry(self) -> int:
        """Bytes of the disk that one first-level entry covers."""
        return self.cluster_size * (self.cluster_size // ENTRY)


def check(file: IO[bytes], op: Operation) -> int:
    """Check that everything that the image refers to lies within its file; returns the disk's size in bytes."""
    header = Header.read(file)
    end = os.fstat(file.fileno()).st_size
    if header.encryption:
        raise Malformed("it is encrypted")
    if header.incompatible & CORRUPT:
        raise Malformed("it is marked as corrupt")
    if not LEAST_CLUSTER_BITS <= header.cluster_bits <= MOST_CLUSTER_BITS:
        raise Malformed("its cluster size is not allowed")
    needed = math.ceil(header.virtual_size / header.covered_by_entry)
    if header.l1_entries < needed or header.l1_entries * ENTRY > LARGEST_L1:
        raise Malformed("its first-level table does not fit its size")
    refcount_end = header.refcount_offset + header.refcount_clusters * header.cluster_size
    if header.l1_offset + header.l1_entries * ENTRY > end or refcount_end > end:
        raise Malformed("it is cut short: its tables lie beyond its end")
    for tables in second_level(file, header, op):
        if max(tables, default=0) >= end:
            raise Malformed("it is cut short: its data lie beyond its end")
    return header.virtual_size


def second_level(file: IO[bytes], header: Header, op: Operation) -> Iterator[list[int]]:
    """File offsets that the tables hold: first those of the first level, then table by table those of the second."""
    offsets = sorted({entry & OFFSET for entry in table(file, header.l1_offset, header.l1_entries)} - {0})
    yield offsets
    compressed = (1 << (62 - (header.cluster_bits - 8))) - 1  # the bits above count the sectors of the data
    for offset in offsets:
        op.checkpoint()
        found = set(table(file, offset, header.cluster_size // ENTRY))
        yield [entry & (compressed if entry & COMPRESSED else OFFSET) for entry in found]


def table(file: IO[bytes], offset: int, count: int) -> Sequence[int]:
    """A table of either level."""
    return read_table(file, offset, count, code="Q", order="big")
