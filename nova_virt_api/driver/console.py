"""The role of telling where a guest's console is."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.role import Role
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind
from nova_virt_api.model.identity import InstanceRef


class Console(Role, capability=Capability.CONSOLE):
    """Reach a guest's screen or serial port. Experimental."""

    @abstractmethod
    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        """Where to connect to, with a ticket where the backend knows tickets.

        States: RUNNING or PAUSED. May replace the guest's previous ticket of this kind.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest has no console while it is stopped.
            NotSupported: the guest has no console of this kind.
            Timeout: the guest does not answer, so it was given no ticket.
        """
