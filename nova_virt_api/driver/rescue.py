"""The role of starting a guest from something else than its own disk, to repair it."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.secret import Secret


class Rescue(Role, capability=Capability.RESCUE):
    """Start a guest from a rescue system, with its own disks at hand, and let it go back. Experimental."""

    @abstractmethod
    def rescue(
        self, guest: InstanceRef, op: Operation, *, image: ImageSource | None = None, password: Secret | None = None
    ) -> None:
        """Stop the guest and start the rescue system in its place.

        States: READY, in any power state but SUSPENDED, to RESCUED and RUNNING. Idempotent: a rescued guest stays as it
        is, whatever the image and password. Until :meth:`unrescue` its power can be switched and it can be destroyed;
        other verbs that change it raise ``InvalidState``. A guest without a definition that outlives its run is refused
        with ``NotSupported``.

        Args:
            guest: the guest.
            op: the operation worked for.
            image: the rescue system, needs ``Feature.RESCUE_IMAGE``; None takes the endpoint's own.
            password: what the rescue system lets its user in with, needs ``Feature.RESCUE_PASSWORD``.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is suspended or in the middle of something.
            InvalidSpec: the endpoint needs an image or a password and none was given.
            ImageNotFound: the source has no such image.
            ImageRejected: the image is not what was promised or not safe.
            NoCapacity: the guest did not run, and there is not enough memory or CPU to start it.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def unrescue(self, guest: InstanceRef, op: Operation) -> None:
        """Stop the rescue system and start the guest from its own disk.

        States: RESCUED to READY and RUNNING. Idempotent: a guest that is not rescued stays as it is.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in the middle of something.
            NoCapacity: the rescue system did not run, and there is not enough memory or CPU to start the guest.
            Busy: the hypervisor is doing something else with it.
        """
