"""The first-boot medium: read back as a guest would, and the same whenever it is made."""

import io
import json
import subprocess
import time
from pathlib import Path
from uuid import UUID

import pycdlib
import pytest
import yaml
from hypothesis import given, settings, strategies as st

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.toolkit import iso, nocloud
from nova_virt_api.toolkit.seed import seed_image

UUID_ = UUID("c0ffee00-0000-4000-8000-000000000001")
KEYS = ["ssh-ed25519 AAAAC3Nza me@home", 'ssh-rsa AAAAB3 "quoted": - [x] # ünï \U0001f600']
FULL = CloudInit(
    user_data="#cloud-config\nruncmd: [echo, hellö]\n",
    network_config="version: 2\nethernets: {}\n",
    hostname="web.example.org",
    ssh_authorized_keys=KEYS,
    metadata='{"role": "wéb", "ports": [80]}',
)


def files(image: bytes, kind: str) -> dict[str, bytes]:
    """The medium's files by the names of one of its two name spaces."""
    medium = pycdlib.PyCdlib()
    medium.open_fp(io.BytesIO(image))
    found = {}
    for child in medium.list_children(**{kind: "/"}):
        if child.is_file():
            name = (
                child.rock_ridge.name().decode() if kind == "rr_path" else child.file_identifier().decode("utf-16-be")
            )
            content = io.BytesIO()
            medium.get_file_from_iso_fp(content, **{kind: f"/{name}"})
            found[name] = content.getvalue()
    medium.close()
    return found


@pytest.mark.parametrize("kind", ["rr_path", "joliet_path"])
def test_every_file_is_found_in_both_name_spaces(kind: str) -> None:
    found = files(seed_image(FULL, UUID_, "web"), kind)
    assert set(found) == {"meta-data", "user-data", "network-config"}
    assert found["user-data"].decode() == FULL.user_data
    assert found["network-config"].decode() == FULL.network_config


@pytest.mark.parametrize("read", [json.loads, yaml.safe_load])
def test_meta_data_says_who_the_guest_is(read: object) -> None:
    text = files(seed_image(FULL, UUID_, "web"), "rr_path")["meta-data"].decode()
    expected = {
        "instance-id": str(UUID_),
        "local-hostname": "web.example.org",
        "public-keys": KEYS,
        "meta": {"role": "wéb", "ports": [80]},
    }
    assert read(text) == expected  # type: ignore[operator]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=10,
)


def metadata_read_back(metadata: object) -> tuple[object, object]:
    """What readers of JSON and of YAML find under ``meta``."""
    text = nocloud.meta_data(CloudInit(metadata=json.dumps(metadata)), UUID_, "web")
    return json.loads(text)["meta"], yaml.safe_load(text)["meta"]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "\x7f",
            "\x80",
            "\x85",
            "a\x9fb",
            "\u2028 x",
            "x \u2029",
            "\ufeff",
            "\ufffe",
            "\uffff",
            "\\\x85",
            "\U0001f600",
        ),
        *(1e22, 1e-7, -5e-324, 1.5e300, [1e16, '"', 2e-9], '1e5, "2e5', "\\", "1e22"),
    ],
)
def test_metadata_is_read_alike_as_json_and_as_yaml(value: object) -> None:
    metadata = {"role": value, f"{value}": 1}
    assert metadata_read_back(metadata) == (metadata, metadata)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=20), values, max_size=4))
def test_any_metadata_is_read_alike_as_json_and_as_yaml(metadata: dict[str, object]) -> None:
    assert metadata_read_back(metadata) == (metadata, metadata)


def test_what_is_not_given_is_left_out() -> None:
    found = files(seed_image(CloudInit(), UUID_, "web"), "rr_path")
    assert set(found) == {"meta-data", "user-data"}
    assert found["user-data"] == b""
    assert json.loads(found["meta-data"]) == {"instance-id": str(UUID_), "local-hostname": "web"}


def test_the_label_is_the_one_that_nocloud_looks_for(tmp_path: Path) -> None:
    (tmp_path / "seed.iso").write_bytes(seed_image(FULL, UUID_, "web"))
    command = ["blkid", "-p", "-o", "value", "-s", "LABEL", str(tmp_path / "seed.iso")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "cidata"


def test_the_same_input_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    first = seed_image(FULL, UUID_, "web")
    assert seed_image(FULL, UUID_, "web") == first
    for later in (86400 * 400 + 3661, 86400 * 8000):
        with monkeypatch.context() as changed:
            now = time.time() + later
            changed.setattr(time, "time", lambda now=now: now)
            changed.setenv("TZ", "Asia/Kathmandu")
            time.tzset()
            assert seed_image(FULL, UUID_, "web") == first
        time.tzset()
    assert seed_image(FULL, UUID(int=2), "web") != first


def test_large_user_data_fits() -> None:
    data = "#" * 1024**2
    assert files(seed_image(CloudInit(user_data=data), UUID_, "web"), "rr_path")["user-data"].decode() == data


def test_it_is_quick_once_it_is_loaded() -> None:
    seed_image(FULL, UUID_, "web")
    started = time.process_time()
    for _ in range(10):
        seed_image(FULL, UUID_, "web")
    assert (time.process_time() - started) / 10 < 0.1


def test_no_date_of_making_is_left() -> None:
    image = seed_image(FULL, UUID_, "web")
    assert time.strftime("%Y%m%d").encode() not in image
    assert image.count(iso.VOLUME_TIME) == 6
