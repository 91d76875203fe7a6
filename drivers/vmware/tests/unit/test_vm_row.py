"""Rows of virtual machines from what the server tells."""

from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest

from nova_virt_api.model.nic import Address
from nova_virt_vmware.record import KEY
from nova_virt_vmware.vm_row import (
    COLUMNS,
    EXTRA_CONFIG_PATH,
    RECORD_PATH,
    VmRow,
    as_addresses,
    as_record,
    as_tools,
    as_uuid,
    patched,
    paths,
    row_of,
    settled,
)

ONE = UUID(int=1)
TWO = UUID(int=2)

TOLD: dict[str, Any] = {
    "name": "web",
    "config.template": False,
    "config.instanceUuid": str(ONE),
    "config.uuid": str(TWO),
    RECORD_PATH: {"key": KEY, "value": "text"},
    "config.hardware.numCPU": 2,
    "config.hardware.memoryMB": 64,
    "runtime.powerState": "poweredOn",
    "runtime.connectionState": "connected",
    "runtime.host": "host-1",
    "runtime.question": None,
    "guest.net": [],
    "guest.toolsRunningStatus": "guestToolsRunning",
}


def test_row() -> None:
    assert row_of("vm-1", TOLD) == VmRow(
        moref="vm-1",
        name="web",
        instance_uuid=ONE,
        bios_uuid=TWO,
        record_text="text",
        vcpus=2,
        memory_mb=64,
        power_state="poweredOn",
        connection_state="connected",
        host="host-1",
        addresses=(),
        tools=True,
    )


def test_a_machine_in_the_making_has_hardly_anything() -> None:
    row = row_of("vm-1", {"name": "new"})
    assert (row.name, row.uuid, row.addresses, row.tools) == ("new", None, None, None)


def test_uuid_of_a_machine_without_an_instance_uuid() -> None:
    assert row_of("vm-1", TOLD | {"config.instanceUuid": None}).uuid == TWO
    assert as_uuid("not one") is None


@pytest.mark.parametrize(("path", "other"), [(RECORD_PATH, EXTRA_CONFIG_PATH), (EXTRA_CONFIG_PATH, RECORD_PATH)])
def test_record_is_asked_for_once(path: str, other: str) -> None:
    assert set(paths(path)) == COLUMNS.keys() - {other}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ([], None),
        ([{"key": "a", "value": "b"}, {"key": KEY, "value": "c"}], "c"),
        ({"key": KEY, "value": "c"}, "c"),
        ({"key": KEY, "value": ""}, None),
        ({"key": "another", "value": "c"}, None),
    ],
)
def test_record_in_extra_config(value: Any, text: str | None) -> None:
    assert as_record(value) == text


def test_addresses() -> None:
    cards = [
        {"macAddress": "00:50:56:00:00:01", "network": "lan", "ipAddress": ["192.0.2.1", "2001:db8::1"]},
        {"macAddress": "00:50:56:00:00:02", "ipAddress": "192.0.2.2"},
        {"macAddress": "00:50:56:00:00:03"},
        {"ipAddress": "nonsense"},
    ]
    first, mac = "00:50:56:00:00:01", "00:50:56:00:00:02"
    assert as_addresses(cards) == (
        Address(ip=ip_address("192.0.2.1"), mac=first, network="lan"),
        Address(ip=ip_address("2001:db8::1"), mac=first, network="lan"),
        Address(ip=ip_address("192.0.2.2"), mac=mac),
    )
    assert as_addresses(None) is None


@pytest.mark.parametrize(
    ("status", "runs"),
    [("guestToolsRunning", True), ("guestToolsExecutingScripts", True), ("guestToolsNotRunning", False), (None, None)],
)
def test_tools(status: str | None, runs: bool | None) -> None:
    assert as_tools(status) is runs


def test_changes() -> None:
    row = row_of("vm-1", TOLD)
    assert patched(row, {"runtime.powerState": "poweredOff"}).power_state == "poweredOff"
    assert patched(row, {"runtime.powerState": "poweredOn", "name": "web"}) is row
    assert patched(row, {"runtime.question": {"id": "1", "text": "moved or copied?"}}).question == "moved or copied?"
    assert patched(row, {RECORD_PATH: None}).record_text is None


def test_what_is_known_outlasts_a_configuration_that_cannot_be_read() -> None:
    row = row_of("vm-1", TOLD)
    lost = {path: None for path in TOLD if path.startswith("config.")}
    now = patched(row, lost | {"runtime.connectionState": "inaccessible"})
    assert now.connection_state == "inaccessible"
    assert (now.uuid, now.record_text, now.vcpus) == (ONE, "text", 2)
    again = settled(row, row_of("vm-1", {"name": "web", "runtime.connectionState": "inaccessible"}))
    assert (again.uuid, again.record_text, again.vcpus) == (ONE, "text", 2)


def test_same_row_for_what_has_not_changed() -> None:
    row = row_of("vm-1", TOLD)
    assert settled(row, row_of("vm-1", TOLD)) is row
    assert settled(None, row) is row
