"""Verbs about volumes of pools, for ``dying_process``."""

from typing import Any
from uuid import UUID

import libvirt

from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.stored_volume import StoredVolumeSpec

CHANGES = {libvirt.virStorageVol: ("delete", "upload", "resize"), libvirt.virStoragePool: ("createXML",)}


def do(driver: Any, asked: dict[str, Any], op: Any) -> None:
    """Do a verb."""
    identity, size = UUID(asked["id"]), asked["size"]
    spec = StoredVolumeSpec(name="killed", id=identity, size_bytes=size)
    match asked["verb"]:
        case "create_volume":
            driver.create_volume(spec, op)
        case "upload_volume":
            driver.upload_volume(spec, LocalFile(asked["image"]), op)
        case "resize_volume":
            driver.resize_volume(identity, size, op)
        case "delete_volume":
            driver.delete_volume(identity, op)
