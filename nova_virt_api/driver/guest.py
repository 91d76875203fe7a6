"""The role of asking the agent that runs inside a guest."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.guest_info import GuestInfo
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.secret import Secret


class Guest(Role, capability=Capability.GUEST):
    """Ask a guest's agent for what it knows, and let it act inside. Experimental.

    A missing or silent agent says nothing about the guest: it is ``GuestAgentUnavailable``, soon and whatever the
    deadline, and holds up nothing else.
    """

    @abstractmethod
    def guest_info(self, guest: InstanceRef) -> GuestInfo:
        """What the guest tells of itself now. A read, of guests of other making too.

        States: RUNNING. What the agent does not know, or is told not to tell, is None.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            InvalidState: the guest does not run.
            GuestAgentUnavailable: the guest has no agent, or it does not answer.
        """

    @abstractmethod
    def set_password(self, guest: InstanceRef, password: Secret, op: Operation, *, user: str | None = None) -> None:
        """Change a user's password inside the guest. Needs ``Feature.GUEST_PASSWORD``.

        States: RUNNING. Idempotent. What the guest refuses, e.g. a user that it does not have, is a ``BackendError``.

        Args:
            guest: the guest.
            password: the new one.
            op: the operation worked for.
            user: whose; None for the administrator, who is ``root``, or ``Administrator`` in a Windows guest.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest does not run.
            GuestAgentUnavailable: the guest has no agent, or it does not answer, or may not do it.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def quiesce(self, guest: InstanceRef, op: Operation) -> None:
        """Bring the guest's file systems to rest: all that was written is on the disks, and writers wait.

        Needs ``Feature.GUEST_QUIESCE``. States: RUNNING. Idempotent. It lasts until :meth:`unquiesce`, by whomever, or
        until the guest starts anew; a snapshot in between leaves it so.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest does not run.
            GuestAgentUnavailable: the guest has no agent, or it does not answer, or may not do it.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def unquiesce(self, guest: InstanceRef, op: Operation) -> None:
        """Let the guest write again, whoever has brought its file systems to rest.

        Needs ``Feature.GUEST_QUIESCE``. States: RUNNING. Idempotent: nothing happens to a guest that is not at rest.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest does not run.
            GuestAgentUnavailable: the guest has no agent, or it does not answer, or may not do it.
            Busy: the hypervisor is doing something else with it.
        """
