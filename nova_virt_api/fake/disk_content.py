"""What is on fake guests' disks, byte by byte: what each was made from, and what was written since."""

from collections.abc import Iterable, Sequence

from nova_virt_api.fake.backed_up import HeldDisk
from nova_virt_api.fake.guest import Volume
from nova_virt_api.fake.snapshot import text_of
from nova_virt_api.model.backup import Extent, ExtentKind


def held(volume: Volume) -> HeldDisk:
    """A disk as it is now."""
    return HeldDisk(
        pool=volume.pool,
        name=volume.name,
        size_bytes=volume.size_bytes,
        text=text_of(volume),
        written=len(volume.written),
    )


def pieces_of(disk: HeldDisk, volume: Volume) -> list[tuple[int, bytes]]:
    """What was put onto a disk until it was held, in the order in which that happened, each with its offset."""
    text = disk.text.encode()[: disk.size_bytes]
    return [*([(0, text)] if text else []), *volume.written[: disk.written]]


def content(pieces: Iterable[tuple[int, bytes]], offset: int, length: int) -> bytes:
    """What these bytes of a disk are, after all pieces were put onto its zeros."""
    found = bytearray(length)
    for at, data in pieces:
        start, end = max(at, offset), min(at + len(data), offset + length)
        if start < end:
            found[start - offset : end - offset] = data[start - at : end - at]
    return bytes(found)


def extents(
    pieces: Sequence[tuple[int, bytes]], changed: Iterable[tuple[int, bytes]], offset: int, length: int
) -> list[Extent]:
    """Where something was changed within a range, and whether it is zeros now.

    Args:
        pieces: all that was put onto the disk.
        changed: those of them that count as changes.
        offset: where the range begins.
        length: how many bytes it has.
    """
    end = offset + length
    clipped = sorted((max(at, offset), min(at + len(data), end)) for at, data in changed)
    found: list[tuple[int, int]] = []
    for first, last in clipped:
        if first >= last:
            continue
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return [
        Extent(
            offset=first,
            length=last - first,
            kind=ExtentKind.DATA if any(content(pieces, first, last - first)) else ExtentKind.ZERO,
        )
        for first, last in found
    ]
