"""Pausing guests."""

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.pause import Pause
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState


class FakePause(Pause):
    """The role ``Pause`` of the fake driver."""

    connection: Connection

    def pause(self, guest: InstanceRef, op: Operation) -> None:
        self.connection.require(Capability.PAUSE)
        self.connection.transit(guest, op, Step.PAUSE, (PowerState.RUNNING,), PowerState.PAUSED)

    def unpause(self, guest: InstanceRef, op: Operation) -> None:
        self.connection.require(Capability.PAUSE)
        self.connection.transit(guest, op, Step.UNPAUSE, (PowerState.PAUSED,), PowerState.RUNNING)
