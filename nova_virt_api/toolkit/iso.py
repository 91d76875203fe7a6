"""Small ISO 9660 images, which guests read as their first-boot data."""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import Final

SECTOR: Final = 2048
FIRST_DESCRIPTOR: Final = 16 * SECTOR
DESCRIPTOR_WITH_ROOT: Final = (1, 2)
LAST_DESCRIPTOR: Final = 255
ROOT_RECORD: Final = 156
VOLUME_DATES: Final = (813, 830, 864)  # creation, modification, effective; ECMA-119, 8.4.26 to 8.4.29
RECORD_DATE: Final = 18
VOLUME_TIME: Final = b"2000010100000000\x00"
RECORD_TIME: Final = bytes((100, 1, 1, 0, 0, 0, 0))

DIRECTORY: Final = 2
"""Flag of a directory record that is one of a directory (ECMA-119, 9.1.6)."""


def iso(label: str, files: Mapping[str, bytes]) -> bytes:
    """An ISO 9660 image with Joliet and Rock Ridge names; the same input gives the same bytes, with a fixed date.

    Args:
        label: the volume's name.
        files: what it holds, by their paths from its root.
    """
    image = bytearray(written(label, files))
    fix_dates(image)
    return bytes(image)


def written(label: str, files: Mapping[str, bytes]) -> bytes:
    """The image with the dates of now."""
    import pycdlib

    image = pycdlib.PyCdlib()
    image.new(interchange_level=1, vol_ident=label, joliet=3, rock_ridge="1.09")
    short = {"": ""}
    for number, (path, content) in enumerate(files.items()):
        *folders, name = path.split("/")
        above = ""
        for folder in folders:
            inner = f"{above}/{folder}"
            if inner not in short:
                short[inner] = f"{short[above]}/DIR{len(short)}"
                image.add_directory(short[inner], rr_name=folder, joliet_path=inner)
            above = inner
        place = f"{short[above]}/FILE{number}.;1"
        image.add_fp(io.BytesIO(content), len(content), place, rr_name=name, joliet_path=f"/{path}")
    stream = io.BytesIO()
    image.write_fp(stream)
    image.close()
    return stream.getvalue()


def fix_dates(image: bytearray) -> None:
    """Replace the dates of writing."""
    for descriptor in volume_descriptors(image):
        for offset in VOLUME_DATES:
            image[descriptor + offset : descriptor + offset + len(VOLUME_TIME)] = VOLUME_TIME
        root = descriptor + ROOT_RECORD
        image[root + RECORD_DATE : root + RECORD_DATE + len(RECORD_TIME)] = RECORD_TIME
        fix_directory(image, root)


def fix_directory(image: bytearray, directory: int) -> None:
    """Replace the dates in a directory, given by its record, and in those below it."""
    extent, length = (struct.unpack_from("<I", image, directory + offset)[0] for offset in (2, 10))
    for record in directory_records(image, extent * SECTOR, length):
        fix_record(image, record)
        itself_or_parent = image[record + 32] == 1 and image[record + 33] in (0, 1)
        if image[record + 25] & DIRECTORY and not itself_or_parent:
            fix_directory(image, record)


def fix_record(image: bytearray, record: int) -> None:
    """Replace the date of a directory record and those of its Rock Ridge ``TF`` entry."""
    image[record + RECORD_DATE : record + RECORD_DATE + len(RECORD_TIME)] = RECORD_TIME
    name_length = image[record + 32]
    entry = record + 33 + name_length + (name_length + 1) % 2
    while entry + 4 < record + image[record]:
        length = image[entry + 2]
        if image[entry : entry + 2] == b"TF":
            image[entry + 5 : entry + length] = RECORD_TIME * ((length - 5) // len(RECORD_TIME))
        entry += length


def volume_descriptors(image: bytearray) -> Iterator[int]:
    """Offsets of the descriptors that have a root directory: ISO 9660's own and Joliet's."""
    offset = FIRST_DESCRIPTOR
    while image[offset] != LAST_DESCRIPTOR:
        if image[offset] in DESCRIPTOR_WITH_ROOT:
            yield offset
        offset += SECTOR


def directory_records(image: bytearray, start: int, length: int) -> Iterator[int]:
    """Offsets of a directory's records; a record never crosses a sector, the rest of which is zero."""
    for sector in range(start, start + length, SECTOR):
        offset = sector
        while offset < sector + SECTOR and image[offset]:
            yield offset
            offset += image[offset]
