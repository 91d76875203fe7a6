"""Volumes of pools that the kit makes: small, in the target's first pool, removed after each test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from nova_virt_api.capability import Capability
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_api.model.stored_volume import StoredVolumeSpec
from nova_virt_api.model.units import MiB

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_conformance.lab import Lab

SIZE: Final = MiB(1)


def new_spec(lab: Lab, **fields: Any) -> StoredVolumeSpec:
    """A small volume that is not there yet."""
    defaults: dict[str, Any] = {
        "name": f"conformance-{uuid4().hex[:12]}",
        "size_bytes": SIZE,
        "pool": lab.rig.target.pools[0],
    }
    return StoredVolumeSpec(**(defaults | fields))


def new_image(directory: Path) -> LocalFile:
    """A raw image of the size of small volumes that nobody has used before."""
    path = directory / f"new-{uuid4().hex[:12]}.raw"
    path.write_bytes(uuid4().bytes.ljust(SIZE, b"\0"))
    return LocalFile(path, format=ImageFormat.RAW)


def remove_stored(compute: Compute, patience: float) -> None:
    """Remove the volumes of a connection's owner; whose guests must be gone."""
    if compute.capabilities().has(Capability.STORAGE_VOLUMES):
        for volume in compute.stored_volumes():
            compute.delete_volume(volume, timeout=patience)
