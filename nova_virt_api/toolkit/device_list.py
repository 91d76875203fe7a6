"""What a guest is told of its tagged devices: the list ``devices`` of OpenStack's ``meta_data.json``.

The file has one length whatever it says, so that it can be written anew in its place on a medium that exists: a write
that was cut off is mended by the next one, and no other file was in danger.
"""

import enum
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from nova_virt_api.model.device_tag import DeviceAddress

DEVICES_FILE: Final = "openstack/latest/meta_data.json"
LENGTH: Final = 96 * 1024
"""Bytes of the file: room for the 64 interfaces, disks and volumes each of a spec, with the longest of tags."""

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


def devices_file(uuid: UUID | str, hostname: str, name: str, devices: Sequence[TaggedDevice]) -> bytes:
    """OpenStack's ``meta_data.json`` with these devices; the last of them are left out where there is no room.

    Args:
        uuid: the guest.
        hostname: what it calls itself.
        name: its name.
        devices: its tagged devices.
    """
    entries = [device.entry() for device in devices]
    while True:
        data = {"uuid": str(uuid), "hostname": hostname, "name": name, "devices": entries}
        text = json.dumps(data, ensure_ascii=False).encode()
        if len(text) < LENGTH:
            return text.ljust(LENGTH - 1) + b"\n"
        entries = entries[:-1]


def place_on(image: bytes) -> int | None:
    """Where in an image the file begins; None for one without, or where it is of another length.

    Args:
        image: the bytes of an ISO 9660 image.
    """
    import pycdlib
    from pycdlib.pycdlibexception import PyCdlibException

    medium = pycdlib.PyCdlib()
    try:
        medium.open_fp(io.BytesIO(image))
        record = medium.get_record(joliet_path=f"/{DEVICES_FILE}")
        return None if record.get_data_length() != LENGTH else record.extent_location() * SECTOR
    except PyCdlibException:
        return None
