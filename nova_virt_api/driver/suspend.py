"""The role of putting a guest's memory away."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef


class Suspend(Role, capability=Capability.SUSPEND):
    """Save a guest's memory to storage, free it, and restore it later. Experimental."""

    @abstractmethod
    def suspend(self, guest: InstanceRef, op: Operation) -> None:
        """Save the guest's memory and stop it.

        States: RUNNING or PAUSED to SUSPENDED. Idempotent: a suspended guest stays suspended. The saved memory belongs
        to the guest and goes with ``destroy``.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in none of these states.
            StorageError: the memory could not be saved; the guest runs on.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def resume(self, guest: InstanceRef, op: Operation) -> None:
        """Restore the guest's memory and let it run.

        States: SUSPENDED to RUNNING. Idempotent: a running guest goes on running. The stage BEFORE_START is announced,
        by ``op.stage``, before anything is changed.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is neither suspended nor running.
            Busy: the hypervisor is doing something else with it.
        """
