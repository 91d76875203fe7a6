"""An open endpoint with a guest, on the in-memory driver."""

from collections.abc import Iterator
from typing import cast

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches


@pytest.fixture
def compute() -> Iterator[virt.Compute]:
    with virt.connect("fake") as opened:
        yield opened


@pytest.fixture
def switches(compute: virt.Compute) -> Iterator[Switches]:
    with compute.native() as handle:
        controls = cast("Switches", handle)
        yield controls
        controls.reset()


@pytest.fixture
def guest(compute: virt.Compute) -> virt.Instance:
    return compute.spawn(virt.InstanceSpec(uuid=virt.stable_uuid("web"), name="web", memory_bytes=virt.MiB(64)))
