"""The role of stopping a guest's CPUs."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef


class Pause(Role, capability=Capability.PAUSE):
    """Stop and continue a guest's virtual CPUs; its memory stays allocated. Experimental."""

    @abstractmethod
    def pause(self, guest: InstanceRef, op: Operation) -> None:
        """Stop the guest's virtual CPUs.

        States: RUNNING to PAUSED. Idempotent: a paused guest stays paused.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is neither running nor paused.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def unpause(self, guest: InstanceRef, op: Operation) -> None:
        """Let the guest's virtual CPUs go on.

        States: PAUSED to RUNNING. Idempotent: a running guest goes on running.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is neither paused nor running.
            Busy: the hypervisor is doing something else with it.
        """
