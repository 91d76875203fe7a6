"""Volumes that os-brick connects: files that become loop devices of this machine."""

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.host_connection import HostConnection
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import Volume
from nova_virt_libvirt.driver import LibvirtDriver

SIZE = MiB(8)


@pytest.fixture(scope="session")
def loops() -> Any:
    """The connector, which os-brick knows from now on."""
    name = "loop_connector"
    found = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    module.register()
    return module


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image without an operating system."""
    image = tmp_path_factory.mktemp("image") / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), str(SIZE)], check=True)
    return image


@pytest.fixture
def spec() -> Callable[..., InstanceSpec]:
    """Describes guests without an operating system."""

    def spec(**fields: Any) -> InstanceSpec:
        name = f"guest-{uuid.uuid4().hex[:8]}"
        disks = [Disk(source=Blank(), size_bytes=SIZE)]
        defaults: dict[str, Any] = {"uuid": uuid.uuid4(), "name": name, "memory_bytes": MiB(16), "disks": disks}
        return InstanceSpec(**(defaults | fields))

    return spec


@pytest.fixture
def spawn(driver: LibvirtDriver, run: Callable[..., Any], spec: Callable[..., InstanceSpec]) -> Iterator[Any]:
    """Spawns such guests and removes them in the end."""
    made: list[UUID] = []

    def spawn(**fields: Any) -> Any:
        wanted = spec(**fields)
        made.append(wanted.uuid)
        return run(driver.spawn, wanted)

    yield spawn
    for guest in made:
        run(driver.destroy, InstanceRef(uuid=guest))


class Fabric:
    """Volumes that this machine has to connect.

    Args:
        directory: for the files that they are.
        loops: the connector.
    """

    def __init__(self, directory: Path, loops: Any) -> None:
        self._directory = directory
        self._loops = loops
        self._numbers = itertools.count()

    def volume(self, size: int = SIZE, *, password: str | None = None, **fields: Any) -> Volume:
        """A new one."""
        path = self._directory / f"fabric{next(self._numbers)}.raw"
        path.touch()
        os.truncate(path, size)
        hidden = Secret(json.dumps({"auth_password": password or self._loops.PASSWORD}))
        way = HostConnection(protocol="loop", properties=json.dumps({"file": str(path)}), secrets=hidden)
        return Volume(id=str(uuid.uuid4()), connection=way, **fields)

    def file(self, volume: Volume) -> Path:
        """The file that a volume is."""
        assert isinstance(volume.connection, HostConnection)
        return Path(json.loads(volume.connection.properties)["file"])

    def devices(self, volume: Volume) -> list[str]:
        """This machine's devices of a volume."""
        found: list[str] = self._loops.devices(str(self.file(volume)))
        return found

    def used(self) -> list[str]:
        """All files that are connected."""
        shown: str = self._loops.losetup("--list", "--noheadings", "--output", "BACK-FILE")
        return [line for line in shown.splitlines() if str(self._directory) in line]


@pytest.fixture
def fabric(tmp_path: Path, loops: Any) -> Iterator[Fabric]:
    """Volumes that this machine has to connect; none is connected in the end."""
    fabric = Fabric(tmp_path, loops)
    yield fabric
    assert fabric.used() == []


@pytest.fixture
def disks(native: Any) -> Callable[..., list[Any]]:
    """The disks of a guest: as it runs (0), or as it will be started (``VIR_DOMAIN_XML_INACTIVE``)."""

    def disks(guest: Any, flags: int = 0) -> list[Any]:
        definition = native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags)
        return etree.fromstring(definition).findall("devices/disk")

    return disks


@pytest.fixture
def kept(native: Any) -> Callable[[], list[str]]:
    """The names of all secrets that libvirt keeps."""
    return lambda: sorted(secret.usageID() for secret in native.listAllSecrets(0))
