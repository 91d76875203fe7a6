"""The role of writing a guest anew."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageSource
from nova_virt_api.model.instance import Instance


class Rebuild(Role, capability=Capability.REBUILD):
    """Write a guest's boot disk anew; its identity, place, other disks and interfaces stay. Experimental."""

    @abstractmethod
    def rebuild(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        source: ImageSource | None = None,
        cloud_init: CloudInit | None = None,
    ) -> Instance:
        """Replace the content of the boot disk by an image and start the guest.

        States: READY or ERROR, in any power state but SUSPENDED, to READY and RUNNING. Each call writes the disk once.
        What was on it is lost as soon as writing began; a rebuild that fails after that leaves the guest in ERROR, and
        may be repeated. The fingerprint stays that of the first request. A guest without a definition that outlives its
        run is refused with ``NotSupported``.

        Args:
            guest: the guest.
            op: the operation worked for.
            source: the image; None takes the one that the guest was made from or last rebuilt with.
            cloud_init: new first-boot data, needs the features that it names; None keeps what was given before, in
                the form that the guest has.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is rescued, suspended or in the middle of something.
            InvalidSpec: the guest has no boot disk of its own, or the image it was made from is not known and none
                was given.
            ImageNotFound: the source has no such image.
            ImageRejected: the image is not what was promised or not safe.
            StorageError: the disk could not be written.
            NoCapacity: the guest did not run, and there is not enough memory or CPU to start it.
            Busy: the hypervisor is doing something else with it.
        """
