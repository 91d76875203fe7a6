"""How the errors about volumes of pools are brought about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import (
    Busy,
    ImageNotFound,
    ImageRejected,
    InvalidSpec,
    NoCapacity,
    PermissionDenied,
    StorageError,
    VirtError,
    VolumeExists,
    VolumeNotFound,
)
from nova_virt_api.model.image import ImageFormat, LocalFile, LocalTarget
from nova_virt_api.model.instance import PowerState
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene, provoked
from nova_virt_conformance.stored_volumes import SIZE, new_image, new_spec

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_conformance.lab import Lab

RAW: Final = ImageFormat.RAW


def calls(lab: Lab, volume: UUID) -> dict[str, Callable[[], object]]:
    """How methods are called for a volume in the simplest way."""
    target = LocalTarget(lab.directory / f"volume-{uuid4().hex[:8]}.raw", RAW)
    return {
        "StorageVolumes.stored_volume": lambda: lab.compute.stored_volume(volume),
        "StorageVolumes.resize_volume": lambda: lab.compute.resize_volume(volume, 2 * SIZE, timeout=lab.patience),
        "StorageVolumes.delete_volume": lambda: lab.compute.delete_volume(volume, timeout=lab.patience),
        "StorageVolumes.download_volume": lambda: lab.compute.download_volume(volume, target, timeout=lab.patience),
    }


@contextmanager
def unknown_volume(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A volume that is not there."""
    yield Scene(calls(lab, uuid4())[method])


@contextmanager
def volume_of_another_owner(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """Somebody else's volume."""
    theirs = lab.other.create_volume(new_spec(lab, format=RAW), timeout=lab.patience)
    yield Scene(calls(lab, theirs.id)[method])


@contextmanager
def volume_in_use(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A volume that a running guest uses."""
    lab.require(Capability.VOLUMES, Feature.ATTACH_VOLUMES, Feature.HOST_VOLUMES)
    made = lab.compute.create_volume(new_spec(lab, format=RAW), timeout=lab.patience)
    guest = lab.guest(PowerState.RUNNING)
    lab.compute.attach_volume(guest, made.attachable(), timeout=lab.patience)
    yield Scene(calls(lab, made.id)[method])


@contextmanager
def wrong_change(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A volume is to shrink, or to be written to a file in another format."""
    made = lab.compute.create_volume(new_spec(lab, format=RAW), timeout=lab.patience)
    target = LocalTarget(lab.directory / "volume.qcow2", ImageFormat.QCOW2)
    wrong: dict[str, Callable[[], object]] = {
        "StorageVolumes.resize_volume": lambda: lab.compute.resize_volume(made, SIZE // 2, timeout=lab.patience),
        "StorageVolumes.download_volume": lambda: lab.compute.download_volume(made, target, timeout=lab.patience),
    }
    yield Scene(wrong[method])


@contextmanager
def change_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A volume that the backend does not change, or read."""
    made = lab.compute.create_volume(new_spec(lab, format=RAW), timeout=lab.patience)
    with provoked(lab, method, error, None):
        yield Scene(calls(lab, made.id)[method])


@contextmanager
def volume_to_be_made(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A volume that cannot be made as it was asked for."""
    if method == "StorageVolumes.upload_volume":
        lab.require(Feature.CLIENT_IMAGES)
    spec, patience = new_spec(lab, format=RAW), lab.patience
    image, wrong = new_image(lab.directory), lab.directory / "not-an-image.qcow2"
    wrong.write_bytes(bytes(65536))
    source = {
        ImageNotFound: LocalFile(lab.directory / NOWHERE),
        ImageRejected: LocalFile(wrong, format=ImageFormat.QCOW2),
    }.get(error, image)
    if error is VolumeExists:
        lab.compute.create_volume(replace(spec, size_bytes=2 * SIZE, format=ImageFormat.QCOW2), timeout=patience)
    if error is InvalidSpec:
        spec = replace(spec, pool=NOWHERE)
    made: dict[str, Callable[[], object]] = {
        "StorageVolumes.create_volume": lambda: lab.compute.create_volume(spec, timeout=patience),
        "StorageVolumes.upload_volume": lambda: lab.compute.upload_volume(spec, source, timeout=patience),
    }
    if error in (Busy, NoCapacity, StorageError):
        with provoked(lab, method, error, None):
            yield Scene(made[method])
    else:
        yield Scene(made[method])
    wrong.unlink()


MAKING: Final = (InvalidSpec, VolumeExists, NoCapacity, StorageError, Busy)
OF_STORED_VOLUMES: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("StorageVolumes.stored_volume", VolumeNotFound): unknown_volume,
    ("StorageVolumes.resize_volume", VolumeNotFound): unknown_volume,
    ("StorageVolumes.resize_volume", PermissionDenied): volume_of_another_owner,
    ("StorageVolumes.resize_volume", InvalidSpec): wrong_change,
    ("StorageVolumes.resize_volume", NoCapacity): change_at_fault,
    ("StorageVolumes.resize_volume", StorageError): change_at_fault,
    ("StorageVolumes.resize_volume", Busy): volume_in_use,
    ("StorageVolumes.delete_volume", PermissionDenied): volume_of_another_owner,
    ("StorageVolumes.delete_volume", StorageError): change_at_fault,
    ("StorageVolumes.delete_volume", Busy): volume_in_use,
    ("StorageVolumes.download_volume", VolumeNotFound): unknown_volume,
    ("StorageVolumes.download_volume", PermissionDenied): volume_of_another_owner,
    ("StorageVolumes.download_volume", InvalidSpec): wrong_change,
    ("StorageVolumes.download_volume", NoCapacity): change_at_fault,
    ("StorageVolumes.download_volume", StorageError): change_at_fault,
    ("StorageVolumes.download_volume", Busy): volume_in_use,
    **{("StorageVolumes.create_volume", error): volume_to_be_made for error in MAKING},
    **{("StorageVolumes.upload_volume", error): volume_to_be_made for error in (*MAKING, ImageNotFound, ImageRejected)},
}
"""Ways that serve one method."""
