"""How to reach a guest's console."""

import enum
from dataclasses import dataclass

from nova_virt_api.model.secret import Secret


class ConsoleKind(enum.Enum):
    """Kinds of console."""

    VNC = "vnc"
    SPICE = "spice"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpConsole:
    """A console behind a TCP port.

    Args:
        kind: what is spoken there.
        host: host name or address.
        port: TCP port.
        tls: whether TLS is spoken.
        ticket: password bound to this guest; None when the port needs none.
        expires_seconds: for how long the ticket is good, from now; None when it does not expire.
    """

    kind: ConsoleKind
    host: str
    port: int
    tls: bool = False
    ticket: Secret | None = None
    expires_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PtyConsole:
    """A serial console behind a terminal device of the node.

    Args:
        node: the node whose device it is.
        path: the device, e.g. ``/dev/pts/3``.
    """

    node: str | None
    path: str
    kind: ConsoleKind = ConsoleKind.SERIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConsole:
    """A console in a page that a browser opens.

    Args:
        kind: what the page shows.
        url: the page; a secret, as who has it has the console: it may bear the ticket.
        expires_seconds: for how long it is good, from now; None when it does not expire, or nobody says.
    """

    kind: ConsoleKind
    url: Secret
    expires_seconds: float | None = None


ConsoleAddress = TcpConsole | PtyConsole | WebConsole
"""Where a console is."""
