"""Whose guests are whose: taking over guests of other making, and giving guests back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.compute import admission
from nova_virt_api.compute.adoption import Adopting, Adoption
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.adopt import Adopt
from nova_virt_api.model.instance import Instance

if TYPE_CHECKING:
    from nova_virt_api.compute.adoption import GuestChoice
    from nova_virt_api.compute.face import GuestLike, OnProgress

BULK: Final = "adopt_all"
"""One at a time, since each keeps a thread waiting for the verbs of its guests."""


class SubmitOwnership(SubmitFace):
    """Begin to adopt and release guests."""

    def adopt(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.adopt.Adopt.adopt`."""
        ref = reference(guest)
        role = self._role("adopt", ref, Adopt)
        operation = Operation[Instance]("adopt", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.adopt(ref, op))

    def adopt_all(
        self,
        guests: GuestChoice,
        *,
        dry_run: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[tuple[Adoption, ...]]:
        """See :meth:`Compute.adopt_all`; the guests' own operations are found in ``Compute.operations``."""
        admission.check_kind("dry_run", dry_run, bool)
        role = self._role(BULK, None, Adopt)
        adopting = Adopting(
            self._driver, role, lambda ref, seconds: self.adopt(ref, timeout=seconds), guests, dry_run=dry_run
        )
        operation = Operation[tuple[Adoption, ...]](BULK, None, turn=BULK, timeout=timeout, on_progress=on_progress)
        return self._start(operation, adopting.run)

    def release(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.adopt.Adopt.release`."""
        ref = reference(guest)
        role = self._role("release", ref, Adopt)
        operation = Operation[None]("release", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.release(ref, op))


class ComputeOwnership(ComputeFace):
    """Adopt and release guests."""

    def adopt(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Instance:
        """Become the owner of a guest of other making. Idempotent."""
        return outcome_of(self.submit.adopt(guest, timeout=timeout, on_progress=on_progress))

    def adopt_all(
        self,
        guests: GuestChoice,
        *,
        dry_run: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> tuple[Adoption, ...]:
        """Become the owner of many guests. One that is refused does not keep the others.

        Args:
            guests: the guests, or a function that is asked of each guest whether to adopt it, e.g.
                ``lambda guest: guest.name.startswith("ci-")``.
            dry_run: change nothing and tell what would become of each.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.

        Returns:
            What became of each guest, in the order given or listed.

        Raises:
            HookFailed: the function raised.
            Cancelled: it was cancelled before each guest had its turn; ``state_after`` says whether some were adopted.
        """
        operation = self.submit.adopt_all(guests, dry_run=dry_run, timeout=timeout, on_progress=on_progress)
        return outcome_of(operation)

    def release(self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None) -> None:
        """Give a guest back: it stays as it is, and is nobody's. Idempotent."""
        outcome_of(self.submit.release(guest, timeout=timeout, on_progress=on_progress))


class AsyncOwnership(AsyncFace):
    """Adopt and release guests, awaitable."""

    async def adopt(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Instance:
        """See :meth:`Compute.adopt`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.adopt(guest, timeout=timeout, on_progress=on_progress))

    async def adopt_all(
        self,
        guests: GuestChoice,
        *,
        dry_run: bool = False,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> tuple[Adoption, ...]:
        """See :meth:`Compute.adopt_all`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.adopt_all(guests, dry_run=dry_run, timeout=timeout, on_progress=on_progress)
        )

    async def release(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.release`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.release(guest, timeout=timeout, on_progress=on_progress))
