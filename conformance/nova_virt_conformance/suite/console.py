"""Where a guest's console is."""

from __future__ import annotations

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console import Console
from nova_virt_api.errors import NotSupported
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, PtyConsole, TcpConsole, WebConsole
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.secret import Secret
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.verb import shown

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
    elif isinstance(address, WebConsole):
        assert address.url.reveal().startswith(("https://", "http://"))
        assert address.expires_seconds is None or address.expires_seconds > 0
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
    ticket = ticket_of(address)
    if ticket is None:
        raise NotApplicable(f"a {kind.value} console needs no ticket here")
    assert isinstance(ticket, Secret), "the ticket is plain text"
    lab.secrets.add([ticket.reveal()])
    assert ticket.reveal() not in f"{address} {address!r}"
    assert len(ticket.reveal()) >= 8, "the ticket can be guessed"
    other = address_of(lab, lab.spawn(), kind)
    assert ticket_of(other) != ticket
    if isinstance(address, TcpConsole):
        assert isinstance(other, TcpConsole)
        assert (other.host, other.port) != (address.host, address.port)


def ticket_of(address: ConsoleAddress) -> Secret | None:
    """What opens the console to whoever has it; of a page its URL, as that may bear the ticket."""
    match address:
        case TcpConsole(ticket=ticket):
            return ticket
        case WebConsole(url=url):
            return url
        case _:
            return None


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
