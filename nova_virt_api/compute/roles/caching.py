"""Copies of images that endpoints keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.image_cache import ImageCache
from nova_virt_api.model.check import check_seconds, check_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import OnProgress
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.image_copy import ImageCopy


class SubmitCaching(SubmitFace):
    """Begin to bring images into pools, or to remove them."""

    def prefetch_image(
        self,
        source: ImageSource,
        *,
        pool: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[ImageCopy]:
        """See :meth:`nova_virt_api.driver.image_cache.ImageCache.prefetch_image`."""
        if pool is not None:
            check_text("pool", pool, 255)
        role = self._role("prefetch_image", None, ImageCache)
        guarded("prefetch_image", None, lambda: admission.admit_source(self._driver, source, "source"))
        operation = Operation["ImageCopy"]("prefetch_image", None, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.prefetch_image(source, op, pool=pool))

    def prune_images(
        self, *, older_than_seconds: float = 0.0, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[Sequence[ImageCopy]]:
        """See :meth:`nova_virt_api.driver.image_cache.ImageCache.prune_images`."""
        check_seconds("older_than_seconds", older_than_seconds)
        role = self._role("prune_images", None, ImageCache)
        operation = Operation["Sequence[ImageCopy]"]("prune_images", None, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.prune_images(op, older_than_seconds=older_than_seconds))


class ComputeCaching(ComputeFace):
    """See, make and remove the copies of images in pools."""

    def cached_images(self) -> Sequence[ImageCopy]:
        """The copies of images that the endpoint keeps in its pools."""
        return self._read_role("cached_images", None, ImageCache, lambda role: role.cached_images())

    def prefetch_image(
        self,
        source: ImageSource,
        *,
        pool: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageCopy:
        """Bring an image into a pool, so that the first guest from it need not wait for that.

        Args:
            source: the image.
            pool: name or id of the pool; may be left out where a spec may leave it out.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.prefetch_image(source, pool=pool, timeout=timeout, on_progress=on_progress))

    def prune_images(
        self, *, older_than_seconds: float = 0.0, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Sequence[ImageCopy]:
        """Remove the copies that no disk is based on and that are older than this; returns what was removed."""
        operation = self.submit.prune_images(
            older_than_seconds=older_than_seconds, timeout=timeout, on_progress=on_progress
        )
        return outcome_of(operation)


class AsyncCaching(AsyncFace):
    """See, make and remove the copies of images in pools, awaitable."""

    async def cached_images(self) -> Sequence[ImageCopy]:
        """See :meth:`Compute.cached_images`."""
        return await self._read(self.compute.cached_images)

    async def prefetch_image(
        self,
        source: ImageSource,
        *,
        pool: str | None = None,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageCopy:
        """See :meth:`Compute.prefetch_image`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.prefetch_image(source, pool=pool, timeout=timeout, on_progress=on_progress)
        )

    async def prune_images(
        self, *, older_than_seconds: float = 0.0, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Sequence[ImageCopy]:
        """See :meth:`Compute.prune_images`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.prune_images(older_than_seconds=older_than_seconds, timeout=timeout, on_progress=on_progress)
        )
