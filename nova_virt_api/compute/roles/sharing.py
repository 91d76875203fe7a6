"""What guests share with the host that they run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.shares import Shares
from nova_virt_api.model.check import check_text
from nova_virt_api.model.share import LONGEST_TAG, Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import GuestLike, OnProgress


class SubmitSharing(SubmitFace):
    """Begin to attach and detach shares."""

    def attach_share(
        self, guest: GuestLike, share: Share, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.shares.Shares.attach_share`."""
        ref = reference(guest)
        role = self._role("attach_share", ref, Shares)
        guarded("attach_share", ref, lambda: admission.admit_share(self._driver, share))
        operation = Operation[None]("attach_share", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.attach_share(ref, share, op))

    def detach_share(
        self,
        guest: GuestLike,
        share: Share | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.shares.Shares.detach_share`."""
        ref = reference(guest)
        tag = share.tag if isinstance(share, Share) else share
        check_text("share", tag, LONGEST_TAG)
        role = self._role("detach_share", ref, Shares)
        operation = Operation[None]("detach_share", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.detach_share(ref, tag, op))


class ComputeSharing(ComputeFace):
    """See what guests share with their host, attach and detach."""

    def shares(self, guest: GuestLike) -> Sequence[Share]:
        """The directories that a guest shares with its host, in the order in which they were attached."""
        ref = reference(guest)
        return self._read_role("shares", ref, Shares, lambda role: role.shares(ref))

    def attach_share(
        self, guest: GuestLike, share: Share, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Let a guest use a directory of its host, which its system mounts by the share's tag. Idempotent."""
        outcome_of(self.submit.attach_share(guest, share, timeout=timeout, on_progress=on_progress))

    def detach_share(
        self,
        guest: GuestLike,
        share: Share | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Take a share, or the one of this tag, away from a guest; its files stay."""
        outcome_of(self.submit.detach_share(guest, share, timeout=timeout, on_progress=on_progress))


class AsyncSharing(AsyncFace):
    """See what guests share with their host, attach and detach, awaitable."""

    async def shares(self, guest: GuestLike) -> Sequence[Share]:
        """See :meth:`Compute.shares`."""
        return await self._read(lambda: self.compute.shares(guest))

    async def attach_share(
        self, guest: GuestLike, share: Share, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.attach_share`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.attach_share(guest, share, timeout=timeout, on_progress=on_progress))

    async def detach_share(
        self,
        guest: GuestLike,
        share: Share | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.detach_share`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.detach_share(guest, share, timeout=timeout, on_progress=on_progress))
