"""The role of giving guests network interfaces and taking them away."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.interface import Interface
from nova_virt_api.model.nic import Nic


class Interfaces(Role, capability=Capability.INTERFACES):
    """See, attach and detach a guest's network interfaces. Experimental."""

    @abstractmethod
    def interfaces(self, guest: InstanceRef) -> Sequence[Interface]:
        """The guest's interfaces in the order in which it sees them; works in all states.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """

    @abstractmethod
    def attach_interface(self, guest: InstanceRef, nic: Nic, op: Operation) -> Interface:
        """Give the guest one more interface; a running guest gets it at once.

        States: READY and RUNNING, PAUSED or SHUTDOWN. Idempotent where ``nic`` names its ``mac`` or ``vif_id``: the
        interface that has it is returned. Otherwise each call adds one. Survives restarts of the guest.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            InvalidSpec: the endpoint has no such network.
            NoCapacity: the guest has no place for one more.
            NetworkError: it could not be connected.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def detach_interface(self, guest: InstanceRef, interface_id: str, op: Operation) -> None:
        """Take an interface away; returns when the guest does not have it any more.

        States: READY and RUNNING, PAUSED or SHUTDOWN. Idempotent: an interface that is not there stays away.

        Args:
            guest: the guest.
            interface_id: the interface's ``id``.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            NetworkError: the guest does not let go of it, or it could not be disconnected.
            Busy: the hypervisor is doing something else with it.
        """
