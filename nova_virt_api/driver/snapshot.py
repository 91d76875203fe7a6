"""The role of making an image of a guest's disk."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageInfo, ImageTarget


class Snapshot(Role, capability=Capability.SNAPSHOT):
    """Write a guest's boot disk to an image. Experimental."""

    @abstractmethod
    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation) -> ImageInfo:
        """Write the content of the guest's boot disk, independent of any base, to the target.

        States: SHUTDOWN; also RUNNING and PAUSED with ``Feature.SNAPSHOT_LIVE`` (consistent as after a power cut). The
        guest's state does not change. Not idempotent: an existing target is replaced by a newer snapshot. A failed
        snapshot leaves no target and no temporary object.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest's state does not allow it here.
            InvalidSpec: the target cannot be written by this endpoint.
            StorageError: reading or writing failed.
            Busy: the hypervisor is doing something else with it.
        """
