"""What a guest is told of its tagged devices: the list ``devices`` of OpenStack's ``meta_data.json``.

The list has lines of its own at the file's end and one length whatever it says, so that it can be written anew in its
place on a medium that exists: a write that was cut off is mended by the next one, and nothing else was in danger.
"""

import enum
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nova_virt_api.model.device_tag import DeviceAddress

DEVICES_FILE: Final = "openstack/latest/meta_data.json"
LENGTH: Final = 96 * 1024
"""Bytes of the list: room for the 64 interfaces, disks and volumes each of a spec, with the longest of tags."""

SECTOR: Final = 2048
UNKNOWN: Final = "none"
"""What OpenStack says in place of a bus or an address that is not known."""


class DeviceType(enum.Enum):
    """What a device is, in OpenStack's words."""

    NIC = "nic"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedDevice:
    """A device that a guest is told of.

    Args:
        type: what it is.
        tag: its tag.
        address: where the guest's system finds it; None when not known.
        mac: MAC address of an interface.
        serial: serial number of a disk; None for none.
    """

    type: DeviceType
    tag: str
    address: DeviceAddress | None = None
    mac: str | None = None
    serial: str | None = None

    def entry(self) -> dict[str, Any]:
        """It in OpenStack's form."""
        found = {
            "type": self.type.value,
            "bus": UNKNOWN if self.address is None else self.address.bus.value,
            "address": UNKNOWN if self.address is None else self.address.text,
            "mac": self.mac,
            "serial": self.serial,
            "tags": [self.tag],
        }
        return {key: value for key, value in found.items() if value is not None}


def guest_file(known: Mapping[str, Any], devices: Sequence[TaggedDevice] | None) -> bytes:
    """OpenStack's ``meta_data.json``.

    Args:
        known: what it says of the guest itself.
        devices: the guest's tagged devices; None leaves them out.
    """
    text = json.dumps(known, ensure_ascii=False)
    if devices is None:
        return text.encode() + b"\n"
    return f"{text[:-1]},\n".encode() + device_lines(devices)


def device_lines(devices: Sequence[TaggedDevice]) -> bytes:
    """The file's part that tells of devices, up to its end; the last of them are left out where there is no room."""
    entries = [device.entry() for device in devices]
    while True:
        text = f'"devices": {json.dumps(entries, ensure_ascii=False)}}}'.encode()
        if len(text) < LENGTH:
            return text.ljust(LENGTH - 1) + b"\n"
        entries = entries[:-1]


def place_on(image: bytes) -> int | None:
    """Where in an image the part that tells of devices begins; None for one without.

    Args:
        image: the bytes of an ISO 9660 image.
    """
    import pycdlib
    from pycdlib.pycdlibexception import PyCdlibException

    medium = pycdlib.PyCdlib()
    try:
        medium.open_fp(io.BytesIO(image))
        record = medium.get_record(joliet_path=f"/{DEVICES_FILE}")
    except PyCdlibException:
        return None
    start = record.extent_location() * SECTOR
    end = start + record.get_data_length()
    first_line = image.find(b"\n", start, end) + 1
    return first_line if first_line and end - first_line == LENGTH else None
