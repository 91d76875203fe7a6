"""Telling where a guest's console is."""

import hashlib

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console import Console
from nova_virt_api.errors import InvalidState, NotSupported
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.state import HOLDS_MEMORY
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind, PtyConsole, TcpConsole
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.secret import Secret

FIRST_VNC_PORT = 5900
TICKET_SECONDS = 120.0


class FakeConsole(Console):
    """The role ``Console`` of the fake driver. Nothing listens at the addresses; they are the same in each run."""

    connection: Connection

    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        self.connection.require(Capability.CONSOLE)
        with self.connection.world.reading() as state:
            found = self.connection.ready(state, guest)
        if found.power_state not in HOLDS_MEMORY:
            raise InvalidState(found.power_state, [PowerState.RUNNING, PowerState.PAUSED])
        self.connection.switches.reach(Step.CONSOLE)
        number = int(found.native_id.rpartition("-")[2])
        if kind is ConsoleKind.SERIAL:
            return PtyConsole(node=found.node, path=f"/dev/pts/{number}")
        if kind is ConsoleKind.VNC:
            ticket = hashlib.sha256(f"{found.uuid} boot {found.boots}".encode()).hexdigest()[:16]
            return TcpConsole(
                kind=kind,
                host=found.node,
                port=FIRST_VNC_PORT + number,
                ticket=Secret(ticket),
                expires_seconds=TICKET_SECONDS,
            )
        raise NotSupported(Capability.CONSOLE, "kind", f"fake guests have vnc and serial consoles, not {kind.value}")
