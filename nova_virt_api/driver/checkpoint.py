"""The role of keeping points in time that a guest can go back to."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.checkpoint import CheckpointInfo
from nova_virt_api.model.identity import InstanceRef


class Checkpoint(Role, capability=Capability.CHECKPOINT):
    """Keep what a guest's disks, and perhaps its memory, hold at a time, and bring it back. Experimental.

    Users of other products know it as a VM's snapshots; here a *snapshot* is an image. Checkpoints are the guest's own,
    and go with it. They form a tree: a checkpoint's parent is the one that the guest had come from.

    Part of a checkpoint are the disks that belong to the guest alone. Volumes of storage services and media that cannot
    be written are not. Disks that the guest got later stay as they are when it goes back. Name and labels stay too.
    Whether later changes of its hardware stay is the backend's affair.

    While a guest has checkpoints, verbs that would take away the disks that these rest on, e.g. a rebuild or a move to
    another host, may be refused (``StorageError``, ``MigrationError``): delete them first.
    """

    @abstractmethod
    def create_checkpoint(
        self, guest: InstanceRef, name: str, op: Operation, *, memory: bool = False, description: str = ""
    ) -> CheckpointInfo:
        """Keep what the guest holds now; the guest's state does not change.

        The disks are all kept as of one moment. Without memory they are as after a power cut, unless the guest is off.

        States: READY and RUNNING, PAUSED or SHUTDOWN. Idempotent: a checkpoint that has this name, description and
        memory is returned as it is, and nothing is made. A failed or cancelled call leaves nothing.

        Args:
            guest: the guest.
            name: a name that no other checkpoint of the guest has.
            op: the operation worked for.
            memory: keep the memory too, needs ``Feature.CHECKPOINT_MEMORY``; a guest that is off has none, and its
                checkpoint is one without memory.
            description: what to say of it.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            InvalidSpec: the guest has another checkpoint of this name, or memory is asked for while the guest uses
                disks that cannot go back with it.
            NoCapacity: there is no room for it.
            StorageError: a disk or the memory could not be kept.
            Busy: the hypervisor or somebody else is doing something else with it.
        """

    @abstractmethod
    def checkpoints(self, guest: InstanceRef) -> Sequence[CheckpointInfo]:
        """The guest's checkpoints, each after its parent, siblings in the order in which they were taken.

        Works in all states.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """

    @abstractmethod
    def revert_to_checkpoint(self, guest: InstanceRef, name: str, op: Operation) -> None:
        """Let the guest hold again what it held at the checkpoint; what it holds now is lost.

        A checkpoint with memory brings the guest back to the state that it was taken in, RUNNING or PAUSED; one without
        leaves it in SHUTDOWN. All checkpoints stay, later ones too, and this one becomes the current one.

        States: READY and RUNNING, PAUSED or SHUTDOWN; the guest's power is taken away. Not idempotent: what a guest has
        done since is lost by each call. A call that fails after the guest was stopped says ``StateAfter.CHANGED``: the
        guest is off, with the disks of then or of now, and the call can be repeated.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            InvalidSpec: the guest has no such checkpoint.
            NoCapacity: there is not enough memory, CPU or room on the disk for it.
            StorageError: a disk or the memory could not be brought back.
            Busy: the hypervisor or somebody else is doing something else with it.
        """

    @abstractmethod
    def delete_checkpoint(self, guest: InstanceRef, name: str, op: Operation, *, children: bool = False) -> None:
        """Forget a checkpoint, and give back the room that only it needed.

        The guest goes on as it is, and other checkpoints can be gone back to as before: those that came from this one
        come from its parent then. Room that several branches share is given back with the last but one of them.

        States: READY and RUNNING, PAUSED or SHUTDOWN. Idempotent: one that is not there stays away, and what an earlier
        call was interrupted in is done. From the first byte that is moved on the checkpoint is gone: a call that is
        cancelled or fails then says ``StateAfter.CHANGED``, and its repetition gives back the rest.

        Args:
            guest: the guest.
            name: the checkpoint.
            op: the operation worked for.
            children: forget all that came from it too.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest is in another state.
            StorageError: room could not be given back.
            NoCapacity: joining disks needs room that is not there.
            Busy: the hypervisor or somebody else is doing something else with it.
        """
