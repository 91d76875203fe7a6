"""The role of taking over guests that were made by other means."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance


class Adopt(Role, capability=Capability.ADOPT):
    """Become the owner of a guest of other making, and give it back unchanged. Experimental."""

    @abstractmethod
    def check_adoptable(self, guest: InstanceRef) -> None:
        """Raise what :meth:`adopt` would raise for the guest as it is now; changes nothing.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest belongs to another owner.
            InvalidState: the guest is in the middle of something.
            Busy: somebody is changing it.
        """

    @abstractmethod
    def adopt(self, guest: InstanceRef, op: Operation) -> Instance:
        """Mark a guest as this connection's own; nothing else of it changes, and it keeps the uuid that it is shown by.

        States: all. Idempotent: a guest of this owner stays as it is. A ``spawn`` of the uuid then finds a guest that
        was asked for differently. A guest without a definition that outlives its run, which could keep the mark, is
        refused with ``NotSupported``.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest belongs to another owner.
            InvalidState: the guest is in the middle of something.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def release(self, guest: InstanceRef, op: Operation) -> None:
        """Take this owner's mark off a guest and leave all else as it is: afterwards it is a guest of other making.

        States: all. Idempotent: a guest without an owner stays as it is. It keeps the uuid that it is shown by where
        the backend has a place for it beside the mark.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest belongs to another owner.
            InvalidState: the guest is in the middle of something.
            Busy: the hypervisor is doing something else with it.
        """
