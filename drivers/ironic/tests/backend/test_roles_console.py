"""Consoles on a real Ironic. Fake hardware has a screen that nobody drew, reached by Ironic's own tickets."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.errors import InvalidState, NotSupported, PermissionDenied
from nova_virt_api.model.console import ConsoleKind, TcpConsole, WebConsole
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_api.model.placement import Placement
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import Ironic, NodeSpec, Settings

MakeDriver = Callable[..., IronicDriver]
GRAPHICAL = {"console_interface": "fake-graphical"}


def test_a_screen_is_switched_on_and_found(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance]
) -> None:
    guest, other = deployed(GRAPHICAL), deployed(GRAPHICAL)
    assert ironic.api.get(f"/v1/nodes/{guest.native_id}")["console_enabled"] is False
    found = driver.console(guest.ref, ConsoleKind.VNC)
    assert isinstance(found, WebConsole)
    assert found.kind is ConsoleKind.VNC
    assert ironic.api.get(f"/v1/nodes/{guest.native_id}/states/console")["console_info"]["url"] == found.url.reveal()
    assert guest.native_id in found.url.reveal()
    assert "token" not in repr(found)
    assert driver.console(guest.ref, ConsoleKind.VNC) == found, "who looks at it already stays connected"
    assert driver.console(other.ref, ConsoleKind.VNC) != found


def test_kinds_that_a_node_does_not_have(
    driver: IronicDriver, ironic: Ironic, deployed: Callable[..., Instance]
) -> None:
    screen, without, silent = deployed(GRAPHICAL), deployed({"console_interface": "no-console"}), deployed()
    for guest, kind, reason in (
        (screen, ConsoleKind.SERIAL, "screen only"),
        (screen, ConsoleKind.SPICE, "SPICE"),
        (without, ConsoleKind.VNC, "no-console"),
        (without, ConsoleKind.SERIAL, "no-console"),
        (silent, ConsoleKind.SERIAL, "says not where"),
    ):
        with pytest.raises(NotSupported, match=reason) as caught:
            driver.console(guest.ref, kind)
        assert caught.value.capability is Capability.CONSOLE
    assert ironic.api.get(f"/v1/nodes/{screen.native_id}")["console_enabled"] is False, "nothing was switched on for it"


def test_states_and_owners(
    driver: IronicDriver, make_driver: MakeDriver, deployed: Callable[..., Instance], op: Any
) -> None:
    guest = deployed(GRAPHICAL)
    with pytest.raises(PermissionDenied):
        make_driver(owner="somebody-else").console(guest.ref, ConsoleKind.VNC)
    driver.power_off(guest.ref, op, mode=PowerOff.HARD, grace_seconds=0)
    with pytest.raises(InvalidState):
        driver.console(guest.ref, ConsoleKind.VNC)


IPMITOOL = """#!/bin/sh
case "$*" in
    *"sol activate") echo "the machine listens"; exec cat ;;
    *) exit 0 ;;
esac
"""
"""For want of a management controller: serial over LAN that says what it is told. Ironic, and socat, are real."""


@pytest.fixture
def serial_ironic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_ironic: Callable[[Settings], Ironic]) -> Ironic:
    """An Ironic whose nodes may have IPMI's serial consoles."""
    tool = tmp_path / "bin" / "ipmitool"
    tool.parent.mkdir()
    tool.write_text(IPMITOOL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    consoles = {"enabled_console_interfaces": "fake,ipmitool-socat,no-console"}
    return own_ironic(Settings(extra={"DEFAULT": consoles, "console": {"terminal_pid_dir": str(tmp_path)}}))


def test_a_serial_line_is_a_port_that_can_be_talked_to(
    serial_ironic: Ironic, make_driver: MakeDriver, make_spec: Callable[..., Any], op: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    info = {
        "ipmi_address": "192.0.2.9",
        "ipmi_username": "admin",
        "ipmi_password": "canary",
        "ipmi_terminal_port": port,
    }
    fields = {"console_interface": "ipmitool-socat", "driver_info": info}
    (node,) = serial_ironic.enroll(1, NodeSpec(fields=fields))
    driver = make_driver(to=serial_ironic)
    guest = driver.spawn(make_spec(placement=Placement(node=node.name)), op)
    try:
        found = driver.console(guest.ref, ConsoleKind.SERIAL)
        assert found == TcpConsole(kind=ConsoleKind.SERIAL, host="127.0.0.1", port=port)
        assert driver.console(guest.ref, ConsoleKind.SERIAL) == found
        with pytest.raises(NotSupported, match="serial console only"):
            driver.console(guest.ref, ConsoleKind.VNC)
        with socket.create_connection((found.host, found.port), timeout=30) as line:
            line.sendall(b"anybody there?\n")
            told = b""
            while b"anybody there?" not in told.partition(b"listens")[2]:
                told += line.recv(4096)
    finally:
        serial_ironic.api.put(f"/v1/nodes/{node.uuid}/states/console", {"enabled": False})  # ends socat
        serial_ironic.api.wait(f"/v1/nodes/{node.uuid}", lambda shown: not shown["console_enabled"])
