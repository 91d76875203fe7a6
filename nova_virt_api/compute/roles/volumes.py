"""Volumes of a storage service: who the nodes are to it, and which of them guests use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.model.check import check_integer, check_text
from nova_virt_api.model.disk import LARGEST_DISK
from nova_virt_api.model.volume import AttachedVolume, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.volume import VolumeConnector


class SubmitVolumes(SubmitFace):
    """Begin to attach, detach, extend and swap volumes."""

    def attach_volume(
        self, guest: GuestLike, volume: Volume, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[AttachedVolume]:
        """See :meth:`nova_virt_api.driver.volumes.Volumes.attach_volume`."""
        ref = reference(guest)
        role = self._volumes("attach_volume", ref, Feature.ATTACH_VOLUMES)
        guarded("attach_volume", ref, lambda: admission.admit_volume(self._driver, volume))
        operation = Operation[AttachedVolume]("attach_volume", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.attach_volume(ref, volume, op))

    def detach_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.volumes.Volumes.detach_volume`."""
        ref, volume_id = reference(guest), id_of(volume)
        role = self._volumes("detach_volume", ref, Feature.ATTACH_VOLUMES)
        operation = Operation[None]("detach_volume", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.detach_volume(ref, volume_id, op))

    def extend_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        size_bytes: int,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.volumes.Volumes.extend_volume`."""
        ref, volume_id = reference(guest), id_of(volume)
        check_integer("size_bytes", size_bytes, 1, LARGEST_DISK, "bytes, e.g. GiB(20),")
        role = self._volumes("extend_volume", ref, Feature.EXTEND_VOLUME)
        operation = Operation[None]("extend_volume", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.extend_volume(ref, volume_id, size_bytes, op))

    def swap_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        to: Volume,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[AttachedVolume]:
        """See :meth:`nova_virt_api.driver.volumes.Volumes.swap_volume`."""
        ref, volume_id = reference(guest), id_of(volume)
        role = self._volumes("swap_volume", ref, Feature.SWAP_VOLUME)
        guarded("swap_volume", ref, lambda: admission.admit_volume(self._driver, to))
        operation = Operation[AttachedVolume]("swap_volume", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.swap_volume(ref, volume_id, to, op))

    def _volumes(self, verb: str, ref: InstanceRef, feature: Feature) -> Volumes:
        guarded(verb, ref, lambda: admission.admit_feature(self._driver, feature, ""))
        return self._role(verb, ref, Volumes)


class ComputeVolumes(ComputeFace):
    """See the volumes that guests use; attach, detach, extend and swap them."""

    def volume_connector(self, node: str | None = None) -> VolumeConnector:
        """Who a node is to a storage service; ``node`` may be left out where there is one."""
        return self._read_role("volume_connector", None, Volumes, lambda role: role.volume_connector(node))

    def volumes(self, guest: GuestLike) -> Sequence[AttachedVolume]:
        """The volumes that a guest uses, in the order in which it sees them."""
        ref = reference(guest)
        guarded("volumes", ref, lambda: admission.admit_feature(self._driver, Feature.ATTACH_VOLUMES, ""))
        return self._read_role("volumes", ref, Volumes, lambda role: role.volumes(ref))

    def attach_volume(
        self, guest: GuestLike, volume: Volume, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> AttachedVolume:
        """Let a guest use a volume. Idempotent on the volume's id."""
        return outcome_of(self.submit.attach_volume(guest, volume, timeout=timeout, on_progress=on_progress))

    def detach_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Take a volume, or the one of this id, away from a guest; what is on it stays."""
        outcome_of(self.submit.detach_volume(guest, volume, timeout=timeout, on_progress=on_progress))

    def extend_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        size_bytes: int,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Let a guest see that a volume has grown to this size."""
        outcome_of(self.submit.extend_volume(guest, volume, size_bytes, timeout=timeout, on_progress=on_progress))

    def swap_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        to: Volume,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> AttachedVolume:
        """Copy a volume to another while the guest uses it, and let the guest use the other from then on."""
        return outcome_of(self.submit.swap_volume(guest, volume, to, timeout=timeout, on_progress=on_progress))


class AsyncVolumes(AsyncFace):
    """See the volumes that guests use; attach, detach, extend and swap them, awaitable."""

    async def volume_connector(self, node: str | None = None) -> VolumeConnector:
        """See :meth:`Compute.volume_connector`."""
        return await self._read(lambda: self.compute.volume_connector(node))

    async def volumes(self, guest: GuestLike) -> Sequence[AttachedVolume]:
        """See :meth:`Compute.volumes`."""
        return await self._read(lambda: self.compute.volumes(guest))

    async def attach_volume(
        self, guest: GuestLike, volume: Volume, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> AttachedVolume:
        """See :meth:`Compute.attach_volume`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.attach_volume(guest, volume, timeout=timeout, on_progress=on_progress)
        )

    async def detach_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.detach_volume`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.detach_volume(guest, volume, timeout=timeout, on_progress=on_progress))

    async def extend_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        size_bytes: int,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.extend_volume`."""
        submit = self.compute.submit
        await self._outcome(
            lambda: submit.extend_volume(guest, volume, size_bytes, timeout=timeout, on_progress=on_progress)
        )

    async def swap_volume(
        self,
        guest: GuestLike,
        volume: AttachedVolume | Volume | str,
        to: Volume,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> AttachedVolume:
        """See :meth:`Compute.swap_volume`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.swap_volume(guest, volume, to, timeout=timeout, on_progress=on_progress)
        )


def id_of(volume: AttachedVolume | Volume | str) -> str:
    """What the driver is told of a volume.

    Raises:
        InvalidSpec: it names none.
    """
    volume_id = volume.id if isinstance(volume, AttachedVolume | Volume) else volume
    check_text("volume", volume_id, 255)
    return volume_id
