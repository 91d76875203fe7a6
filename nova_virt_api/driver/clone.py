"""The role of making a guest from another guest."""

from abc import abstractmethod

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.quiesce import Quiesce


class Clone(Role, capability=Capability.CLONE):
    """Make guests that are copies of another guest. Experimental."""

    @abstractmethod
    def clone(
        self, guest: InstanceRef, spec: CloneSpec, op: Operation, *, quiesce: Quiesce = Quiesce.IF_POSSIBLE
    ) -> Instance:
        """Make a copy of a guest and, unless ``power_on`` is False, start it.

        The copy has the original's size and hardware and what its own disks hold, all of them at one moment. It stands
        alone: either can be changed and destroyed without the other. It has an identity of its own: uuid, name, labels,
        MAC addresses, firmware variables as they come and an empty TPM. It has none of the original's storage
        service's volumes, passed-through devices and first-boot data, no password of its screen, and nothing of what
        the original is in the middle of or has behind it: checkpoints, backup points, saved memory, console log. An
        original that has something which can neither be copied nor done without is refused with ``NotSupported``, whose
        reason names it.

        States: READY, and SHUTDOWN; also RUNNING and PAUSED with ``Feature.CLONE_LIVE``: the copy's disks hold what the
        original's held at one moment near the begin, as after a power cut, or with the file systems at rest; memory is
        not copied. The original's state does not change. Copies of one guest are made one after the other.

        Idempotent on the copy's uuid, as a spawn: a copy that exists with the same request is returned as it is, also
        when the original is gone by then; what an earlier, interrupted call for the same request left is used or
        removed. A failed call leaves nothing while the endpoint answers; otherwise the error names the leftovers.

        Args:
            guest: the original.
            spec: the copy.
            op: the operation worked for.
            quiesce: whether a running original's file systems are brought to rest at that moment; ``REQUIRED`` needs
                ``Feature.CLONE_QUIESCE``. Of no meaning for an original that does not run.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the original is not owned by this connection.
            InvalidState: the original's state does not allow it here.
            InvalidSpec: an interface's network is not there.
            InstanceExists: the copy's uuid or name is another guest's, or was asked for otherwise.
            GuestAgentUnavailable: the file systems are to be brought to rest, and the guest's agent does not do it.
            NoCapacity: not enough of a resource.
            StorageError: a disk could not be read or written.
            Busy: somebody else works on the original, or on the copy.
        """
