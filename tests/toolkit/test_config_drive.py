"""A config drive: what OpenStack puts there, and where."""

import json
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.toolkit.seed import CONFIG_DRIVE, NOCLOUD, form_of, seed_image
from nova_virt_api.toolkit.seed_reading import seed_files

UUID_ = UUID("c0ffee00-0000-4000-8000-000000000001")
MAC = "52:54:00:12:34:56"
FULL = CloudInit(
    user_data="#!/bin/sh\necho hellö\n",
    network_config=f"version: 2\nethernets: {{lan: {{match: {{macaddress: '{MAC}'}}, addresses: [192.0.2.7/24]}}}}\n",
    hostname="web.example.org",
    ssh_authorized_keys=["ssh-ed25519 AAAAC3Nza me@home", "ssh-rsa AAAAB3"],
    metadata='{"role": "wéb", "ports": [80]}',
    source=CloudInitSource.CONFIG_DRIVE,
)
LATEST = "openstack/latest/"


def test_everything_is_where_openstack_puts_it() -> None:
    found = seed_files(seed_image(FULL, UUID_, "web"))
    assert json.loads(found.pop(LATEST + "meta_data.json")) == {
        "uuid": str(UUID_),
        "name": "web",
        "hostname": "web.example.org",
        "public_keys": {"key-0": "ssh-ed25519 AAAAC3Nza me@home", "key-1": "ssh-rsa AAAAB3"},
        "meta": {"role": "wéb", "ports": [80]},
    }
    assert found.pop(LATEST + "user_data").decode() == FULL.user_data
    network = json.loads(found.pop(LATEST + "network_data.json"))
    assert [link["ethernet_mac_address"] for link in network["links"]] == [MAC]
    assert [(one["type"], one["ip_address"]) for one in network["networks"]] == [("ipv4", "192.0.2.7")]
    assert found == {}


def test_what_is_not_given_is_left_out() -> None:
    found = seed_files(seed_image(CloudInit(source=CloudInitSource.CONFIG_DRIVE), UUID_, "web"))
    assert {path: json.loads(content) for path, content in found.items()} == {
        LATEST + "meta_data.json": {"uuid": str(UUID_), "name": "web", "hostname": "web"}
    }


def test_the_label_is_openstacks(tmp_path: Path) -> None:
    (tmp_path / "seed.iso").write_bytes(seed_image(FULL, UUID_, "web"))
    command = ["blkid", "-p", "-o", "value", "-s", "LABEL", str(tmp_path / "seed.iso")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "config-2"


def test_the_same_input_gives_the_same_bytes() -> None:
    assert seed_image(FULL, UUID_, "web") == seed_image(FULL, UUID_, "web")


def test_networks_that_a_config_drive_cannot_describe_are_refused() -> None:
    bonds = CloudInit(network_config="version: 2\nbonds: {}\n", source=CloudInitSource.CONFIG_DRIVE)
    with pytest.raises(InvalidSpec, match="network_config"):
        seed_image(bonds, UUID_, "web")


def test_the_form_is_known_from_the_files() -> None:
    assert form_of(seed_files(seed_image(FULL, UUID_, "web", []))) is CONFIG_DRIVE
    assert form_of(seed_files(seed_image(CloudInit(), UUID_, "web", []))) is NOCLOUD
    assert form_of({}) is NOCLOUD
