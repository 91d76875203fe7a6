"""The smallest honest qcow2 file: a disk of any size whose first cluster has content.

Layout after QEMU's docs/interop/qcow2.txt, version 3: header, refcount table, refcount block, L1 table, L2 table, data.
"""

import struct
from typing import Final

CLUSTER_BITS: Final = 16
CLUSTER: Final = 1 << CLUSTER_BITS
HEADER_LENGTH: Final = 104
REFCOUNT_ORDER: Final = 4  # refcounts of 16 bits
COVERED_BY_L2: Final = CLUSTER * (CLUSTER // 8)
USED_ONCE: Final = 1 << 63  # of an L1 or L2 entry: the cluster has a refcount of exactly one


def qcow2_disk(size_bytes: int, content: bytes) -> bytes:
    """The bytes of a qcow2 image.

    Args:
        size_bytes: size of the disk that a guest sees; a multiple of 512.
        content: what the disk begins with, at most one cluster; the rest reads as zeros.
    """
    l1_entries = max(-(-size_bytes // COVERED_BY_L2), 1)
    l1_clusters = -(-l1_entries * 8 // CLUSTER)
    l1_offset = 3 * CLUSTER
    l2_offset = l1_offset + l1_clusters * CLUSTER
    data_offset = l2_offset + CLUSTER
    clusters = data_offset // CLUSTER + 1
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb",
        3,
        0,  # no backing file
        0,
        CLUSTER_BITS,
        size_bytes,
        0,  # not encrypted
        l1_entries,
        l1_offset,
        CLUSTER,  # the refcount table is the second cluster
        1,
        0,  # no snapshots
        0,
        0,  # no incompatible, compatible or autoclear features
        0,
        0,
        REFCOUNT_ORDER,
        HEADER_LENGTH,
    )
    parts = (
        header,
        struct.pack(">Q", 2 * CLUSTER),
        struct.pack(">H", 1) * clusters,
        struct.pack(">Q", l2_offset | USED_ONCE) + bytes((l1_clusters - 1) * CLUSTER),
        struct.pack(">Q", data_offset | USED_ONCE),
        content[: min(CLUSTER, size_bytes)].ljust(CLUSTER, b"\0"),
    )
    return b"".join(part + bytes(-len(part) % CLUSTER) for part in parts)
