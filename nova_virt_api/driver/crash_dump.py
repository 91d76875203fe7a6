"""The role of making a guest's kernel dump its memory."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef


class CrashDump(Role, capability=Capability.CRASH_DUMP):
    """Interrupt a guest so that its kernel writes a dump, if it is set up for that. Experimental."""

    @abstractmethod
    def trigger_crash_dump(self, guest: InstanceRef, op: Operation) -> None:
        """Send a non-maskable interrupt.

        States: RUNNING; what the guest makes of it is its own affair. Each call sends one.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is not running.
            Busy: the hypervisor is doing something else with it.
        """
