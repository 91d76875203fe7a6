"""What guests' agents know and do inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.guest import Guest
from nova_virt_api.model.check import check
from nova_virt_api.model.secret import Secret

if TYPE_CHECKING:
    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.model.guest_info import GuestInfo


class SubmitInside(SubmitFace):
    """Begin to let guests' agents act."""

    def set_password(
        self,
        guest: GuestLike,
        password: Secret,
        *,
        user: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.guest.Guest.set_password`."""
        ref = reference(guest)
        admission.check_private("password", password, Secret)
        check(bool(password), "password", password, "a password that is not empty")
        check(user is None or (isinstance(user, str) and user.strip() == user != ""), "user", user, "a user's name")
        role = self._role("set_password", ref, Guest)
        guarded("set_password", ref, lambda: admission.admit_feature(self._driver, Feature.GUEST_PASSWORD, "password"))
        operation = Operation[None]("set_password", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.set_password(ref, password, op, user=user))

    def quiesce(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.guest.Guest.quiesce`."""
        ref = reference(guest)
        role = self._role("quiesce", ref, Guest)
        guarded("quiesce", ref, lambda: admission.admit_feature(self._driver, Feature.GUEST_QUIESCE, "guest"))
        operation = Operation[None]("quiesce", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.quiesce(ref, op))

    def unquiesce(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.guest.Guest.unquiesce`."""
        ref = reference(guest)
        role = self._role("unquiesce", ref, Guest)
        guarded("unquiesce", ref, lambda: admission.admit_feature(self._driver, Feature.GUEST_QUIESCE, "guest"))
        operation = Operation[None]("unquiesce", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.unquiesce(ref, op))


class ComputeInside(ComputeFace):
    """Ask guests' agents, and let them act."""

    def guest_info(self, guest: GuestLike) -> GuestInfo:
        """What the guest tells of itself now: operating system, addresses, file systems, users."""
        ref = reference(guest)
        return self._read_role("guest_info", ref, Guest, lambda role: role.guest_info(ref))

    def set_password(
        self,
        guest: GuestLike,
        password: Secret,
        *,
        user: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Change a user's password inside the guest.

        Args:
            guest: the guest.
            password: the new one.
            user: whose; None for the administrator.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        operation = self.submit.set_password(guest, password, user=user, timeout=timeout, on_progress=on_progress)
        outcome_of(operation)

    def quiesce(self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None) -> None:
        """Bring the guest's file systems to rest until :meth:`unquiesce`."""
        outcome_of(self.submit.quiesce(guest, timeout=timeout, on_progress=on_progress))

    def unquiesce(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Let the guest write again."""
        outcome_of(self.submit.unquiesce(guest, timeout=timeout, on_progress=on_progress))


class AsyncInside(AsyncFace):
    """Ask guests' agents, and let them act, awaitable."""

    async def guest_info(self, guest: GuestLike) -> GuestInfo:
        """See :meth:`Compute.guest_info`."""
        return await self._read(lambda: self.compute.guest_info(guest))

    async def set_password(
        self,
        guest: GuestLike,
        password: Secret,
        *,
        user: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.set_password`."""
        submit = self.compute.submit
        await self._outcome(
            lambda: submit.set_password(guest, password, user=user, timeout=timeout, on_progress=on_progress)
        )

    async def quiesce(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.quiesce`."""
        await self._outcome(lambda: self.compute.submit.quiesce(guest, timeout=timeout, on_progress=on_progress))

    async def unquiesce(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.unquiesce`."""
        await self._outcome(lambda: self.compute.submit.unquiesce(guest, timeout=timeout, on_progress=on_progress))
