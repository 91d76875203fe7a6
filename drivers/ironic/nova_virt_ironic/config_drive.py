"""First-boot data as a config drive, which Ironic builds from JSON and cloud-init's data source ConfigDrive reads.

See cloud-init's documentation of ConfigDrive, version 2, and Ironic's ("Enabling the configuration drive").
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.toolkit.config_drive import meta_data
from nova_virt_api.toolkit.network_data import network_data

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.model.cloud_init import CloudInit

LARGEST: Final = 64 * 1024**2
"""Bytes; Ironic's documented limit, as deployed nodes have a partition of this size for it."""

ISO_OVERHEAD: Final = 1024**2
"""Bytes that the medium takes beside the files."""


def config_drive(cloud_init: CloudInit, guest: UUID, name: str) -> dict[str, Any]:
    """What ``active`` and ``rebuild`` take as ``configdrive``, see the API reference (1.56).

    Args:
        cloud_init: what the guest is to read.
        guest: becomes the instance's id; another one makes cloud-init run its first-boot steps again.
        name: becomes the host name unless ``cloud_init`` gives one.

    Raises:
        InvalidSpec: it is too large, or its network configuration has no equivalent on a config drive.
    """
    drive: dict[str, Any] = {"meta_data": meta_data(cloud_init, guest, name)}
    if cloud_init.user_data:
        drive["user_data"] = cloud_init.user_data
    if cloud_init.network_config is not None:
        drive["network_data"] = network_data(cloud_init.network_config)
    size = len(json.dumps(drive, ensure_ascii=False).encode("utf-8", "replace")) + ISO_OVERHEAD
    if size > LARGEST:
        raise InvalidSpec("cloud_init", f"{size} bytes on a config drive", f"at most {LARGEST} bytes")
    return drive
