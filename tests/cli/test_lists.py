"""Tables for people and plain values for programs."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
import yaml

import nova_virt_api as virt

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


@pytest.fixture
def several(nova_virt: Run) -> None:
    for line in ("create web --memory 2G --label tier=front --label x=y", "create db --no-start --no-network"):
        assert nova_virt(line).code == 0


def test_machine_formats_have_the_same_columns_and_plain_values(nova_virt: Run, several: None) -> None:
    listed = nova_virt("list -f json").json
    assert [guest["name"] for guest in listed] == ["db", "web"]
    assert yaml.safe_load(nova_virt("list -f yaml").out) == listed
    rows = list(csv.DictReader(io.StringIO(nova_virt("list -f csv").out)))
    assert [row.keys() for row in rows] == [guest.keys() for guest in listed]
    assert rows[1]["memory_bytes"] == str(2 * 1024**3)
    assert rows[1]["labels"] == "tier=front,x=y"
    assert nova_virt("list -f value -c name -c power_state -c memory_bytes").out == (
        f"db shutdown {1024**3}\nweb running {2 * 1024**3}\n"
    )


def test_a_table_has_words_and_units(nova_virt: Run, several: None) -> None:
    out = nova_virt("list").out
    assert "| power state |" in out
    assert "| 2 GiB  |" in out
    assert "tier=front" in out


def test_lists_are_sorted_as_asked(nova_virt: Run, several: None) -> None:
    by_size = nova_virt("list --sort-column memory_bytes --sort-descending -f value -c name")
    assert by_size.out == "web\ndb\n"


def test_an_empty_table_says_so_and_empty_json_is_a_list(nova_virt: Run) -> None:
    ran = nova_virt("list")
    assert (ran.code, ran.out, ran.error) == (0, "", "nova-virt: nothing to list")
    assert nova_virt("list -f json").json == []


def test_owned_leaves_guests_of_others_out(nova_virt: Run, several: None) -> None:
    assert nova_virt("--owner somebody-else create mine").code == 0
    assert nova_virt("--owner somebody-else list --owned -f value -c name").out == "mine\n"
    assert len(nova_virt("--owner somebody-else list --all -f json").json) == 3
    refused = nova_virt("--quiet --owner somebody-else delete web")
    assert refused.code == 9


def test_two_guests_of_one_name_are_told_apart_by_uuid(nova_virt: Run) -> None:
    ours = nova_virt("create twin -f json").json["uuid"]
    with virt.connect("fake", persist=True) as compute, compute.native() as switches:
        theirs = switches.outside.add_guest("twin")  # type: ignore[attr-defined]
    ran = nova_virt("--quiet stop twin")
    assert ran.code == 6
    assert ours in ran.error
    assert str(theirs) in ran.error
    assert "name it by its uuid" in ran.error
    assert nova_virt("--quiet stop", ours).code == 0


def test_places_and_drivers(nova_virt: Run) -> None:
    (pool,) = nova_virt("pool list -f json").json
    assert (pool["name"], pool["available"]) == ("default", True)
    assert pool["capacity_bytes"] > 0
    (network,) = nova_virt("network list -f json").json
    assert network["name"] == "default"
    host = nova_virt("host show -f json").json
    assert host["resources"]["VCPU"]["total"] == 64
    assert host["maintenance"] is None
    assert nova_virt("host list -f json").json == [{"name": "fake-host", "id": "fake-host", "maintenance": None}]
    drivers = {driver["name"]: driver for driver in nova_virt("driver list -f json").json}
    assert drivers["fake"]["distribution"] == "nova-virt-api"
    assert drivers["fake"]["problem"] is None


def test_a_driver_shows_its_options_and_answers(nova_virt: Run) -> None:
    shown = nova_virt("driver show fake -f json").json
    assert shown["options"]["persist"]["default"] is False
    assert shown["roles"] == sorted(capability.value for capability in virt.Capability)
    assert "cloud_init" in shown["available"]
    assert shown["unavailable"]["extras"]
    unasked = nova_virt("--driver libvirt driver show fake -f json").json
    assert unasked["endpoint"].startswith("not asked")
