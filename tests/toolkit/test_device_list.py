"""The list of devices on the first-boot medium: in OpenStack's form, and written anew in its place."""

import io
import json
import time
from uuid import UUID

import pycdlib
import pytest

from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.model.device_tag import LONGEST_TAG, DeviceAddress, DeviceBus
from nova_virt_api.toolkit.device_list import (
    DEVICES_FILE,
    LENGTH,
    DeviceType,
    TaggedDevice,
    device_lines,
    guest_file,
    place_on,
)
from nova_virt_api.toolkit.seed import seed_image
from nova_virt_api.toolkit.seed_reading import seed_files

UUID_ = UUID("c0ffee00-0000-4000-8000-000000000001")
CLOUD_INIT = CloudInit(user_data="#!/bin/sh\n", network_config="version: 2\n", hostname="web.example.org")
CONFIG_DRIVE = CloudInit(hostname="web.example.org", metadata='{"a\\nb": "ä"}', source=CloudInitSource.CONFIG_DRIVE)
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
    assert read(seed_image(CLOUD_INIT, UUID_, "web", [CARD, DISK]), kind) == {
        "uuid": str(UUID_),
        "hostname": "web.example.org",
        "name": "web",
        "devices": [
            {"type": "nic", "bus": "pci", "address": "0000:01:00.0", "mac": CARD.mac, "tags": [CARD.tag]},
            {"type": "disk", "bus": "none", "address": "none", "serial": "4711", "tags": ["root"]},
        ],
    }


@pytest.mark.parametrize("cloud_init", [CLOUD_INIT, CONFIG_DRIVE])
def test_it_is_written_anew_in_its_place(cloud_init: CloudInit) -> None:
    before, after = seed_image(cloud_init, UUID_, "web", []), seed_image(cloud_init, UUID_, "web", [CARD, DISK])
    place = place_on(before)
    assert place is not None
    assert before[:place] + device_lines([CARD, DISK]) + before[place + LENGTH :] == after


@pytest.mark.parametrize("kind", ["rr_path", "joliet_path"])
def test_what_else_the_file_says_outlives_a_write_that_was_cut_off(kind: str) -> None:
    """Half of a write may leave a list that nobody can read; the next one mends it, and the rest was not touched."""
    image = seed_image(CONFIG_DRIVE, UUID_, "web", [DISK] * 300)
    place, lines = place_on(image), device_lines([CARD])
    assert place is not None
    torn = image[:place] + lines[:80] + image[place + 80 :]
    with pytest.raises(ValueError, match="line"):
        read(torn, kind)
    assert place_on(torn) == place
    found = read(torn[:place] + lines + torn[place + LENGTH :], kind)
    assert [device["tags"] for device in found.pop("devices")] == [[CARD.tag]]  # type: ignore[attr-defined]
    assert found == read(seed_image(CONFIG_DRIVE, UUID_, "web"), kind)
    assert found["meta"] == {"a\nb": "ä"}


def test_the_other_files_are_as_without_it() -> None:
    found = seed_files(seed_image(CLOUD_INIT, UUID_, "web", [CARD]))
    assert found.pop(DEVICES_FILE)
    assert found == seed_files(seed_image(CLOUD_INIT, UUID_, "web"))


def test_it_is_the_same_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    first = seed_image(CLOUD_INIT, UUID_, "web", [CARD])
    later = time.time() + 1e8
    monkeypatch.setattr(time, "time", lambda: later)
    assert seed_image(CLOUD_INIT, UUID_, "web", [CARD]) == first


def test_there_is_room_for_all_devices_of_a_spec() -> None:
    longest = TaggedDevice(
        type=DeviceType.DISK,
        tag="\U0001f600" * LONGEST_TAG,
        address=DeviceAddress(bus=DeviceBus.PCI, text="0000:01:00.0"),
        serial="x" * 36,
    )
    assert len(json.loads(guest_file({"name": "web"}, [longest] * 192))["devices"]) == 192
    assert 192 < len(json.loads(guest_file({"name": "web"}, [longest] * 1000))["devices"]) < 1000
    assert {len(device_lines([longest] * number)) for number in (0, 192, 1000)} == {LENGTH}


@pytest.mark.parametrize(
    "image",
    [seed_image(CLOUD_INIT, UUID_, "web"), seed_image(CONFIG_DRIVE, UUID_, "web"), b"", b"something else" * 10000],
)
def test_a_medium_without_it_has_no_place_for_it(image: bytes) -> None:
    assert place_on(image) is None
