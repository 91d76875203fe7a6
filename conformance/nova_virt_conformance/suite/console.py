"""Where a guest's console is."""

from __future__ import annotations

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console import Console
from nova_virt_api.errors import NotSupported
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, PtyConsole, TcpConsole
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.secret import Secret
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.verbs import shown

PORTS = range(1, 65536)


@covers(Capability.CONSOLE, Console.console)
@pytest.mark.parametrize("kind", ConsoleKind, ids=lambda kind: kind.value)
def test_console_address(lab: Lab, running: Instance, kind: ConsoleKind) -> None:
    """A console's address says what is spoken there and where; a kind that the guest does not have is NotSupported."""
    address = address_of(lab, running, kind)
    assert address.kind is kind
    if isinstance(address, PtyConsole):
        assert kind is ConsoleKind.SERIAL
        assert address.path
    else:
        assert isinstance(address, TcpConsole)
        assert address.host
        assert address.port in PORTS
        assert address.expires_seconds is None or address.expires_seconds > 0
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


@covers(Capability.CONSOLE, Console.console)
@pytest.mark.parametrize("kind", ConsoleKind, ids=lambda kind: kind.value)
def test_console_ticket_is_a_secret(lab: Lab, running: Instance, kind: ConsoleKind) -> None:
    """A console's ticket does not print, and is bound to its guest: another guest has another."""
    address = address_of(lab, running, kind)
    if not isinstance(address, TcpConsole) or address.ticket is None:
        raise NotApplicable(f"a {kind.value} console needs no ticket here")
    assert isinstance(address.ticket, Secret), "the ticket is plain text"
    lab.secrets.add([address.ticket.reveal()])
    assert address.ticket.reveal() not in f"{address} {address!r}"
    assert len(address.ticket.reveal()) >= 8, "the ticket can be guessed"
    other = address_of(lab, lab.spawn(), kind)
    assert isinstance(other, TcpConsole)
    assert other.ticket != address.ticket
    assert (other.host, other.port) != (address.host, address.port)


def address_of(lab: Lab, guest: Instance, kind: ConsoleKind) -> ConsoleAddress:
    """The console's address.

    Raises:
        NotApplicable: the guest has no console of this kind.
    """
    try:
        return lab.compute.console(guest, kind)
    except NotSupported as error:
        missing = error
    assert missing.capability is Capability.CONSOLE
    assert missing.reason, "the guest does not have it, and nobody says why"
    raise NotApplicable(f"no {kind.value} console: {missing.reason}") from missing
