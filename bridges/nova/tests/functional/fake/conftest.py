"""A cloud over a world of the fake driver, and other hands on the same world."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt

OWNER = "nova-tests"
SIZES: dict[str, Any] = {"vcpus": 8, "memory_gib": 4, "pool_gib": 50}


@pytest.fixture
def world() -> str:
    """The name of a world that no other test knows."""
    return f"nova-{uuid.uuid4().hex}"


@pytest.fixture
def cloud(make_cloud: Any, world: str) -> Any:
    """A cloud whose compute host is that world."""
    return make_cloud("fake", owner=OWNER, options={"world": world, **SIZES})


@pytest.fixture
def beside(world: str) -> Iterator[virt.Compute]:
    """A connection to the world that Nova does not know of."""
    with virt.connect("fake", owner=OWNER, world=world, **SIZES) as compute:
        yield compute


@pytest.fixture
def outside(beside: virt.Compute) -> Any:
    """What happens in the world without any connection."""
    with beside.native() as switches:
        return switches.outside  # type: ignore[attr-defined]


@pytest.fixture
def make_image(cloud: Any, tmp_path: Path) -> Callable[[str], str]:
    """Makes empty images of a size in Glance."""

    def make(size: str) -> str:
        path = tmp_path / f"{size}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), size], check=True)
        return str(cloud.add_image(path, "qcow2"))

    return make


@pytest.fixture
def image(make_image: Callable[[str], str]) -> str:
    """An image in Glance that fits every flavor."""
    return make_image("64M")
