"""What is read back of media with first-boot data."""

import io
import uuid

import pycdlib
import pytest

from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.toolkit.seed import seed_image
from nova_virt_api.toolkit.seed_reading import seed_files


def test_every_file_of_a_medium_is_read_whole() -> None:
    user_data = "#cloud-config\n" + "# ä\n" * 5000
    seed = seed_image(CloudInit(user_data=user_data, network_config="version: 2\n"), uuid.uuid4(), "web")
    found = seed_files(seed)
    assert found.keys() == {"meta-data", "user-data", "network-config"}
    assert found["user-data"].decode() == user_data
    assert found["network-config"] == b"version: 2\n"


def test_files_in_folders_are_read() -> None:
    cloud_init = CloudInit(user_data="#!", source=CloudInitSource.CONFIG_DRIVE)
    found = seed_files(seed_image(cloud_init, uuid.uuid4(), "web"))
    assert found.keys() == {"openstack/latest/meta_data.json", "openstack/latest/user_data"}
    assert found["openstack/latest/user_data"] == b"#!"


def test_an_empty_file_is_read() -> None:
    assert seed_files(seed_image(CloudInit(), uuid.uuid4(), "web"))["user-data"] == b""


@pytest.mark.parametrize("content", [b"", b"\0" * 65536, b"QFI\xfb" + b"\0" * 65536])
def test_what_is_no_such_medium_has_no_files(content: bytes) -> None:
    assert seed_files(content) == {}


def test_a_medium_without_long_names_has_no_files() -> None:
    medium = pycdlib.PyCdlib()
    medium.new()
    medium.add_fp(io.BytesIO(b"x"), 1, "/FILE.;1")
    written = io.BytesIO()
    medium.write_fp(written)
    assert seed_files(written.getvalue()) == {}
