"""What helps with a guest that is not well: rescue systems, consoles, diagnostics, crash dumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.console import Console
from nova_virt_api.driver.console_log import ConsoleLog
from nova_virt_api.driver.crash_dump import CrashDump
from nova_virt_api.driver.diagnostics import Diagnostics
from nova_virt_api.driver.metrics import Metrics
from nova_virt_api.driver.rescue import Rescue
from nova_virt_api.model.check import check_integer
from nova_virt_api.model.console import ConsoleKind
from nova_virt_api.model.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.model.console import ConsoleAddress
    from nova_virt_api.model.diagnostics import Diagnosis
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.metrics import GuestMetrics

CONSOLE_LOG_BYTES: Final = 65536


class SubmitRepair(SubmitFace):
    """Begin to rescue guests, or let them dump their memory."""

    def rescue(
        self,
        guest: GuestLike,
        *,
        image: ImageSource | None = None,
        password: Secret | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.rescue.Rescue.rescue`."""
        ref = reference(guest)
        if password is not None:
            admission.check_private("password", password, Secret)
        role = self._role("rescue", ref, Rescue)
        if image is not None:
            guarded("rescue", ref, lambda: admission.admit_source(self._driver, image, "image", Feature.RESCUE_IMAGE))
        if password is not None:
            guarded("rescue", ref, lambda: admission.admit_feature(self._driver, Feature.RESCUE_PASSWORD, "password"))
        operation = Operation[None]("rescue", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.rescue(ref, op, image=image, password=password))

    def unrescue(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.rescue.Rescue.unrescue`."""
        ref = reference(guest)
        role = self._role("unrescue", ref, Rescue)
        operation = Operation[None]("unrescue", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.unrescue(ref, op))

    def trigger_crash_dump(self, guest: GuestLike, *, timeout: float | None = None) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.crash_dump.CrashDump.trigger_crash_dump`."""
        ref = reference(guest)
        role = self._role("trigger_crash_dump", ref, CrashDump)
        operation = Operation[None]("trigger_crash_dump", ref.uuid, timeout=timeout)
        return self._start(operation, lambda op: role.trigger_crash_dump(ref, op))


class ComputeRepair(ComputeFace):
    """Look closer at guests, and repair them."""

    def console_log(self, guest: GuestLike, *, max_bytes: int = CONSOLE_LOG_BYTES) -> bytes:
        """The end of what the guest wrote to its serial port."""
        check_integer("max_bytes", max_bytes, 1, 2**30, "bytes")
        ref = reference(guest)
        return self._read_role("console_log", ref, ConsoleLog, lambda role: role.console_log(ref, max_bytes))

    def console(self, guest: GuestLike, kind: ConsoleKind) -> ConsoleAddress:
        """Where the guest's console is."""
        admission.check_kind("kind", kind, ConsoleKind)
        ref = reference(guest)
        return self._read_role("console", ref, Console, lambda role: role.console(ref, kind))

    def diagnostics(self, guest: GuestLike) -> Diagnosis:
        """What is known of a guest beyond its listing: counters, sensors, and what happened to it."""
        ref = reference(guest)
        return self._read_role("diagnostics", ref, Diagnostics, lambda role: role.diagnostics(ref))

    def metrics(self) -> Sequence[GuestMetrics]:
        """What each guest that is switched on has used since its start: one sample of each, in one call."""
        return self._read_role("metrics", None, Metrics, lambda role: role.metrics())

    def rescue(
        self,
        guest: GuestLike,
        *,
        image: ImageSource | None = None,
        password: Secret | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Start a rescue system in the guest's place, with the guest's own disks at hand.

        Args:
            guest: the guest.
            image: the rescue system; None takes the endpoint's own.
            password: what the rescue system lets its user in with.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        outcome_of(self.submit.rescue(guest, image=image, password=password, timeout=timeout, on_progress=on_progress))

    def unrescue(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """Stop the rescue system and start the guest from its own disk."""
        outcome_of(self.submit.unrescue(guest, timeout=timeout, on_progress=on_progress))

    def trigger_crash_dump(self, guest: GuestLike, *, timeout: float | None = None) -> None:
        """Interrupt a guest so that its kernel writes a dump, if it is set up for that."""
        outcome_of(self.submit.trigger_crash_dump(guest, timeout=timeout))


class AsyncRepair(AsyncFace):
    """Look closer at guests, and repair them, awaitable."""

    async def console_log(self, guest: GuestLike, *, max_bytes: int = CONSOLE_LOG_BYTES) -> bytes:
        """See :meth:`Compute.console_log`."""
        return await self._read(lambda: self.compute.console_log(guest, max_bytes=max_bytes))

    async def console(self, guest: GuestLike, kind: ConsoleKind) -> ConsoleAddress:
        """See :meth:`Compute.console`."""
        return await self._read(lambda: self.compute.console(guest, kind))

    async def diagnostics(self, guest: GuestLike) -> Diagnosis:
        """See :meth:`Compute.diagnostics`."""
        return await self._read(lambda: self.compute.diagnostics(guest))

    async def metrics(self) -> Sequence[GuestMetrics]:
        """See :meth:`Compute.metrics`."""
        return await self._read(self.compute.metrics)

    async def rescue(
        self,
        guest: GuestLike,
        *,
        image: ImageSource | None = None,
        password: Secret | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.rescue`."""
        submit = self.compute.submit
        await self._outcome(
            lambda: submit.rescue(guest, image=image, password=password, timeout=timeout, on_progress=on_progress)
        )

    async def unrescue(
        self, guest: GuestLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.unrescue`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.unrescue(guest, timeout=timeout, on_progress=on_progress))

    async def trigger_crash_dump(self, guest: GuestLike, *, timeout: float | None = None) -> None:
        """See :meth:`Compute.trigger_crash_dump`."""
        await self._outcome(lambda: self.compute.submit.trigger_crash_dump(guest, timeout=timeout))
