"""First-boot data in the words of a config drive."""

import uuid

import pytest

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_ironic import config_drive as module
from nova_virt_ironic.config_drive import config_drive

GUEST = uuid.UUID(int=7)


def test_what_cloud_init_reads() -> None:
    """Instance id, names, keys and user data are where cloud-init's data source ConfigDrive looks."""
    given = CloudInit(user_data="#!", hostname="h", ssh_authorized_keys=["a", "b"], metadata='{"role": "web"}')
    drive = config_drive(given, GUEST, "web")
    assert drive == {
        "meta_data": {
            "uuid": str(GUEST),
            "name": "web",
            "hostname": "h",
            "public_keys": {"key-0": "a", "key-1": "b"},
            "meta": {"role": "web"},
        },
        "user_data": "#!",
    }
    assert config_drive(CloudInit(), GUEST, "web") == {
        "meta_data": {"uuid": str(GUEST), "name": "web", "hostname": "web"}
    }


def test_size_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ironic would not take is refused before it is sent."""
    monkeypatch.setattr(module, "LARGEST", module.ISO_OVERHEAD + 1000)
    assert config_drive(CloudInit(user_data="x" * 800), GUEST, "web")
    with pytest.raises(InvalidSpec, match="config drive"):
        config_drive(CloudInit(user_data="x" * 1000), GUEST, "web")
