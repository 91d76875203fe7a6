"""Volumes that endpoints keep in their own pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.storage_volumes import StorageVolumes
from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.check import check_type
from nova_virt_api.model.image import LocalTarget
from nova_virt_api.model.instance import Scope
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec, check_volume_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import OnProgress
    from nova_virt_api.model.image import ImageInfo, ImageSource

StoredVolumeLike: TypeAlias = UUID | StoredVolume
"""What names a volume: its id, or the volume as last seen."""


def volume_id(volume: StoredVolumeLike) -> UUID:
    """What the driver is told of a volume.

    Raises:
        InvalidSpec: it names no volume.
    """
    if isinstance(volume, StoredVolume):
        return volume.id
    if isinstance(volume, UUID):
        return volume
    raise InvalidSpec("volume", volume, "a uuid.UUID or a StoredVolume")


class SubmitStorageVolumes(SubmitFace):
    """Begin to make, fill, resize, read or remove volumes of pools."""

    def create_volume(
        self, spec: StoredVolumeSpec, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[StoredVolume]:
        """See :meth:`nova_virt_api.driver.storage_volumes.StorageVolumes.create_volume`."""
        check_type("spec", spec, StoredVolumeSpec, "a StoredVolumeSpec")
        role = self._role("create_volume", None, StorageVolumes)
        operation = Operation[StoredVolume]("create_volume", None, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.create_volume(spec, op))

    def upload_volume(
        self,
        spec: StoredVolumeSpec,
        source: ImageSource,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[StoredVolume]:
        """See :meth:`nova_virt_api.driver.storage_volumes.StorageVolumes.upload_volume`."""
        check_type("spec", spec, StoredVolumeSpec, "a StoredVolumeSpec")
        role = self._role("upload_volume", None, StorageVolumes)
        guarded("upload_volume", None, lambda: admission.admit_source(self._driver, source, "source"))
        operation = Operation[StoredVolume]("upload_volume", None, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.upload_volume(spec, source, op))

    def resize_volume(
        self,
        volume: StoredVolumeLike,
        size_bytes: int,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[StoredVolume]:
        """See :meth:`nova_virt_api.driver.storage_volumes.StorageVolumes.resize_volume`."""
        identity = volume_id(volume)
        check_volume_size("size_bytes", size_bytes)
        role = self._role("resize_volume", None, StorageVolumes)
        operation = Operation[StoredVolume]("resize_volume", None, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.resize_volume(identity, size_bytes, op))

    def delete_volume(
        self, volume: StoredVolumeLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[bool]:
        """See :meth:`nova_virt_api.driver.storage_volumes.StorageVolumes.delete_volume`."""
        identity = volume_id(volume)
        role = self._role("delete_volume", None, StorageVolumes)
        operation = Operation[bool]("delete_volume", None, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.delete_volume(identity, op))

    def download_volume(
        self,
        volume: StoredVolumeLike,
        target: LocalTarget,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[ImageInfo]:
        """See :meth:`nova_virt_api.driver.storage_volumes.StorageVolumes.download_volume`."""
        identity = volume_id(volume)
        check_type("target", target, LocalTarget, "a LocalTarget")
        role = self._role("download_volume", None, StorageVolumes)
        operation = Operation["ImageInfo"]("download_volume", None, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.download_volume(identity, target, op))


class ComputeStorageVolumes(ComputeFace):
    """Volumes of pools: see, make, fill, resize, read and remove them."""

    def stored_volumes(self, *, scope: Scope = Scope.OWNED) -> Sequence[StoredVolume]:
        """The volumes in all pools: this connection's own, or with ``Scope.ALL`` those of other making too.

        Guests' own disks and copies of images are none.
        """
        admission.check_kind("scope", scope, Scope)
        return self._read_role("stored_volumes", None, StorageVolumes, lambda role: role.stored_volumes(scope=scope))

    def stored_volume(self, volume: StoredVolumeLike) -> StoredVolume:
        """One volume as it is now, with the guests that use it."""
        identity = volume_id(volume)
        return self._read_role("stored_volume", None, StorageVolumes, lambda role: role.stored_volume(identity))

    def create_volume(
        self, spec: StoredVolumeSpec, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> StoredVolume:
        """Make a volume that reads as zeros.

        Args:
            spec: what is wanted.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.create_volume(spec, timeout=timeout, on_progress=on_progress))

    def upload_volume(
        self,
        spec: StoredVolumeSpec,
        source: ImageSource,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> StoredVolume:
        """Make a volume with an image's content.

        Args:
            spec: what is wanted; without a size it gets the image's.
            source: the image.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.upload_volume(spec, source, timeout=timeout, on_progress=on_progress))

    def resize_volume(
        self,
        volume: StoredVolumeLike,
        size_bytes: int,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> StoredVolume:
        """Make a volume larger that no guest which is on uses; for one that does, see ``extend_volume``."""
        return outcome_of(self.submit.resize_volume(volume, size_bytes, timeout=timeout, on_progress=on_progress))

    def delete_volume(
        self, volume: StoredVolumeLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> bool:
        """Remove a volume that no guest uses, with all that it holds; returns whether there was anything to remove."""
        return outcome_of(self.submit.delete_volume(volume, timeout=timeout, on_progress=on_progress))

    def download_volume(
        self,
        volume: StoredVolumeLike,
        target: LocalTarget,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        """Write what a volume holds to a new file here.

        Args:
            volume: the volume, or its id.
            target: the file, which must not be there, in the volume's format.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        return outcome_of(self.submit.download_volume(volume, target, timeout=timeout, on_progress=on_progress))


class AsyncStorageVolumes(AsyncFace):
    """Volumes of pools, awaitable."""

    async def stored_volumes(self, *, scope: Scope = Scope.OWNED) -> Sequence[StoredVolume]:
        """See :meth:`Compute.stored_volumes`."""
        return await self._read(lambda: self.compute.stored_volumes(scope=scope))

    async def stored_volume(self, volume: StoredVolumeLike) -> StoredVolume:
        """See :meth:`Compute.stored_volume`."""
        return await self._read(lambda: self.compute.stored_volume(volume))

    async def create_volume(
        self, spec: StoredVolumeSpec, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> StoredVolume:
        """See :meth:`Compute.create_volume`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.create_volume(spec, timeout=timeout, on_progress=on_progress))

    async def upload_volume(
        self,
        spec: StoredVolumeSpec,
        source: ImageSource,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> StoredVolume:
        """See :meth:`Compute.upload_volume`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.upload_volume(spec, source, timeout=timeout, on_progress=on_progress))

    async def resize_volume(
        self,
        volume: StoredVolumeLike,
        size_bytes: int,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> StoredVolume:
        """See :meth:`Compute.resize_volume`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.resize_volume(volume, size_bytes, timeout=timeout, on_progress=on_progress)
        )

    async def delete_volume(
        self, volume: StoredVolumeLike, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> bool:
        """See :meth:`Compute.delete_volume`."""
        submit = self.compute.submit
        return await self._outcome(lambda: submit.delete_volume(volume, timeout=timeout, on_progress=on_progress))

    async def download_volume(
        self,
        volume: StoredVolumeLike,
        target: LocalTarget,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ImageInfo:
        """See :meth:`Compute.download_volume`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.download_volume(volume, target, timeout=timeout, on_progress=on_progress)
        )
