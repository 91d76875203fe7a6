"""The role Console: where Ironic's serial and graphical consoles are (API reference: "Get Console")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console import Console
from nova_virt_api.errors import BackendError, InvalidState, NotSupported, Timeout
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, TcpConsole, WebConsole
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_ironic.errors import Refused, cleaned
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.provision_states import power_state_of
from nova_virt_ironic.retry import Again
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

NO_CONSOLE: Final = "no-console"
GRAPHICAL: Final = "graphical"
"""Console interfaces that show a screen are named so, e.g. ``redfish-graphical``."""

SCREENS: Final = frozenset({"vnc", "novnc"})
"""Types of console, as Ironic names them, that show a screen; others are serial lines."""

SWITCHING_SECONDS: Final = 60.0
"""A console that is not on is switched on. It starts a process or a container on the conductor's machine."""

WEB: Final = ("http", "https")


class IronicConsole(OnSite, Console):
    """Switches a node's console on if it is off, and says where it is."""

    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        row = self.site.guests.owned(guest).row
        reason = lacking(row, kind)
        if reason:
            raise NotSupported(Capability.CONSOLE, "kind", reason)
        if power_state_of(row) is not PowerState.RUNNING:
            raise InvalidState(power_state_of(row), (PowerState.RUNNING,))
        info = self._console_info(row)
        if info is None:
            self._switch_console_on(row)
            info = self._console_info(row)
        address = address_of(info or {})
        if address is None or address.kind is not kind:
            has = f"a {address.kind.value} console only" if address is not None else "a console that says not where"
            raise NotSupported(Capability.CONSOLE, "kind", f"node {row.label} has {has} ({row.console_interface})")
        return address

    def _console_info(self, row: NodeRow) -> dict[str, Any] | None:
        """What Ironic says of the console; None while it is off."""
        found = self.site.connection.read(
            f"look for the console of node {row.label}",
            lambda client: client.node.get_console(row.uuid),
            at=Call.CONSOLE,
        )
        info = found["console_info"]
        return info if found["console_enabled"] and isinstance(info, dict) else None

    def _switch_console_on(self, row: NodeRow) -> None:
        within = Unstoppable(SWITCHING_SECONDS)
        doing = f"switch on the console of node {row.label}"
        try:
            self.site.connection.change(
                doing,
                lambda client: client.node.set_console_mode(row.uuid, True),
                at=Call.CONSOLE,
                op=within,
                again=Again.ALWAYS,
            )
        except Refused as error:  # its settings lack what this console needs, e.g. ipmi_terminal_port
            raise NotSupported(Capability.CONSOLE, "kind", error.message) from error

        def settled(now: NodeRow | None) -> bool:
            return now is None or now.console_enabled or now.reservation is None

        try:
            now = self.site.watcher.wait(within, row.uuid, settled)
        except Timeout as error:
            raise BackendError(f"{doing}: it is not on after {SWITCHING_SECONDS:.0f} seconds") from error
        if now is None or not now.console_enabled:
            why = f": {cleaned(now.last_error)}" if now is not None and now.last_error else ""
            raise BackendError(f"{doing}: it did not come on{why}")


def switch_off(site: Site, row: NodeRow, op: Operation) -> None:
    """Switch a node's console off, if it is on: Ironic itself keeps it on for whoever gets the node next."""
    if not row.console_enabled:
        return
    site.connection.change(
        f"switch off the console of node {row.label}",
        lambda client: client.node.set_console_mode(row.uuid, False),
        at=Call.CONSOLE,
        op=op,
        again=Again.ALWAYS,
    )
    site.watcher.wait(op, row.uuid, lambda now: now is None or not now.console_enabled or now.reservation is None)


def lacking(row: NodeRow, kind: ConsoleKind) -> str:
    """Why a node cannot have a console of a kind, in a few words; empty when it may."""
    if row.console_interface in (None, NO_CONSOLE):
        return f"node {row.label} has the console interface {NO_CONSOLE}"
    if kind is ConsoleKind.SPICE:
        return "Ironic knows no SPICE consoles"
    if GRAPHICAL in str(row.console_interface) and kind is not ConsoleKind.VNC:
        return f"node {row.label} has a screen only ({row.console_interface})"
    return ""


def address_of(info: dict[str, Any]) -> ConsoleAddress | None:
    """Where a console is; None when Ironic does not say it in a way that is known here.

    Args:
        info: ``console_info``: ``type``, e.g. ``socat``, ``shellinabox``, ``vnc``; and ``url``.
    """
    url = str(info.get("url") or "")
    kind = ConsoleKind.VNC if info.get("type") in SCREENS else ConsoleKind.SERIAL
    parts = urlsplit(url)
    if parts.scheme in WEB:
        return WebConsole(kind=kind, url=Secret(url))
    if parts.scheme == "tcp" and parts.hostname and parts.port:
        return TcpConsole(kind=kind, host=parts.hostname, port=parts.port)
    return None
