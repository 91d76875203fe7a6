"""What a guest's first-boot data tells of its devices, read from the medium without the driver."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final

import pycdlib

from nova_virt_conformance.hardware import ToldDevice

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK: Final = 256 * 1024
FILE: Final = "/openstack/latest/meta_data.json"


def told_devices(native: Any, definition: Any) -> Iterator[ToldDevice]:
    """The devices that a guest is told of; none where it has no medium."""
    for source in definition.iterfind("devices/disk/readonly/../source"):
        path = source.get("file", "")
        if path.endswith(".seed.iso"):
            for device in devices_on(content_of(native, path)):
                (tag,) = device.pop("tags")
                yield ToldDevice(tag=tag, **device)


def content_of(native: Any, path: str) -> bytes:
    """All bytes of a volume."""
    stream = native.newStream()
    native.storageVolLookupByPath(path).download(stream, 0, 0, 0)
    content = b"".join(iter(lambda: stream.recv(CHUNK), b""))
    stream.finish()
    return content


def devices_on(image: bytes) -> list[dict[str, Any]]:
    """What a medium says of devices, as a guest reads it."""
    medium, content = pycdlib.PyCdlib(), io.BytesIO()
    medium.open_fp(io.BytesIO(image))
    medium.get_file_from_iso_fp(content, rr_path=FILE)
    medium.close()
    return list(json.loads(content.getvalue())["devices"])
