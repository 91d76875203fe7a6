"""Taking hosts out of use."""

from nova_virt_api.capability import Capability
from nova_virt_api.driver.host_control import HostControl
from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.spec import require_one


class FakeHostControl(HostControl):
    """The role ``HostControl`` of the fake driver."""

    connection: Connection

    def enter_maintenance(self, node: str, reason: str, op: Operation) -> None:
        self._set(Step.ENTER_MAINTENANCE, node, reason, op)

    def leave_maintenance(self, node: str, op: Operation) -> None:
        self._set(Step.LEAVE_MAINTENANCE, node, None, op)

    def _set(self, step: Step, node: str, reason: str | None, op: Operation) -> None:
        self.connection.require(Capability.HOST_CONTROL)
        name = require_one("node", node, self.connection.world.shape.nodes)
        self.connection.step(step, op)
        with self.connection.world.changing() as state:
            if state.maintenance.get(name) != reason:
                state.set_maintenance(name, reason)
