"""Points in time that guests can go back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.checkpoint import Checkpoint
from nova_virt_api.model.check import check_type
from nova_virt_api.model.checkpoint import check_checkpoint_name, check_description

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.model.checkpoint import CheckpointInfo


class SubmitCheckpointing(SubmitFace):
    """Begin to keep what guests hold, to bring it back, or to forget it."""

    def create_checkpoint(
        self,
        guest: GuestLike,
        name: str,
        *,
        memory: bool = False,
        description: str = "",
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[CheckpointInfo]:
        """See :meth:`nova_virt_api.driver.checkpoint.Checkpoint.create_checkpoint`."""
        ref = reference(guest)
        check_checkpoint_name(name)
        check_description(description)
        check_type("memory", memory, bool, "True or False")
        role = self._role("create_checkpoint", ref, Checkpoint)
        if memory:
            feature = Feature.CHECKPOINT_MEMORY
            guarded("create_checkpoint", ref, lambda: admission.admit_feature(self._driver, feature, "memory"))
        operation = Operation["CheckpointInfo"]("create_checkpoint", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(
            operation, lambda op: role.create_checkpoint(ref, name, op, memory=memory, description=description)
        )

    def revert_to_checkpoint(
        self, guest: GuestLike, name: str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.checkpoint.Checkpoint.revert_to_checkpoint`."""
        ref = reference(guest)
        check_checkpoint_name(name)
        role = self._role("revert_to_checkpoint", ref, Checkpoint)
        operation = Operation[None]("revert_to_checkpoint", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.revert_to_checkpoint(ref, name, op))

    def delete_checkpoint(
        self,
        guest: GuestLike,
        name: str,
        *,
        children: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.checkpoint.Checkpoint.delete_checkpoint`."""
        ref = reference(guest)
        check_checkpoint_name(name)
        check_type("children", children, bool, "True or False")
        role = self._role("delete_checkpoint", ref, Checkpoint)
        operation = Operation[None]("delete_checkpoint", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.delete_checkpoint(ref, name, op, children=children))


class ComputeCheckpointing(ComputeFace):
    """Keep what guests hold, bring it back, forget it."""

    def checkpoints(self, guest: GuestLike) -> Sequence[CheckpointInfo]:
        """The guest's checkpoints, each after its parent."""
        ref = reference(guest)
        return self._read_role("checkpoints", ref, Checkpoint, lambda role: role.checkpoints(ref))

    def create_checkpoint(
        self,
        guest: GuestLike,
        name: str,
        *,
        memory: bool = False,
        description: str = "",
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> CheckpointInfo:
        """Keep what the guest's disks hold now, so that it can go back to it.

        Args:
            guest: the guest; its state does not change.
            name: a name that no other checkpoint of the guest has.
            memory: keep its memory too, if it runs.
            description: what to say of it.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(
            self.submit.create_checkpoint(
                guest, name, memory=memory, description=description, timeout=timeout, on_progress=on_progress
            )
        )

    def revert_to_checkpoint(
        self, guest: GuestLike, name: str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Let the guest hold again what it held at a checkpoint; what it holds now is lost.

        Args:
            guest: the guest; with memory it goes on from there, else it is off afterwards.
            name: the checkpoint.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        outcome_of(self.submit.revert_to_checkpoint(guest, name, timeout=timeout, on_progress=on_progress))

    def delete_checkpoint(
        self,
        guest: GuestLike,
        name: str,
        *,
        children: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Forget a checkpoint and give back the room that only it needed; the guest goes on as it is.

        Args:
            guest: the guest.
            name: the checkpoint.
            children: forget all that came from it too.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        outcome_of(
            self.submit.delete_checkpoint(guest, name, children=children, timeout=timeout, on_progress=on_progress)
        )


class AsyncCheckpointing(AsyncFace):
    """Keep what guests hold, bring it back, forget it, awaitable."""

    async def checkpoints(self, guest: GuestLike) -> Sequence[CheckpointInfo]:
        """See :meth:`Compute.checkpoints`."""
        return await self._read(lambda: self.compute.checkpoints(guest))

    async def create_checkpoint(
        self,
        guest: GuestLike,
        name: str,
        *,
        memory: bool = False,
        description: str = "",
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> CheckpointInfo:
        """See :meth:`Compute.create_checkpoint`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.create_checkpoint(
                guest, name, memory=memory, description=description, timeout=timeout, on_progress=on_progress
            )
        )

    async def revert_to_checkpoint(
        self, guest: GuestLike, name: str, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.revert_to_checkpoint`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.revert_to_checkpoint(guest, name, timeout=timeout, on_progress=on_progress))

    async def delete_checkpoint(
        self,
        guest: GuestLike,
        name: str,
        *,
        children: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.delete_checkpoint`."""
        submit = self.compute.submit
        await self._outcome(
            lambda: submit.delete_checkpoint(guest, name, children=children, timeout=timeout, on_progress=on_progress)
        )
