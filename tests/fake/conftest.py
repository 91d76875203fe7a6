"""Worlds to test the fake driver in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB
from nova_virt_api.fake import worlds
from nova_virt_api.fake.switches import Switches

MakeSpec = Callable[..., virt.InstanceSpec]
Connect = Callable[..., virt.Compute]


@pytest.fixture
def make_spec() -> MakeSpec:
    """A spec that uses every kind of object the fake hypervisor has."""

    def make(name: str = "web", /, **changes: Any) -> virt.InstanceSpec:
        fields: dict[str, Any] = {
            "uuid": virt.stable_uuid(name),
            "name": name,
            "vcpus": 2,
            "memory_bytes": GiB(2),
            "disks": [virt.Disk(source=virt.Native("debian-13"), size_bytes=GiB(20))],
            "nics": [virt.Nic(network="default")],
            "cloud_init": virt.CloudInit(user_data="#cloud-config\n"),
            "firmware": virt.Firmware.UEFI,
            "labels": {"tier": "front"},
        }
        return virt.InstanceSpec(**{**fields, **changes})

    return make


@pytest.fixture
def web(fake_compute: virt.Compute, make_spec: MakeSpec) -> virt.Instance:
    return fake_compute.spawn(make_spec())


@pytest.fixture
def world() -> Iterator[str]:
    """The name of a world that connections of a test share."""
    name = f"world-{uuid4().hex}"
    yield name
    worlds.forget(name)


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """``virt.connect`` to the fake driver; what it opened is closed after the test."""
    opened: list[virt.Compute] = []

    def connect_fake(**options: Any) -> virt.Compute:
        places = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
        opened.append(virt.connect("fake", **{**places, **options}))
        return opened[-1]

    yield connect_fake
    for compute in opened:
        switches_of(compute).reset()
        compute.close(cancel=True)


@pytest.fixture
def switches() -> Callable[[virt.Compute], Switches]:
    """The switches of any connection."""
    return switches_of


def switches_of(compute: virt.Compute) -> Switches:
    with compute.native() as handle:
        assert isinstance(handle, Switches)
        return handle
