"""First-boot data: keys in ``extraConfig`` that cloud-init's data source VMware reads by VMware Tools.

Names and forms are cloud-init's (its reference, "Datasources", "VMware", transport ``guestinfo``).
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.model.cloud_init import CloudInit

METADATA: Final = "guestinfo.metadata"
USERDATA: Final = "guestinfo.userdata"
VENDORDATA: Final = "guestinfo.vendordata"
ENCODING: Final = ".encoding"
BASE64: Final = "base64"

KEYS: Final = tuple(name + end for name in (METADATA, USERDATA, VENDORDATA) for end in ("", ENCODING))
"""All that the data source reads."""


def first_boot_data(cloud_init: CloudInit, uuid: UUID, name: str) -> dict[str, str]:
    """Keys and values that a guest's first boot reads; an empty value removes what came with a template.

    Args:
        cloud_init: what the guest is to read.
        uuid: becomes ``instance-id``; another one makes cloud-init run its first-boot steps again.
        name: becomes the host name unless ``cloud_init`` gives one.
    """
    values = dict.fromkeys(KEYS, "")
    values |= encoded(METADATA, meta_data(cloud_init, uuid, name))
    if cloud_init.user_data:
        values |= encoded(USERDATA, cloud_init.user_data)
    return values


def meta_data(cloud_init: CloudInit, uuid: UUID, name: str) -> str:
    """The metadata as JSON, which is YAML too and needs no quoting rules."""
    data: dict[str, object] = {"instance-id": str(uuid), "local-hostname": cloud_init.hostname or name}
    if cloud_init.ssh_authorized_keys:
        data["public-keys-data"] = "\n".join(cloud_init.ssh_authorized_keys)
    if cloud_init.metadata is not None:
        data["meta"] = json.loads(cloud_init.metadata)
    if cloud_init.network_config is not None:
        data["network"] = in_base64(cloud_init.network_config)
        data["network" + ENCODING] = BASE64
    return json.dumps(data)


def encoded(key: str, text: str) -> dict[str, str]:
    """A text as the data source takes it."""
    return {key: in_base64(text), key + ENCODING: BASE64}


def in_base64(text: str) -> str:
    """A text of any letters in ASCII."""
    return b64encode(text.encode()).decode()
