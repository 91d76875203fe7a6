"""A closer look at guests."""

import time

from nova_virt_api.capability import Capability
from nova_virt_api.driver.diagnostics import Diagnostics
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.listing import find
from nova_virt_api.fake.state import HOLDS_MEMORY
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.diagnostics import Diagnosis, Sensor
from nova_virt_api.model.identity import InstanceRef

ROOM = Sensor(name="room", kind="temperature", value=21.0, unit="Celsius", ok=True)


class FakeDiagnostics(Diagnostics):
    """The role ``Diagnostics`` of the fake driver: starts, crashes and interrupts of a guest, and a pleasant room."""

    connection: Connection

    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        self.connection.require(Capability.DIAGNOSTICS)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            found = find(guest, state.claimants(guest.uuid))
        running = found.power_state in HOLDS_MEMORY
        since = found.started_at if running else None
        return Diagnosis(
            health=found.health,
            native_state=found.power_state.value,
            uptime_seconds=None if since is None else max(0.0, time.time() - since),
            memory_used_bytes=found.memory_bytes if running else 0,
            sensors=(ROOM,),
            incidents=found.incidents,
        )
