"""A cloud over this machine's libvirtd, as tools/backend_libvirt makes it ready, and the bootable guest image."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt  # before Nova's test case forbids it to whom has not imported it yet
import pytest

import nova_virt_api as virt

ROOT = Path(__file__).parents[5]
URI, POOL, NETWORK = "qemu:///system", "nova-virt", "default"


@pytest.fixture(scope="session", autouse=True)
def backend() -> None:
    """libvirtd, its network and its pool. Fails, never skips, where they cannot be."""
    subprocess.run([ROOT / "tools" / "backend_libvirt"], check=True, timeout=120)


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """The bootable image, made if it is not in the cache."""
    command = [sys.executable, "-m", "nova_virt_conformance.guest_image", "--print-path"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(made.stdout.strip())


@pytest.fixture
def owner() -> str:
    """Whom the guests of one test belong to."""
    return f"nova-tests-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def beside(owner: str) -> Iterator[virt.Compute]:
    """A connection that Nova does not know of; whatever Nova left there is removed, and fails the test."""
    with virt.connect("libvirt", uri=URI, pool=POOL, owner=owner) as compute:
        yield compute
        left = [guest.uuid for guest in compute.instances(fresh=True) if guest.owned]
        left += [leftover.uuid for leftover in compute.leftovers()]
        for guest in left:
            compute.destroy(guest)
    assert left == []


@pytest.fixture
def options() -> dict[str, Any]:
    """What the driver is told beside its endpoint: nothing."""
    return {}


@pytest.fixture
def cloud(make_cloud: Any, owner: str, beside: virt.Compute, options: dict[str, Any]) -> Any:
    """A cloud whose compute host is this machine's libvirt."""
    told = {"uri": URI, "pool": POOL, **options}
    return make_cloud("libvirt", owner=owner, options=told, networks={"private": NETWORK})


@pytest.fixture
def native() -> Iterator[Any]:
    """A ``virConnect``, for what libvirt itself has."""
    connection = libvirt.open(URI)
    yield connection
    connection.close()


@pytest.fixture
def image(cloud: Any, guest_image: Path) -> str:
    """The bootable image in Glance."""
    return str(cloud.add_image(guest_image, "qcow2"))
