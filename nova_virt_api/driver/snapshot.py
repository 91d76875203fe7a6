"""The role of making an image of a guest's disk."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageInfo, ImageTarget
from nova_virt_api.model.quiesce import Quiesce


class Snapshot(Role, capability=Capability.SNAPSHOT):
    """Write a guest's boot disk to an image. Experimental."""

    @abstractmethod
    def snapshot(
        self, guest: InstanceRef, target: ImageTarget, op: Operation, *, quiesce: Quiesce = Quiesce.IF_POSSIBLE
    ) -> ImageInfo:
        """Write the content of the guest's boot disk, independent of any base, to the target.

        States: SHUTDOWN; also RUNNING and PAUSED with ``Feature.SNAPSHOT_LIVE``: what the disk holds at one moment
        near the begin, as after a power cut, or with the file systems at rest. The guest's state does not change; file
        systems that :meth:`nova_virt_api.driver.guest.Guest.quiesce` has brought to rest stay so, others write again
        as soon as the moment is over. Not idempotent: an existing target is replaced by a newer snapshot. A failed
        snapshot leaves no target and no temporary object.

        Args:
            guest: the guest.
            target: where the image goes.
            op: the operation worked for.
            quiesce: whether a running guest's file systems are brought to rest; ``REQUIRED`` needs
                ``Feature.SNAPSHOT_QUIESCE``. Of no meaning for a guest that does not run.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest's state does not allow it here.
            InvalidSpec: the target cannot be written by this endpoint.
            GuestAgentUnavailable: the file systems are to be brought to rest, and the guest's agent does not do it.
            NoCapacity: there is no room for it.
            StorageError: reading or writing failed.
            Busy: the hypervisor is doing something else with it.
        """
