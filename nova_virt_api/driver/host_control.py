"""The role of taking nodes out of use."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role


class HostControl(Role, capability=Capability.HOST_CONTROL):
    """Take a node out of use for repair, and back. Experimental."""

    @abstractmethod
    def enter_maintenance(self, node: str, reason: str, op: Operation) -> None:
        """Let no new guest be placed on a node. Its guests stay as they are; ``Node.maintenance`` tells the reason.

        A ``spawn`` that names the node, or that no other node is left for, raises ``NoCapacity``.

        Idempotent: the reason of the last call is kept.

        Args:
            node: name or id.
            reason: for people, one line.
            op: the operation worked for.

        Raises:
            InvalidSpec: no such node.
            PermissionDenied: guests of others would be hit.
            Busy: the endpoint is doing something else with the node.
        """

    @abstractmethod
    def leave_maintenance(self, node: str, op: Operation) -> None:
        """Let guests be placed on a node again. Idempotent.

        Raises:
            InvalidSpec: no such node.
            Busy: the endpoint is doing something else with the node.
        """
