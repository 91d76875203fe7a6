"""Guests' consoles and what they printed there."""

from __future__ import annotations

from typing import Any

from nova import exception
from nova.console import type as console_type

import nova_virt_api as virt
from nova_virt_bridge.errors import CONSOLE, GUEST, nova_errors
from nova_virt_bridge.site import Bridged, guest


class Consoles(Bridged):
    """Nova's methods about consoles. Its proxies connect to TCP ports and know no tickets."""

    def get_console_output(self, context: Any, instance: Any) -> str:
        """Each byte as one character, as Nova reads it."""
        with nova_errors(GUEST, instance):
            return self.compute.console_log(guest(instance)).decode("latin-1")

    def get_vnc_console(self, context: Any, instance: Any) -> console_type.ConsoleVNC:
        found = self.port(instance, virt.ConsoleKind.VNC)
        return console_type.ConsoleVNC(host=found.host, port=found.port)

    def get_spice_console(self, context: Any, instance: Any) -> console_type.ConsoleSpice:
        found = self.port(instance, virt.ConsoleKind.SPICE)
        plain, tls = (None, found.port) if found.tls else (found.port, None)
        return console_type.ConsoleSpice(host=found.host, port=plain, tlsPort=tls)

    def get_serial_console(self, context: Any, instance: Any) -> console_type.ConsoleSerial:
        found = self.port(instance, virt.ConsoleKind.SERIAL)
        return console_type.ConsoleSerial(host=found.host, port=found.port)

    def port(self, instance: Any, kind: virt.ConsoleKind) -> virt.TcpConsole:
        """The TCP port of a guest's console.

        Raises:
            ConsoleTypeUnavailable: the guest has no such console, or none that a proxy of Nova can connect to.
        """
        with nova_errors(CONSOLE, instance):
            self.compute.capabilities().require(virt.Capability.CONSOLE)
            try:
                found = self.compute.console(guest(instance), kind)
            except virt.NotSupported as error:
                raise exception.ConsoleTypeUnavailable(console_type=kind.value) from error
        if not isinstance(found, virt.TcpConsole) or found.ticket is not None:
            raise exception.ConsoleTypeUnavailable(console_type=kind.value)
        return found
