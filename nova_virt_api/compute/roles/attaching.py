"""What guests are connected to by their network interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_api.model.check import check_text
from nova_virt_api.model.interface import Interface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.model.nic import Nic


class SubmitAttaching(SubmitFace):
    """Begin to attach and detach."""

    def attach_interface(
        self, guest: GuestLike, nic: Nic, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[Interface]:
        """See :meth:`nova_virt_api.driver.interfaces.Interfaces.attach_interface`."""
        ref = reference(guest)
        role = self._role("attach_interface", ref, Interfaces)
        guarded("attach_interface", ref, lambda: admission.admit_nic(self._driver, nic))
        operation = Operation[Interface]("attach_interface", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.attach_interface(ref, nic, op))

    def detach_interface(
        self,
        guest: GuestLike,
        interface: Interface | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.interfaces.Interfaces.detach_interface`."""
        ref = reference(guest)
        interface_id = interface.id if isinstance(interface, Interface) else interface
        check_text("interface", interface_id, 255)
        role = self._role("detach_interface", ref, Interfaces)
        operation = Operation[None]("detach_interface", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.detach_interface(ref, interface_id, op))


class ComputeAttaching(ComputeFace):
    """See what guests are connected to, attach and detach."""

    def interfaces(self, guest: GuestLike) -> Sequence[Interface]:
        """A guest's network interfaces, in the order in which it sees them."""
        ref = reference(guest)
        return self._read_role("interfaces", ref, Interfaces, lambda role: role.interfaces(ref))

    def attach_interface(
        self, guest: GuestLike, nic: Nic, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Interface:
        """Give a guest one more network interface. Idempotent where ``nic`` names its ``mac`` or ``vif_id``."""
        return outcome_of(self.submit.attach_interface(guest, nic, timeout=timeout, on_progress=on_progress))

    def detach_interface(
        self,
        guest: GuestLike,
        interface: Interface | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Take an interface, or the one of this id, away from a guest."""
        outcome_of(self.submit.detach_interface(guest, interface, timeout=timeout, on_progress=on_progress))


class AsyncAttaching(AsyncFace):
    """See what guests are connected to, attach and detach, awaitable."""

    async def interfaces(self, guest: GuestLike) -> Sequence[Interface]:
        """See :meth:`Compute.interfaces`."""
        return await self._read(lambda: self.compute.interfaces(guest))

    async def attach_interface(
        self, guest: GuestLike, nic: Nic, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Interface:
        """See :meth:`Compute.attach_interface`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.attach_interface(guest, nic, timeout=timeout, on_progress=on_progress)
        )

    async def detach_interface(
        self,
        guest: GuestLike,
        interface: Interface | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.detach_interface`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.detach_interface(guest, interface, timeout=timeout, on_progress=on_progress))
