"""The list of devices on the first-boot medium: in OpenStack's form, and written anew in its place."""

import io
import json
import time
from uuid import UUID

import pycdlib
import pytest

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.device_tag import LONGEST_TAG, DeviceAddress, DeviceBus
from nova_virt_api.toolkit.device_list import LENGTH, DeviceType, TaggedDevice, devices_file, place_on
from nova_virt_api.toolkit.seed import nocloud_seed
from nova_virt_api.toolkit.seed_reading import seed_files

UUID_ = UUID("c0ffee00-0000-4000-8000-000000000001")
CLOUD_INIT = CloudInit(user_data="#!/bin/sh\n", network_config="version: 2\n", hostname="web.example.org")
CARD = TaggedDevice(
    type=DeviceType.NIC,
    tag="früher & \"<'>",
    address=DeviceAddress(bus=DeviceBus.PCI, text="0000:01:00.0"),
    mac="52:54:00:00:00:01",
)
DISK = TaggedDevice(type=DeviceType.DISK, tag="root", serial="4711")


def read(image: bytes, kind: str) -> dict[str, object]:
    """What a guest reads, by one of the medium's two name spaces."""
    medium, content = pycdlib.PyCdlib(), io.BytesIO()
    medium.open_fp(io.BytesIO(image))
    medium.get_file_from_iso_fp(content, **{kind: "/openstack/latest/meta_data.json"})
    medium.close()
    found: dict[str, object] = json.loads(content.getvalue())
    return found


@pytest.mark.parametrize("kind", ["rr_path", "joliet_path"])
def test_a_guest_reads_it_in_the_form_of_openstack(kind: str) -> None:
    assert read(nocloud_seed(CLOUD_INIT, UUID_, "web", [CARD, DISK]), kind) == {
        "uuid": str(UUID_),
        "hostname": "web.example.org",
        "name": "web",
        "devices": [
            {"type": "nic", "bus": "pci", "address": "0000:01:00.0", "mac": CARD.mac, "tags": [CARD.tag]},
            {"type": "disk", "bus": "none", "address": "none", "serial": "4711", "tags": ["root"]},
        ],
    }


def test_it_is_written_anew_in_its_place() -> None:
    before, after = nocloud_seed(CLOUD_INIT, UUID_, "web", []), nocloud_seed(CLOUD_INIT, UUID_, "web", [CARD, DISK])
    place = place_on(before)
    assert place is not None
    content = devices_file(UUID_, "web.example.org", "web", [CARD, DISK])
    assert before[:place] + content + before[place + LENGTH :] == after


def test_the_other_files_are_as_without_it() -> None:
    assert seed_files(nocloud_seed(CLOUD_INIT, UUID_, "web", [CARD])) == seed_files(
        nocloud_seed(CLOUD_INIT, UUID_, "web")
    )


def test_it_is_the_same_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    first = nocloud_seed(CLOUD_INIT, UUID_, "web", [CARD])
    later = time.time() + 1e8
    monkeypatch.setattr(time, "time", lambda: later)
    assert nocloud_seed(CLOUD_INIT, UUID_, "web", [CARD]) == first


def test_there_is_room_for_all_devices_of_a_spec() -> None:
    longest = TaggedDevice(
        type=DeviceType.DISK,
        tag="\U0001f600" * LONGEST_TAG,
        address=DeviceAddress(bus=DeviceBus.PCI, text="0000:01:00.0"),
        serial="x" * 36,
    )
    content = devices_file(UUID_, "h" * 253, "n" * 63, [longest] * 192)
    assert len(json.loads(content)["devices"]) == 192
    assert len(content) == LENGTH
    more = devices_file(UUID_, "h" * 253, "n" * 63, [longest] * 1000)
    assert 192 < len(json.loads(more)["devices"]) < 1000
    assert len(more) == LENGTH


@pytest.mark.parametrize("image", [nocloud_seed(CLOUD_INIT, UUID_, "web"), b"", b"something else" * 10000])
def test_a_medium_without_it_has_no_place_for_it(image: bytes) -> None:
    assert place_on(image) is None
