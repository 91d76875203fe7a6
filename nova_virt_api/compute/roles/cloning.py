"""Guests made from other guests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.clone import Clone
from nova_virt_api.model.check import check
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    from nova_virt_api.compute.face import GuestLike, OnProgress


class SubmitCloning(SubmitFace):
    """Begin to make guests from other guests."""

    def clone(
        self,
        guest: GuestLike,
        spec: CloneSpec,
        *,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.clone.Clone.clone`; the operation is the original's."""
        ref = reference(guest)
        admission.check_private("spec", spec, CloneSpec)
        check(spec.uuid != ref.uuid, "spec.uuid", spec.uuid, "another uuid than the original's")
        admission.check_kind("quiesce", quiesce, Quiesce)
        role = self._role("clone", ref, Clone)
        guarded("clone", ref, lambda: admission.admit_clone(self._driver, spec))
        if quiesce is Quiesce.REQUIRED:
            guarded("clone", ref, lambda: admission.admit_feature(self._driver, Feature.CLONE_QUIESCE, "quiesce"))
        operation = Operation[Instance]("clone", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.clone(ref, spec, op, quiesce=quiesce))


class ComputeCloning(ComputeFace):
    """Make guests from other guests."""

    def clone(
        self,
        guest: GuestLike,
        spec: CloneSpec,
        *,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Make a copy of a guest that stands alone, and start it unless told otherwise.

        Args:
            guest: the original.
            spec: the copy: its uuid, name and labels, and what it is to have otherwise than the original.
            quiesce: whether a running original's file systems are brought to rest at the moment of the copy.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        operation = self.submit.clone(guest, spec, quiesce=quiesce, timeout=timeout, on_progress=on_progress)
        return outcome_of(operation)


class AsyncCloning(AsyncFace):
    """Make guests from other guests, awaitable."""

    async def clone(
        self,
        guest: GuestLike,
        spec: CloneSpec,
        *,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.clone`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.clone(guest, spec, quiesce=quiesce, timeout=timeout, on_progress=on_progress)
        )
