"""What a guest's first-boot data is and tells of its devices, read from the medium without the driver."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final

import pycdlib

from nova_virt_api.model.cloud_init import CloudInitSource
from nova_virt_conformance.hardware import ToldDevice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK: Final = 256 * 1024
FILE: Final = "/openstack/latest/meta_data.json"
LABELS: Final = {"cidata": CloudInitSource.NOCLOUD, "config-2": CloudInitSource.CONFIG_DRIVE}


def media_of(native: Any, definition: Any) -> list[bytes]:
    """What is on a guest's media with first-boot data; none where it has none."""
    paths = [source.get("file", "") for source in definition.iterfind("devices/disk/readonly/../source")]
    return [content_of(native, path) for path in paths if path.endswith(".seed.iso")]


def source_of(media: Sequence[bytes]) -> CloudInitSource | None:
    """The data source that looks for a medium of this label."""
    for image in media:
        medium = pycdlib.PyCdlib()
        medium.open_fp(io.BytesIO(image))
        label = medium.pvd.volume_identifier.decode().rstrip()
        medium.close()
        return LABELS[label]
    return None


def told_devices(media: Sequence[bytes]) -> Iterator[ToldDevice]:
    """The devices that a guest is told of."""
    for image in media:
        for device in devices_on(image):
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
