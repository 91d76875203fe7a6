"""Reading what a guest printed."""

from nova_virt_api.capability import Capability
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.errors import NotSupported
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.listing import find
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.identity import InstanceRef


class FakeConsoleLog(ConsoleLog):
    """The role ``ConsoleLog`` of the fake driver: guests print the same text at each of their boots."""

    connection: Connection

    def console_log(self, guest: InstanceRef, max_bytes: int) -> bytes:
        self.connection.require(Capability.CONSOLE_LOG)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            log = find(guest, state.claimants(guest.uuid)).log
        if log is None:
            raise NotSupported(Capability.CONSOLE_LOG, reason="the hypervisor keeps no log of this guest")
        return log[max(len(log) - max_bytes, 0) :]
