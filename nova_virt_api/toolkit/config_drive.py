"""What a guest reads on OpenStack's config drive, version 2.

There is one folder, ``latest``. Those with dates are for readers who stay with the form of their time; cloud-init,
cloudbase-init, Ignition and Afterburn take ``latest`` where there are none or at once.
"""

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.toolkit.device_list import DEVICES_FILE, TaggedDevice, guest_file
from nova_virt_api.toolkit.network_data import network_data

META_DATA: Final = DEVICES_FILE
USER_DATA: Final = "openstack/latest/user_data"
NETWORK: Final = "openstack/latest/network_data.json"


def config_drive_files(
    cloud_init: CloudInit, uuid: UUID, name: str, devices: Sequence[TaggedDevice] | None
) -> dict[str, bytes]:
    """The files, by their paths; their parameters are those of :func:`nova_virt_api.toolkit.seed.seed_image`.

    Raises:
        InvalidSpec: the network configuration has no equivalent on a config drive.
    """
    files = {META_DATA: guest_file(meta_data(cloud_init, uuid, name), devices)}
    if cloud_init.user_data:
        files[USER_DATA] = cloud_init.user_data.encode()
    if cloud_init.network_config is not None:
        network = network_data(cloud_init.network_config)
        files[NETWORK] = json.dumps(network, ensure_ascii=False).encode() + b"\n"
    return files


def meta_data(cloud_init: CloudInit, uuid: UUID, name: str) -> dict[str, Any]:
    """What ``meta_data.json`` says, without the guest's devices."""
    data: dict[str, Any] = {"uuid": str(uuid), "name": name, "hostname": cloud_init.hostname or name}
    if cloud_init.ssh_authorized_keys:
        data["public_keys"] = {f"key-{index}": key for index, key in enumerate(cloud_init.ssh_authorized_keys)}
    if cloud_init.metadata is not None:
        data["meta"] = json.loads(cloud_init.metadata)
    return data
