"""Where a guest's screen or serial port is, with a fresh ticket."""

import secrets
import time
from typing import Final
from urllib.parse import urlsplit

import libvirt
from lxml import etree

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console import Console
from nova_virt_api.errors import BackendError, InvalidState, NotSupported
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, PtyConsole, TcpConsole
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.secret import Secret
from nova_virt_libvirt.connection import Connection
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.domain import Domain
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.health import SILENT_MILLISECONDS, refuse_silent
from nova_virt_libvirt.host.host import Host
from nova_virt_libvirt.native_call import in_seconds
from nova_virt_libvirt.verbs import OnDomains

TICKET_BYTES: Final = 6
"""Eight characters of base64: VNC looks at no more."""

EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what QEMU may have been told, not what we listen on

GIVING: Final = "set the console's ticket"


class LibvirtConsole(OnDomains, Console):
    """The role Console."""

    connection: Connection
    host: Host
    ticket_seconds: int
    uri: str

    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        domain = self.domains.owned(guest, *Lifecycle)
        domain.require(PowerState.RUNNING, PowerState.PAUSED)
        if kind is ConsoleKind.SERIAL:
            return self._serial(devices_of(domain))
        return self._screen(domain, kind)

    def _serial(self, devices: etree._Element) -> PtyConsole:
        for console in (*devices.iterchildren("serial"), *devices.iterchildren("console")):
            source = console.find("source")
            if console.get("type") == "pty" and source is not None and source.get("path"):
                return PtyConsole(node=self.host.name, path=source.get("path", ""))
        raise NotSupported(Capability.CONSOLE, "kind", "the guest has no serial port that is a terminal device")

    def _screen(self, domain: Domain, kind: ConsoleKind) -> TcpConsole:
        ticket = self._give_ticket(domain, screen_of(devices_of(domain), kind))
        graphics = screen_of(devices_of(domain), kind)  # a guest that was restarted before that has another port now
        plain, encrypted = ports_of(graphics)
        return TcpConsole(
            kind=kind,
            host=self._reached_at(graphics),
            port=plain if plain > 0 else encrypted,
            tls=plain <= 0,
            ticket=ticket,
            expires_seconds=None if ticket is None else float(self.ticket_seconds),
        )

    def _give_ticket(self, domain: Domain, graphics: etree._Element) -> Secret | None:
        """Set a new password on this guest's screen: the last one is void, and it opens no other guest's port.

        None for a screen that was started without a password: QEMU gives it none later, and it is open to everybody.
        """
        ticket = secrets.token_urlsafe(TICKET_BYTES)
        until = time.gmtime(time.time() + self.ticket_seconds)
        graphics.set("passwd", ticket)
        graphics.set("passwdValidTo", time.strftime("%Y-%m-%dT%H:%M:%S", until))
        try:
            self._change(domain, etree.tostring(graphics, encoding="unicode"))
        except BackendError:
            if has_password(domain, graphics.get("type", "")):
                raise
            return None
        return Secret(ticket)

    def _change(self, domain: Domain, device: str) -> None:
        """Give a running guest's device other settings: QEMU itself is asked, over a connection for this one request.

        Raises:
            Timeout: QEMU does not answer; nobody else is held up by what it was asked.
        """

        def ask() -> None:
            with self.connection.another() as own, translated(GIVING):
                own.lookupByUUID(domain.uuid.bytes).updateDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_LIVE)

        refuse_silent(domain.urgent, GIVING)
        in_seconds(ask, SILENT_MILLISECONDS / 1000, GIVING)

    def _reached_at(self, graphics: etree._Element) -> str:
        """Where QEMU listens; if that is everywhere, the host as this connection knows it."""
        listen = graphics.find("listen")
        address = (listen.get("address") if listen is not None else None) or graphics.get("listen") or ""
        if address not in EVERYWHERE:
            return address
        return urlsplit(self.uri).hostname or "127.0.0.1"


def devices_of(domain: Domain) -> etree._Element:
    """The devices of a running guest.

    Raises:
        InvalidState: it is off.
    """
    with translated("look for the guest's console"):
        devices = etree.fromstring(domain.urgent.XMLDesc(0), PARSER).find("devices")
    if devices is None:
        raise InvalidState(PowerState.SHUTDOWN, (PowerState.RUNNING, PowerState.PAUSED))
    return devices


def screen_of(devices: etree._Element, kind: ConsoleKind) -> etree._Element:
    """The guest's screen.

    Raises:
        NotSupported: it has none of this kind, or none that is reached by TCP.
    """
    graphics = next((each for each in devices.iterchildren("graphics") if each.get("type") == kind.value), None)
    if graphics is None:
        others = " or ".join(str(each.get("type")) for each in devices.iterchildren("graphics"))
        reason = f"the guest has no {kind.value} screen"
        raise NotSupported(Capability.CONSOLE, "kind", reason, hint=f"ask for {others}" if others else "")
    if max(ports_of(graphics)) <= 0:
        raise NotSupported(Capability.CONSOLE, "kind", f"the guest's {kind.value} screen has no TCP port")
    return graphics


def ports_of(graphics: etree._Element) -> tuple[int, int]:
    """A screen's port, and its port for TLS; 0 or less for none."""
    return int(graphics.get("port", "-1")), int(graphics.get("tlsPort", "-1"))


def has_password(domain: Domain, kind: str) -> bool:
    """Whether a running guest's screen of this kind was given a password."""
    with translated("look at the guest's console"):
        xml = domain.urgent.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    found = etree.fromstring(xml, PARSER).find(f"devices/graphics[@type='{kind}']")
    return found is not None and found.get("passwd") is not None
