"""Images and guests' boot disks: writing one to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.rebuild import Rebuild
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.model.check import check
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.image import ImageInfo, ImageTarget, LocalTarget, NativeTarget
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.model.image import ImageSource


class SubmitImaging(SubmitFace):
    """Begin to make images of guests, or guests anew from images."""

    def snapshot(
        self,
        guest: GuestLike,
        target: ImageTarget,
        *,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[ImageInfo]:
        """See :meth:`nova_virt_api.driver.snapshot.Snapshot.snapshot`."""
        ref = reference(guest)
        good = isinstance(target, LocalTarget | NativeTarget)
        check(good, "target", target, "a LocalTarget or a NativeTarget")
        admission.check_kind("quiesce", quiesce, Quiesce)
        role = self._role("snapshot", ref, Snapshot)
        if quiesce is Quiesce.REQUIRED:
            guarded("snapshot", ref, lambda: admission.admit_feature(self._driver, Feature.SNAPSHOT_QUIESCE, "quiesce"))
        operation = Operation[ImageInfo]("snapshot", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.snapshot(ref, target, op, quiesce=quiesce))

    def rebuild(
        self,
        guest: GuestLike,
        *,
        source: ImageSource | None = None,
        cloud_init: CloudInit | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[Instance]:
        """See :meth:`nova_virt_api.driver.rebuild.Rebuild.rebuild`."""
        ref = reference(guest)
        if cloud_init is not None:
            admission.check_private("cloud_init", cloud_init, CloudInit)
        role = self._role("rebuild", ref, Rebuild)
        if source is not None:
            guarded("rebuild", ref, lambda: admission.admit_source(self._driver, source, "source"))
        if cloud_init is not None:
            guarded("rebuild", ref, lambda: admission.admit_cloud_init(self._driver, cloud_init))
        operation = Operation[Instance]("rebuild", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.rebuild(ref, op, source=source, cloud_init=cloud_init))


class ComputeImaging(ComputeFace):
    """Make images of guests, or guests anew from images."""

    def snapshot(
        self,
        guest: GuestLike,
        target: ImageTarget,
        *,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        """Write the guest's boot disk to an image.

        Args:
            guest: the guest.
            target: where the image goes.
            quiesce: whether a running guest's file systems are brought to rest at the moment of the copy.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        operation = self.submit.snapshot(guest, target, quiesce=quiesce, timeout=timeout, on_progress=on_progress)
        return outcome_of(operation)

    def rebuild(
        self,
        guest: GuestLike,
        *,
        source: ImageSource | None = None,
        cloud_init: CloudInit | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """Write a guest's boot disk anew, from the image that it was made from or another one, and start it.

        What was on the disk is lost; the guest keeps its identity, its place, its other disks and its interfaces.

        Args:
            guest: the guest.
            source: the image; None takes the one that the guest was made from or last rebuilt with.
            cloud_init: new first-boot data; None keeps what was given before.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        operation = self.submit.rebuild(
            guest, source=source, cloud_init=cloud_init, timeout=timeout, on_progress=on_progress
        )
        return outcome_of(operation)


class AsyncImaging(AsyncFace):
    """Make images of guests, or guests anew from images, awaitable."""

    async def snapshot(
        self,
        guest: GuestLike,
        target: ImageTarget,
        *,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        """See :meth:`Compute.snapshot`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.snapshot(guest, target, quiesce=quiesce, timeout=timeout, on_progress=on_progress)
        )

    async def rebuild(
        self,
        guest: GuestLike,
        *,
        source: ImageSource | None = None,
        cloud_init: CloudInit | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Instance:
        """See :meth:`Compute.rebuild`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.rebuild(
                guest, source=source, cloud_init=cloud_init, timeout=timeout, on_progress=on_progress
            )
        )
