"""Interrupting guests."""

import time
from dataclasses import replace

from nova_virt_api.capability import Capability
from nova_virt_api.driver.crash_dump import CrashDump
from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.power import require
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.diagnostics import Incident
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState


class FakeCrashDump(CrashDump):
    """The role ``CrashDump`` of the fake driver: a guest says on its console that it was interrupted, and goes on."""

    connection: Connection

    def trigger_crash_dump(self, guest: InstanceRef, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.CRASH_DUMP)
        with connection.hold(guest.uuid, "crash dump"):
            with connection.world.reading() as state:
                require(connection.ready(state, guest), (PowerState.RUNNING,))
            connection.step(Step.CRASH_DUMP, op)
            with connection.world.changing() as state:
                found = connection.ready(state, guest)
                require(found, (PowerState.RUNNING,))
                found = replace(found, interrupts=found.interrupts + 1)
                found = found.met(Incident(at=time.time(), kind="interrupt", message="NMI for a crash dump"))
                state.put(found.printed(("[    9.000000] fake-kernel: NMI received",)))
