"""Consoles on a real Ironic. Fake hardware has a screen that nobody drew, reached by Ironic's own tickets."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.errors import InvalidState, NotSupported, PermissionDenied
from nova_virt_api.model.console import ConsoleKind, WebConsole
from nova_virt_api.model.instance import Instance, PowerOff
from nova_virt_ironic.driver import IronicDriver
from tools.ironic import Ironic

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
