"""Another number of CPUs and another amount of memory for guests that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.resize import Resize
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.size import Size

if TYPE_CHECKING:
    from nova_virt_api.compute.face import GuestLike, OnProgress


class SubmitGrowing(SubmitFace):
    """Begin to resize guests that run."""

    def resize_live(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.resize.Resize.resize_live`."""
        ref = reference(guest)
        admission.check_kind("size", size, Size, "Size(vcpus=4)")
        for feature, field in size.live_features():
            guarded(
                "resize_live",
                ref,
                lambda feature=feature, field=field: admission.admit_feature(  # type: ignore[misc]
                    self._driver, feature, f"size.{field}"
                ),
            )
        role = self._role("resize_live", ref, Resize)
        operation = Operation[Instance]("resize_live", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.resize_live(ref, size, op))


class ComputeGrowing(ComputeFace):
    """Give running guests another size."""

    def resize_live(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Give a running guest another number of CPUs, another amount of memory, or both, at once and for good.

        Args:
            guest: the guest.
            size: its CPUs and memory, within the ``max_vcpus`` and ``max_memory_bytes`` of its spec.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.resize_live(guest, size, timeout=timeout, on_progress=on_progress))


class AsyncGrowing(AsyncFace):
    """Give running guests another size, awaitable."""

    async def resize_live(
        self,
        guest: GuestLike,
        size: Size,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.resize_live`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.resize_live(guest, size, timeout=timeout, on_progress=on_progress))
