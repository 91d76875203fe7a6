"""What cloud-init's data source NoCloud reads."""

import json
import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.toolkit.device_list import DEVICES_FILE, TaggedDevice, guest_file

META_DATA: Final = "meta-data"
USER_DATA: Final = "user-data"
NETWORK: Final = "network-config"

_NOT_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Letters that JSON lets stand as they are, and YAML does not or takes for an end of line (YAML 1.1, 4.1 and 5.1)."""

_TEXT_OR_FLOAT: Final = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|(?<![\d.])(\d+)(?=e)')
"""A text of JSON, which is to stay, or digits that YAML takes for a number only with a point behind them."""


def nocloud_files(
    cloud_init: CloudInit, uuid: UUID, name: str, devices: Sequence[TaggedDevice] | None
) -> dict[str, bytes]:
    """The files, by their paths; their parameters are those of :func:`nova_virt_api.toolkit.seed.seed_image`."""
    files = {
        META_DATA: meta_data(cloud_init, uuid, name).encode(),
        USER_DATA: cloud_init.user_data.encode(),
    }
    if cloud_init.network_config is not None:
        files[NETWORK] = cloud_init.network_config.encode()
    if devices is not None:
        told = {"uuid": str(uuid), "hostname": cloud_init.hostname or name, "name": name}
        files[DEVICES_FILE] = guest_file(told, devices)
    return files


def meta_data(cloud_init: CloudInit, uuid: UUID, name: str) -> str:
    """NoCloud's ``meta-data`` as JSON that is YAML too and needs no quoting rules."""
    data: dict[str, object] = {"instance-id": str(uuid), "local-hostname": cloud_init.hostname or name}
    if cloud_init.ssh_authorized_keys:
        data["public-keys"] = list(cloud_init.ssh_authorized_keys)
    if cloud_init.metadata is not None:
        data["meta"] = json.loads(cloud_init.metadata)
    return _for_yaml(json.dumps(data, ensure_ascii=False)) + "\n"


def _for_yaml(text: str) -> str:
    """The same JSON in a form that a reader of YAML understands alike."""
    escaped = _NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return _TEXT_OR_FLOAT.sub(lambda match: match[1] or f"{match[2]}.0", escaped)
