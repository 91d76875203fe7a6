"""The role of letting guests use directories of the host that they run on."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.share import Share


class Shares(Role, capability=Capability.SHARES):
    """See, attach and detach directories that a guest shares with its host. Experimental.

    Which directories may be shared is for the endpoint's options to say, and by default none may. The files are not the
    guest's: neither a detach nor ``destroy`` touches them. A guest with shares may be tied to its host: verbs that
    cannot take a share along (``suspend``, ``live_migrate``, ``create_checkpoint`` with memory, ``finish_resize`` by
    another endpoint) then refuse the guest by an error that names the share. A clone has none.
    """

    @abstractmethod
    def shares(self, guest: InstanceRef) -> Sequence[Share]:
        """The directories that the guest shares, in the order in which they were attached; works in all states.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """

    @abstractmethod
    def attach_share(self, guest: InstanceRef, share: Share, op: Operation) -> None:
        """Let the guest use a directory of its host; its system then mounts it by the share's tag.

        States: READY and SHUTDOWN: the guest has it when it starts; with ``Feature.ATTACH_SHARES`` also RUNNING and
        PAUSED, for a guest whose memory was made to be shared (``MemoryBacking.shared``), or that was given a share
        before it was started. Idempotent: the same share again changes nothing. Survives restarts of the guest.
        ``Share.read_only`` needs ``Feature.SHARE_READ_ONLY``.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection, or the endpoint does not share this directory.
            InvalidState: the guest is in another state, or runs with memory that cannot be shared.
            InvalidSpec: the guest has another share of this tag, or the path leads over a symbolic link.
            StorageError: there is no such directory, or it could not be shared.
            NoCapacity: the guest has no place for one more.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def detach_share(self, guest: InstanceRef, tag: str, op: Operation) -> None:
        """Take a share away; returns when the guest does not have it any more. Its files stay as they are.

        States: as for ``attach_share``. Idempotent: a share that is not there stays away.

        Args:
            guest: the guest.
            tag: the share's tag.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            StorageError: the guest does not let go of it.
            Busy: the hypervisor is doing something else with it.
        """
