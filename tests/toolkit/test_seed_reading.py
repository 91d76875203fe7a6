"""What is read back of media with first-boot data."""

import io
import uuid

import pycdlib
import pytest

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.toolkit.seed import nocloud_seed
from nova_virt_api.toolkit.seed_reading import seed_files


def test_every_file_of_a_medium_is_read_whole() -> None:
    user_data = "#cloud-config\n" + "# ä\n" * 5000
    seed = nocloud_seed(CloudInit(user_data=user_data, network_config="version: 2\n"), uuid.uuid4(), "web")
    found = seed_files(seed)
    assert found.keys() == {"meta-data", "user-data", "network-config"}
    assert found["user-data"].decode() == user_data
    assert found["network-config"] == b"version: 2\n"


def test_an_empty_file_is_read() -> None:
    assert seed_files(nocloud_seed(CloudInit(), uuid.uuid4(), "web"))["user-data"] == b""


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
