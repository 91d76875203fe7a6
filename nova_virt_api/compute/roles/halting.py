"""Pausing and suspending guests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.pause import Pause
from nova_virt_api.driver.suspend import Suspend

if TYPE_CHECKING:
    from nova_virt_api.compute.face import GuestLike, Hooks, OnProgress


class SubmitHalting(SubmitFace):
    """Begin to pause or suspend guests."""

    def pause(self, guest: GuestLike, *, timeout: float | None = None) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.pause.Pause.pause`."""
        ref = reference(guest)
        role = self._role("pause", ref, Pause)
        return self._start(Operation[None]("pause", ref.uuid, timeout=timeout), lambda op: role.pause(ref, op))

    def unpause(self, guest: GuestLike, *, timeout: float | None = None) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.pause.Pause.unpause`."""
        ref = reference(guest)
        role = self._role("unpause", ref, Pause)
        return self._start(Operation[None]("unpause", ref.uuid, timeout=timeout), lambda op: role.unpause(ref, op))

    def suspend(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.suspend.Suspend.suspend`."""
        ref = reference(guest)
        role = self._role("suspend", ref, Suspend)
        operation = Operation[None]("suspend", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.suspend(ref, op))

    def resume(
        self,
        guest: GuestLike,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.suspend.Suspend.resume`."""
        ref = reference(guest)
        role = self._role("resume", ref, Suspend)
        admission.check_hooks(hooks, admission.START_HOOKS)
        operation = Operation[None]("resume", ref.uuid, timeout=timeout, hooks=hooks, on_progress=on_progress)
        return self._start(operation, lambda op: role.resume(ref, op))


class ComputeHalting(ComputeFace):
    """Pause and suspend guests."""

    def pause(self, guest: GuestLike, *, timeout: float | None = None) -> None:
        """Stop a guest's CPUs, keeping its memory."""
        outcome_of(self.submit.pause(guest, timeout=timeout))

    def unpause(self, guest: GuestLike, *, timeout: float | None = None) -> None:
        """Let a paused guest go on."""
        outcome_of(self.submit.unpause(guest, timeout=timeout))

    def suspend(self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None) -> None:
        """Save a guest's memory to storage and stop it."""
        outcome_of(self.submit.suspend(guest, timeout=timeout, on_progress=on_progress))

    def resume(
        self,
        guest: GuestLike,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Restore a suspended guest; a hook may run at the stage BEFORE_START."""
        outcome_of(self.submit.resume(guest, timeout=timeout, hooks=hooks, on_progress=on_progress))


class AsyncHalting(AsyncFace):
    """Pause and suspend guests, awaitable."""

    async def pause(self, guest: GuestLike, *, timeout: float | None = None) -> None:
        """See :meth:`Compute.pause`."""
        await self._outcome(lambda: self.compute.submit.pause(guest, timeout=timeout))

    async def unpause(self, guest: GuestLike, *, timeout: float | None = None) -> None:
        """See :meth:`Compute.unpause`."""
        await self._outcome(lambda: self.compute.submit.unpause(guest, timeout=timeout))

    async def suspend(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.suspend`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.suspend(guest, timeout=timeout, on_progress=on_progress))

    async def resume(
        self,
        guest: GuestLike,
        *,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.resume`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.resume(guest, timeout=timeout, hooks=hooks, on_progress=on_progress))
