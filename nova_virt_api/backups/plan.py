"""What of a disk belongs into a backup, in whole clusters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from nova_virt_api.backups.qcow2_file import CLUSTER
from nova_virt_api.model.backup import Extent, ExtentKind

WINDOW: Final = 65536 * CLUSTER
"""Bytes of a disk that are asked about at once."""

CHUNK: Final = 32
"""Clusters that are read at once."""

ZERO: Final = 1
DATA: Final = 2


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a disk.

    Args:
        first: number of its first cluster.
        kinds: of each cluster, whether nothing (0), zeros (1) or data (2) belong into the backup.
    """

    first: int
    kinds: bytes

    def data_clusters(self) -> int:
        """How many clusters have to be read."""
        return self.kinds.count(DATA)

    def zeros(self) -> Iterator[int]:
        """Numbers of the clusters that are zeros."""
        at = self.kinds.find(ZERO)
        while at >= 0:
            yield self.first + at
            at = self.kinds.find(ZERO, at + 1)

    def reads(self) -> Iterator[tuple[int, int]]:
        """First cluster and number of clusters of each read."""
        at = self.kinds.find(DATA)
        while at >= 0:
            end = at
            while end < len(self.kinds) and self.kinds[end] == DATA and end - at < CHUNK:
                end += 1
            yield self.first + at, end - at
            at = self.kinds.find(DATA, end)


def window_of(extents: Iterable[Extent], offset: int, length: int) -> Window:
    """The clusters of a range that these extents touch. A cluster that is zeros only in part is read like data."""
    kinds = bytearray(-(-length // CLUSTER))
    reads: list[tuple[int, int]] = []
    for extent in extents:
        start, end = extent.offset - offset, min(extent.offset - offset + extent.length, length)
        first, last = start // CLUSTER, -(-end // CLUSTER)
        if extent.kind is ExtentKind.DATA:
            reads.append((first, last))
            continue
        inner_first, inner_last = -(-start // CLUSTER), len(kinds) if end == length else end // CLUSTER
        if inner_first < inner_last:
            kinds[inner_first:inner_last] = bytes([ZERO]) * (inner_last - inner_first)
            reads += [(first, inner_first), (inner_last, last)]
        else:
            reads.append((first, last))
    for first, last in reads:
        if first < last:
            kinds[first:last] = bytes([DATA]) * (last - first)
    return Window(offset // CLUSTER, bytes(kinds))
