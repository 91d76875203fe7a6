"""The role of connecting nodes and guests to volumes that somebody else makes."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.errors import NotSupported
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.volume import AttachedVolume, Volume, VolumeConnector


class Volumes(Role, capability=Capability.VOLUMES):
    """Use volumes of a storage service, which outlive the guests that use them. Experimental.

    Guests are spawned with volumes where the endpoint declares ``Feature.SPAWN_VOLUMES``; guests that exist get and
    lose them with ``Feature.ATTACH_VOLUMES``. A volume stays over a stop and a start of its guest, for which the
    endpoint keeps what it needs, passwords too. ``destroy`` lets go of volumes and never changes what is on them.
    """

    @abstractmethod
    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        """Who a node is to a storage service, which must let it in before a guest can use a volume there.

        Args:
            node: name or id; may be left out where there is exactly one.

        Raises:
            InvalidSpec: no such node, or several and none was named.
        """

    def volumes(self, guest: InstanceRef) -> Sequence[AttachedVolume]:
        """The volumes that the guest uses, in the order in which it sees them; works in all states.

        Needs ``Feature.ATTACH_VOLUMES``.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """
        raise NotSupported(Feature.ATTACH_VOLUMES, reason="the driver shows no volumes")

    def attach_volume(self, guest: InstanceRef, volume: Volume, op: Operation) -> AttachedVolume:
        """Let the guest use a volume; a running guest gets it at once.

        States: READY and RUNNING, PAUSED or SHUTDOWN. Idempotent on the volume's id: one that the guest has stays as it
        is, whatever else is asked for. Survives restarts of the guest. Needs ``Feature.ATTACH_VOLUMES``.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state, or runs and its bus takes disks only while it is off.
            InvalidSpec: the endpoint cannot use such a connection, or a guest that exists cannot boot from it.
            NoCapacity: the guest has no place for one more.
            VolumeError: the volume cannot be reached or opened, or somebody else uses it.
            Busy: the hypervisor is doing something else with the guest.
        """
        raise NotSupported(Feature.ATTACH_VOLUMES, reason="the driver attaches none")

    def detach_volume(self, guest: InstanceRef, volume_id: str, op: Operation) -> None:
        """Take a volume away; returns when the guest does not use it any more.

        States: READY and RUNNING, PAUSED or SHUTDOWN. Idempotent: a volume that is not there stays away. Needs
        ``Feature.ATTACH_VOLUMES``.

        Args:
            guest: the guest.
            volume_id: the volume's ``id``.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            VolumeError: the guest does not let go of it, or it could not be disconnected.
            Busy: the hypervisor is doing something else with the guest.
        """
        raise NotSupported(Feature.ATTACH_VOLUMES, reason="the driver detaches none")

    def extend_volume(self, guest: InstanceRef, volume_id: str, size_bytes: int, op: Operation) -> None:
        """Let the guest see that a volume has grown, which its storage service has done, or does by this call.

        States: READY and RUNNING or PAUSED: the guest sees it at once; SHUTDOWN: the guest sees it when it starts.
        Idempotent: a volume that the guest sees as large already stays as it is. Needs ``Feature.EXTEND_VOLUME``.

        Args:
            guest: the guest.
            volume_id: the volume's ``id``.
            size_bytes: how large the volume is now.
            op: the operation worked for.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            InvalidSpec: the guest does not use such a volume, or sees it larger.
            VolumeError: the volume is not as large, or cannot be resized.
            Busy: the hypervisor is doing something else with the guest.
        """
        raise NotSupported(Feature.EXTEND_VOLUME, reason="the driver tells guests nothing of it")

    def swap_volume(self, guest: InstanceRef, volume_id: str, volume: Volume, op: Operation) -> AttachedVolume:
        """Copy a volume to another while the guest goes on using it, and let the guest use the other from then on.

        States: READY and RUNNING or PAUSED. The guest keeps its disk, with bus and serial number. Idempotent: a guest
        that uses the new volume and not the old one stays as it is. Cancelled or failed, the guest stays on the old
        volume, and what the new one holds is worth nothing. Needs ``Feature.SWAP_VOLUME``.

        Args:
            guest: the guest.
            volume_id: ``id`` of the volume that it uses.
            volume: the other, as large as that, or larger where the endpoint can: then the guest sees all of it at the
                latest when it is started next. Its ``boot``, ``bus``, ``shared``, ``read_only`` and ``tag`` do not
                count.
            op: the operation worked for; tells progress in bytes.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            InvalidSpec: the guest does not use such a volume, or uses the other one too, or the endpoint cannot use
                such a connection.
            VolumeError: the other volume cannot be reached or opened, or has a size that cannot be, or copying failed.
            Busy: the hypervisor is doing something else with the guest.
        """
        raise NotSupported(Feature.SWAP_VOLUME, reason="the driver swaps none")
