"""First-boot data in the form that cloud-init's data source VMware reads."""

import json
import uuid
from base64 import b64decode

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_vmware.cloud_init import KEYS, first_boot_data

GUEST = uuid.uuid4()


def test_everything_is_handed_on() -> None:
    given = CloudInit(
        user_data="#cloud-config\n# ä\n", network_config="version: 2\n", hostname="h", ssh_authorized_keys=["A", "B"]
    )
    found = first_boot_data(given, GUEST, "web")
    assert set(found) == set(KEYS)
    assert all(value.isascii() for value in found.values())
    assert b64decode(found["guestinfo.userdata"]).decode() == given.user_data
    meta = json.loads(b64decode(found["guestinfo.metadata"]))
    assert b64decode(meta.pop("network")).decode() == given.network_config
    assert meta == {
        "instance-id": str(GUEST),
        "local-hostname": "h",
        "public-keys-data": "A\nB",
        "network.encoding": "base64",
    }


def test_what_a_template_carried_is_removed() -> None:
    found = first_boot_data(CloudInit(), GUEST, "web")
    assert {key for key, value in found.items() if value == ""} == set(KEYS) - {
        "guestinfo.metadata",
        "guestinfo.metadata.encoding",
    }
    assert json.loads(b64decode(found["guestinfo.metadata"])) == {"instance-id": str(GUEST), "local-hostname": "web"}
