"""What the roles make of Ironic's answers, and that the driver's parts do not get into each other's way."""

from collections import Counter
from typing import Any

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.role import Role
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, TcpConsole, WebConsole
from nova_virt_api.model.device import DeviceKind
from nova_virt_api.model.diagnostics import Incident
from nova_virt_api.model.interface import Interface
from nova_virt_api.model.secret import Secret
from nova_virt_ironic.capabilities import answers
from nova_virt_ironic.console import address_of
from nova_virt_ironic.devices import inspected
from nova_virt_ironic.diagnostics import with_last_error
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.history import incident, seconds_of
from nova_virt_ironic.interfaces import joined
from nova_virt_ironic.microversions import Microversion, Versions
from nova_virt_ironic.node import NodeRow
from nova_virt_ironic.ports import Port, port
from nova_virt_ironic.transition import has_settled
from nova_virt_ironic.volumes import connector

NODE = "7f0bd0a9-0c55-4d6f-9b0f-6b1a36fbd3a1"
NEWEST = Versions(Microversion(1, 1), Microversion(1, 115))


def test_no_part_of_the_driver_hides_anothers_methods() -> None:
    """All parts are bases of one class, so two helpers of one name would be one helper."""
    parts = [base for base in IronicDriver.__mro__ if base.__module__.startswith("nova_virt_ironic.")]
    contract = {name for kind in (Driver, Role) for name in dir(kind)}
    roles = [base for base in parts if issubclass(base, Role) and base.__abstractmethods__]
    own = [base for base in parts if base is not IronicDriver and base not in roles]
    named = Counter(name for base in own for name in vars(base) if not name.startswith("__") and name not in contract)
    named.subtract(Counter({"_abc_impl": named["_abc_impl"], "capability": named["capability"]}))
    assert [name for name, count in named.items() if count > 1] == []


# --- provision states -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "settled"),
    [
        ({"provision_state": "active"}, True),
        ({"provision_state": "rescue failed", "target_provision_state": "rescue"}, True),
        ({"provision_state": "rescue wait"}, False),
        ({"provision_state": "service hold"}, False),
        ({"provision_state": "deploying", "reservation": "box"}, False),
        ({"provision_state": "servicing"}, False),
        ({"provision_state": "servicing", "last_error": "no such step", "reservation": "box"}, False),
        ({"provision_state": "servicing", "last_error": "no such step"}, True),
    ],
)
def test_when_a_node_has_settled(row: dict[str, Any], settled: bool) -> None:
    assert has_settled(NodeRow(uuid=NODE, **row)) is settled


# --- consoles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "address"),
    [
        (
            {"type": "socat", "url": "tcp://192.0.2.7:10023"},
            TcpConsole(kind=ConsoleKind.SERIAL, host="192.0.2.7", port=10023),
        ),
        (
            {"type": "socat", "url": "tcp://[2001:db8::7]:10023"},
            TcpConsole(kind=ConsoleKind.SERIAL, host="2001:db8::7", port=10023),
        ),
        (
            {"type": "shellinabox", "url": "http://192.0.2.7:8023"},
            WebConsole(kind=ConsoleKind.SERIAL, url=Secret("http://192.0.2.7:8023")),
        ),
        (
            {"type": "vnc", "url": "https://x.example.org/vnc_auto.html?path=a"},
            WebConsole(kind=ConsoleKind.VNC, url=Secret("https://x.example.org/vnc_auto.html?path=a")),
        ),
        ({"type": "socat", "url": "tcp://192.0.2.7"}, None),
        ({"type": "vnc", "url": "None?path=a"}, None),
        ({}, None),
    ],
)
def test_where_a_console_is(info: dict[str, Any], address: ConsoleAddress | None) -> None:
    assert address_of(info) == address


# --- network cards ----------------------------------------------------------------------------------------------------


def test_vifs_are_told_in_the_order_of_the_cards() -> None:
    cards = [
        Port(uuid="p1", address="52:54:00:00:00:01"),
        Port(uuid="p2", address="52:54:00:00:00:02", vif_id="second"),
        Port(uuid="p3", address="52:54:00:00:00:03", vif_id="third"),
        Port(uuid="p4", address="52:54:00:00:00:04", vif_id="gone meanwhile"),
    ]
    assert joined(["elsewhere", "third", "second"], cards) == (
        Interface(id="second", mac="52:54:00:00:00:02", vif_id="second"),
        Interface(id="third", mac="52:54:00:00:00:03", vif_id="third"),
        Interface(id="elsewhere", vif_id="elsewhere"),
    )


def test_a_group_of_cards_may_have_no_address() -> None:
    assert port({"uuid": "g", "address": None, "internal_info": {"tenant_vif_port_id": "vif"}}) == Port(
        uuid="g", address=None, vif_id="vif"
    )


def test_a_node_whose_cards_nobody_connects_takes_no_vif() -> None:
    row = NodeRow(uuid=NODE, network_interface="noop")
    assert answers(NEWEST)[Feature.NIC_VIF].available
    assert not answers(NEWEST, row)[Feature.NIC_VIF].available


# --- history, devices, connectors -------------------------------------------------------------------------------------


def test_an_event_of_the_history() -> None:
    event = {
        "created_at": "2026-11-23T00:02:08.082644+00:00",
        "severity": "ERROR",
        "event_type": "UNKNOWN",
        "event": "Could not\nattach http://me:secret@x.example.org/a.iso?token=canary",
    }
    assert incident(event) == Incident(
        at=1795392128.082644,
        kind="unknown",
        message="Could not attach http://***@x.example.org/a.iso?...",
        error=True,
    )
    assert seconds_of(None) is None


def test_the_last_error_is_told_once() -> None:
    row = NodeRow(
        uuid=NODE,
        provision_state="deploy failed",
        provision_updated_at="2026-11-23T00:00:00+00:00",
        last_error="fan  broken",
    )
    known = Incident(at=1.0, kind="deploy", message="fan broken", error=True)
    assert with_last_error(row, [known]) == (known,)
    other = Incident(at=1.0, kind="deploy", message="began")
    latest, before = with_last_error(row, [other])
    assert (latest.message, latest.kind, latest.error, before) == ("fan broken", "deploy failed", True, other)


def test_an_inventory_with_gaps() -> None:
    assert list(inspected({})) == []
    disk, memory = {"name": "/dev/sda", "size": 0}, {"total": 1024}
    found = list(inspected({"inventory": {"disks": [disk], "memory": memory, "interfaces": [{"name": "eno1"}]}}))
    assert [(device.kind, device.size_bytes) for device in found] == [
        (DeviceKind.MEMORY, 1024),
        (DeviceKind.DISK, None),
    ]


def test_of_two_iscsi_names_the_first_counts() -> None:
    found = [{"type": "iqn", "connector_id": "iqn.a"}, {"type": "iqn", "connector_id": "iqn.b"}]
    assert connector("rack1", found).iscsi_initiator == "iqn.a"
