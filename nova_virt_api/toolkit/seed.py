"""First-boot data as a medium: the ISO 9660 image that cloud-init's NoCloud data source looks for."""

import io
import json
import re
import struct
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.toolkit.device_list import DEVICES_FILE, TaggedDevice, devices_file

VOLUME_ID: Final = "cidata"
"""The label by which NoCloud finds its medium."""

SECTOR: Final = 2048
FIRST_DESCRIPTOR: Final = 16 * SECTOR
DESCRIPTOR_WITH_ROOT: Final = (1, 2)
LAST_DESCRIPTOR: Final = 255
ROOT_RECORD: Final = 156
VOLUME_DATES: Final = (813, 830, 864)  # creation, modification, effective; ECMA-119, 8.4.26 to 8.4.29
RECORD_DATE: Final = 18
VOLUME_TIME: Final = b"2000010100000000\x00"
RECORD_TIME: Final = bytes((100, 1, 1, 0, 0, 0, 0))

_NOT_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Letters that JSON lets stand as they are, and YAML does not or takes for an end of line (YAML 1.1, 4.1 and 5.1)."""

_TEXT_OR_FLOAT: Final = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|(?<![\d.])(\d+)(?=e)')
"""A text of JSON, which is to stay, or digits that YAML takes for a number only with a point behind them."""


DIRECTORY: Final = 2
"""Flag of a directory record that is one of a directory (ECMA-119, 9.1.6)."""


def nocloud_seed(cloud_init: CloudInit, uuid: UUID, name: str, devices: Sequence[TaggedDevice] | None = None) -> bytes:
    """The medium's bytes: volume ``cidata`` with ``meta-data``, ``user-data`` and, if given, ``network-config``.

    The same input gives the same bytes, so that a repeated spawn finds its medium unchanged; they bear a fixed date.

    Args:
        cloud_init: what the guest is to read.
        uuid: becomes ``instance-id``; another one makes cloud-init run its first-boot steps again.
        name: becomes the host name unless ``cloud_init`` gives one.
        devices: the guest's tagged devices, for which the medium also has OpenStack's ``meta_data.json``; None leaves
            that out.
    """
    files = {"meta-data": meta_data(cloud_init, uuid, name), "user-data": cloud_init.user_data}
    if cloud_init.network_config is not None:
        files["network-config"] = cloud_init.network_config
    contents = {file_name: text.encode() for file_name, text in files.items()}
    if devices is not None:
        contents[DEVICES_FILE] = devices_file(uuid, cloud_init.hostname or name, name, devices)
    image = bytearray(iso(contents))
    fix_dates(image)
    return bytes(image)


def meta_data(cloud_init: CloudInit, uuid: UUID, name: str) -> str:
    """NoCloud's ``meta-data`` as JSON that is YAML too and needs no quoting rules."""
    data: dict[str, object] = {"instance-id": str(uuid), "local-hostname": cloud_init.hostname or name}
    if cloud_init.ssh_authorized_keys:
        data["public-keys"] = list(cloud_init.ssh_authorized_keys)
    if cloud_init.metadata is not None:
        data["meta"] = json.loads(cloud_init.metadata)
    return _for_yaml(json.dumps(data, ensure_ascii=False)) + "\n"


def _for_yaml(text: str) -> str:
    """The same JSON in a form that a reader of YAML understands alike."""
    escaped = _NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _TEXT_OR_FLOAT.sub(lambda match: match[1] or f"{match[2]}.0", escaped)


def iso(files: dict[str, bytes]) -> bytes:
    """An ISO 9660 image with Joliet and Rock Ridge names, holding these files, by their paths from its root."""
    import pycdlib

    image = pycdlib.PyCdlib()
    image.new(interchange_level=1, vol_ident=VOLUME_ID, joliet=3, rock_ridge="1.09")
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
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()


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
