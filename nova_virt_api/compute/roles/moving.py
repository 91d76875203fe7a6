"""Another size for stopped guests, here or at another endpoint, and the way back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.resize import Resize
from nova_virt_api.errors import InvalidSpec, StateAfter, VirtError
from nova_virt_api.model.check import check
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, Lifecycle
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.size import Size
from nova_virt_api.model.ticket import Ticket
from nova_virt_api.model.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import GuestLike, Hooks, OnProgress
    from nova_virt_api.model.spec import InstanceSpec

WAITED: Final = (
    "and the guest waits at its source, as it did before: an earlier call may have finished it elsewhere, so it was not"
    " taken back; revert_resize() it if not"
)

Destination: TypeAlias = "ComputeMoving | AsyncMoving"
"""What a guest is moved to: another ``Compute``, or for ``AsyncCompute`` another of these."""


class SubmitMoving(SubmitFace):
    """Begin to resize guests."""

    def resize(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.resize.Resize.resize`."""
        ref = reference(guest)
        role = self._resizing("resize", ref, size)
        check(size != Size(), "size", size, "something to change, e.g. Size(vcpus=4)")
        operation = Operation[Instance]("resize", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.resize(ref, size, op))

    def prepare_resize(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Ticket]:
        """See :meth:`nova_virt_api.driver.resize.Resize.prepare_resize`."""
        ref = reference(guest)
        role = self._resizing("prepare_resize", ref, size)
        operation = Operation[Ticket]("prepare_resize", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.prepare_resize(ref, size, op))

    def finish_resize(
        self,
        ticket: Ticket,
        *,
        spec: InstanceSpec | None = None,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.resize.Resize.finish_resize`."""
        admission.check_kind("ticket", ticket, Ticket)
        admission.check_hooks(hooks, admission.SPAWN_HOOKS)
        ref = InstanceRef(uuid=ticket.guest)
        role = self._role("finish_resize", ref, Resize)
        if spec is not None:
            guarded("finish_resize", ref, lambda: admission.admit_spec(self._driver, spec))
        operation = Operation[Instance](
            "finish_resize", ref.uuid, timeout=timeout, hooks=hooks, on_progress=on_progress
        )
        return self._start(operation, lambda op: role.finish_resize(ticket, op, spec=spec))

    def confirm_resize(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.resize.Resize.confirm_resize`."""
        ref = reference(guest)
        role = self._role("confirm_resize", ref, Resize)
        operation = Operation[None]("confirm_resize", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.confirm_resize(ref, op))

    def revert_resize(
        self,
        guest: GuestLike,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        power_on: bool = False,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.resize.Resize.revert_resize`."""
        ref = reference(guest)
        admission.check_hooks(hooks, admission.START_HOOKS)
        role = self._role("revert_resize", ref, Resize)
        for nic in nics or ():
            guarded("revert_resize", ref, lambda nic=nic: admission.admit_nic(self._driver, nic))  # type: ignore[misc]
        if volumes:
            for volume in volumes:
                admission.check_private("volumes", volume, Volume)
            guarded(
                "revert_resize",
                ref,
                lambda: admission.admit_feature(self._driver, Feature.SPAWN_VOLUMES, "volumes"),
            )
        operation = Operation[None]("revert_resize", ref.uuid, timeout=timeout, hooks=hooks, on_progress=on_progress)
        return self._start(
            operation, lambda op: role.revert_resize(ref, op, nics=nics, volumes=volumes, power_on=power_on)
        )

    def _resizing(self, verb: str, ref: InstanceRef, size: Size) -> Resize:
        admission.check_kind("size", size, Size, "Size(vcpus=4)")
        role = self._role(verb, ref, Resize)
        for feature, field in size.features():
            guarded(
                verb,
                ref,
                lambda feature=feature, field=field: admission.admit_feature(  # type: ignore[misc]
                    self._driver, feature, f"size.{field}"
                ),
            )
        return role


class ComputeMoving(ComputeFace):
    """Give stopped guests another size, here or at another endpoint."""

    def resize(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Give a stopped guest another size. Try it, then :meth:`confirm_resize` or :meth:`revert_resize`.

        Args:
            guest: the guest.
            size: what it is to have; disks only grow.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.resize(guest, size, timeout=timeout, on_progress=on_progress))

    def cold_migrate(
        self,
        guest: GuestLike,
        *,
        to: Destination,
        size: Size | None = None,
        spec: InstanceSpec | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Move a stopped guest to another endpoint of the same driver, and return it as it is there.

        Here it waits until :meth:`confirm_resize`, which removes it, or :meth:`revert_resize`, before which it is to be
        destroyed there. If this fails the guest is here as it was, and nothing is there; if it is not known
        whether it failed (``state_after`` UNKNOWN), the guest waits here, and so does one that waited when this was
        called: it may have been finished elsewhere.

        Args:
            guest: the guest.
            to: the other endpoint.
            size: what it is to have there; None for what it has.
            spec: what differs there, e.g. its networks; None for nothing.
            timeout: seconds until the deadline of all of it.
            on_progress: called whenever stage or progress changed.
        """
        if not isinstance(to, ComputeMoving) or to is self:
            raise InvalidSpec("to", to, "another Compute; resize() is for this one")
        end = None if timeout is None else time.monotonic() + timeout
        waited = self._waits(guest)
        ticket = self.prepare_resize(guest, size or Size(), timeout=timeout, on_progress=on_progress)
        left = None if end is None else max(0.0, end - time.monotonic())
        try:
            return to.finish_resize(ticket, spec=spec, timeout=left, on_progress=on_progress)
        except VirtError as error:
            if waited:
                error.add_note(WAITED)
            elif may_take_back(error):
                self._take_back(guest, error)
            raise

    def prepare_resize(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Ticket:
        """The first phase of a move: get a stopped guest ready to be fetched.

        Args:
            guest: the guest.
            size: what it is to have; ``Size()`` for what it has.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.prepare_resize(guest, size, timeout=timeout, on_progress=on_progress))

    def finish_resize(
        self,
        ticket: Ticket,
        *,
        spec: InstanceSpec | None = None,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """The second phase of a move: make the guest here.

        Args:
            ticket: what the first phase gave, perhaps in another process.
            spec: what differs here; None for nothing.
            timeout: seconds until the deadline.
            hooks: what to run at the stages NETWORK_READY, DISKS_READY or BEFORE_START.
            on_progress: called whenever stage or progress changed.
        """
        operation = self.submit.finish_resize(ticket, spec=spec, timeout=timeout, hooks=hooks, on_progress=on_progress)
        return outcome_of(operation)

    def confirm_resize(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Keep a guest's new size; a guest that has gone to another endpoint is removed here."""
        outcome_of(self.submit.confirm_resize(guest, timeout=timeout, on_progress=on_progress))

    def revert_resize(
        self,
        guest: GuestLike,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        power_on: bool = False,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Give a guest its old size back, with its disks as they were; what was written since is lost.

        Args:
            guest: the guest.
            nics: its interfaces from now on; None for those that it had.
            volumes: the volumes that it uses from now on; None for those that it had.
            power_on: start it.
            timeout: seconds until the deadline.
            hooks: what to run at the stage BEFORE_START.
            on_progress: called whenever stage or progress changed.
        """
        operation = self.submit.revert_resize(
            guest,
            nics=nics,
            volumes=volumes,
            power_on=power_on,
            timeout=timeout,
            hooks=hooks,
            on_progress=on_progress,
        )
        outcome_of(operation)

    def _waits(self, guest: GuestLike) -> bool:
        """Whether the guest waits by an earlier call, which may have finished it elsewhere."""
        ref = reference(guest)
        found = self._read("prepare_resize", ref, lambda: self._driver.instance(ref, fresh=True))
        return found.lifecycle is Lifecycle.RESIZE_PENDING

    def _take_back(self, guest: GuestLike, error: VirtError) -> None:
        try:
            self.revert_resize(guest)
        except VirtError as failure:
            error.add_note(still_waits(failure))


class AsyncMoving(AsyncFace):
    """Give stopped guests another size, here or at another endpoint, awaitable."""

    async def resize(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.resize`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.resize(guest, size, timeout=timeout, on_progress=on_progress))

    async def cold_migrate(
        self,
        guest: GuestLike,
        *,
        to: Destination,
        size: Size | None = None,
        spec: InstanceSpec | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.cold_migrate`."""
        if not isinstance(to, AsyncMoving) or to is self:
            raise InvalidSpec("to", to, "another AsyncCompute; resize() is for this one")
        end = None if timeout is None else time.monotonic() + timeout
        waited = await self._read(lambda: self.compute._waits(guest))
        ticket = await self.prepare_resize(guest, size or Size(), timeout=timeout, on_progress=on_progress)
        left = None if end is None else max(0.0, end - time.monotonic())
        try:
            return await to.finish_resize(ticket, spec=spec, timeout=left, on_progress=on_progress)
        except (VirtError, asyncio.CancelledError) as error:
            if waited:
                error.add_note(WAITED)
            elif may_take_back(error):
                await self._take_back(guest, error)
            raise

    async def prepare_resize(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Ticket:
        """See :meth:`Compute.prepare_resize`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.prepare_resize(guest, size, timeout=timeout, on_progress=on_progress))

    async def finish_resize(
        self,
        ticket: Ticket,
        *,
        spec: InstanceSpec | None = None,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.finish_resize`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.finish_resize(ticket, spec=spec, timeout=timeout, hooks=hooks, on_progress=on_progress)
        )

    async def confirm_resize(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.confirm_resize`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.confirm_resize(guest, timeout=timeout, on_progress=on_progress))

    async def revert_resize(
        self,
        guest: GuestLike,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        power_on: bool = False,
        timeout: float | None = None,
        hooks: Hooks | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.revert_resize`."""
        submit = self.compute.submit
        await self._outcome(
            lambda: submit.revert_resize(
                guest,
                nics=nics,
                volumes=volumes,
                power_on=power_on,
                timeout=timeout,
                hooks=hooks,
                on_progress=on_progress,
            )
        )

    async def _take_back(self, guest: GuestLike, error: BaseException) -> None:
        try:
            await self.revert_resize(guest)
        except VirtError as failure:
            error.add_note(still_waits(failure))


def may_take_back(error: BaseException) -> bool:
    """Whether a guest that could not be finished elsewhere is not going to be finished there any more."""
    return not isinstance(error, VirtError) or error.state_after is not StateAfter.UNKNOWN


def still_waits(failure: VirtError) -> str:
    """What to add to an error when its guest could not be taken back."""
    return f"and the guest still waits at its source: {failure.message}; revert_resize() it"
