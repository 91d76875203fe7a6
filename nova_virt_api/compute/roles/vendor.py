"""Verbs of roles that only one vendor has, as operations like all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.operation import Operation, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.driver.operation import Operation as Work
    from nova_virt_api.driver.role import Role

T = TypeVar("T")
R = TypeVar("R", bound="Role")


class SubmitVendor(SubmitFace):
    """Begin a verb of a vendor's own."""

    def perform(
        self,
        guest: GuestLike,
        role: type[R],
        verb: Callable[[R, Work], T],
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[T]:
        """See :meth:`Compute.perform`."""
        ref = reference(guest)
        found = self._role("perform", ref, role)
        operation = Operation[T]("perform", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: verb(found, op))


class ComputeVendor(ComputeFace):
    """Call verbs of a vendor's own."""

    def perform(
        self,
        guest: GuestLike,
        role: type[R],
        verb: Callable[[R, Work], T],
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> T:
        """Call a verb of a role that only this driver has, or one phase of a move, as one of this API's own verbs.

        It waits for its turn with the guest, has a deadline and progress, can be cancelled, and its errors say what
        they are about.

        Args:
            guest: the guest.
            role: the role, as for :meth:`Compute.role`.
            verb: calls it, e.g. ``lambda role, op: role.service(guest.ref, service, op)``.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.

        Raises:
            InvalidSpec: the driver does not have the role.
            VirtError: what the verb raises.
        """
        submitted = self.submit.perform(guest, role, verb, timeout=timeout, on_progress=on_progress)
        return outcome_of(submitted)


class AsyncVendor(AsyncFace):
    """Call verbs of a vendor's own, awaitable."""

    async def perform(
        self,
        guest: GuestLike,
        role: type[R],
        verb: Callable[[R, Work], T],
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> T:
        """See :meth:`Compute.perform`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.perform(guest, role, verb, timeout=timeout, on_progress=on_progress))
