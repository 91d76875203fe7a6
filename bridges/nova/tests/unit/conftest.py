"""The bridge's driver over a world of the fake driver, and what nova-compute gives it."""

import base64
import hashlib
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nova.conf
import nova.virt.node
import pytest
from nova import context, objects
from nova.conf import neutron
from nova.image import glance
from nova.network import model
from oslo_config import fixture

import nova_virt_api as virt
from nova_virt_bridge import options, shim

NODE_UUID = "9e1b2f0c-3f0e-4c39-9d3e-4d1f7a0f6c11"
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
SIZES: dict[str, Any] = {"vcpus": 8, "memory_gib": 4, "pool_gib": 50}

MakeDriver = Callable[..., Any]
MakeInstance = Callable[..., Any]


@pytest.fixture(scope="session", autouse=True)
def _objects() -> None:
    objects.register_all()


@pytest.fixture
def config(tmp_path: Path) -> Iterator[fixture.Config]:
    """Nova's configuration, as it was again after the test."""
    nova.conf.CONF([], project="nova", default_config_files=[])
    neutron.register_dynamic_opts(nova.conf.CONF)  # as nova-compute does when it starts
    options.register(nova.conf.CONF)
    with fixture.Config(nova.conf.CONF) as changed:
        changed.config(state_path=str(tmp_path), compute_driver="ext.fake", my_ip="192.0.2.9")
        yield changed


@pytest.fixture
def world() -> str:
    """The name of a world that no other test knows."""
    return f"nova-{uuid.uuid4().hex}"


@pytest.fixture
def make_driver(config: fixture.Config, world: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDriver]:
    """Makes a driver as nova-compute does, opened, with these options of the fake driver and others of [nova_virt]."""
    monkeypatch.setattr(nova.virt.node, "get_local_node_uuid", lambda: NODE_UUID)
    made = []

    def make(virtapi: Any = None, config_options: dict[str, Any] | None = None, **fake: Any) -> Any:
        given = {"world": world, **SIZES, **fake}
        config.config(group="nova_virt", options=[f"{name}={value}" for name, value in given.items()])
        config.config(group="nova_virt", **config_options or {})
        driver = shim.driver_class("fake")(virtapi)
        driver.init_host("compute1")
        made.append(driver)
        return driver

    yield make
    for driver in made:
        driver.register_event_listener(None)
        driver.cleanup_host("compute1")


@pytest.fixture
def driver(make_driver: MakeDriver) -> Any:
    """The bridge's driver over the world."""
    return make_driver()


@pytest.fixture
def beside(world: str) -> Iterator[virt.Compute]:
    """A connection to the world that Nova does not know of, of the same owner."""
    with virt.connect("fake", owner="nova", world=world, **SIZES) as compute:
        yield compute


@pytest.fixture
def switches(driver: Any) -> Any:
    """What happens in the world without any connection, and what fails on the driver's own."""
    with driver.compute.native() as switches:
        return switches


@pytest.fixture
def request_context() -> Any:
    """The context of a user's request."""
    return context.RequestContext("user", "project")


@pytest.fixture
def make_instance() -> MakeInstance:
    """Makes an instance as nova-compute hands it to its driver."""

    def make(flavor: dict[str, Any] | None = None, **more: Any) -> Any:
        shape: dict[str, Any] = {
            "id": 1,
            "flavorid": "1",
            "name": "small",
            "vcpus": 2,
            "memory_mb": 512,
            "root_gb": 3,
            "ephemeral_gb": 0,
            "swap": 0,
            "extra_specs": {},
        }
        fields: dict[str, Any] = {
            "id": 7,
            "uuid": str(uuid.uuid4()),
            "flavor": objects.Flavor(**shape | (flavor or {})),
            "image_ref": IMAGE,
            "kernel_id": "",
            "ramdisk_id": "",
            "display_name": "web",
            "hostname": "web",
            "project_id": "project",
            "user_id": "user",
            "host": "compute1",
            "node": "fake-host",
            "user_data": None,
            "key_data": None,
            "config_drive": "",
            "numa_topology": None,
            "pci_requests": objects.InstancePCIRequests(requests=[]),
            "trusted_certs": None,
            "system_metadata": {},
            "metadata": {},
            "launched_at": None,
            "task_state": None,
        }
        return objects.Instance(**fields | more)

    return make


@pytest.fixture
def instance(make_instance: MakeInstance) -> Any:
    """An instance."""
    return make_instance()


@pytest.fixture
def image_meta() -> Any:
    """The image's properties: none."""
    return objects.ImageMeta.from_dict({"id": IMAGE, "properties": {}})


class Glance:
    """A Glance of images in memory, asked as Nova's client asks it."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.bytes: dict[str, bytes] = {}
        self.downloads: list[tuple[Any, str]] = []

    def add(self, image_id: str, content: bytes, disk_format: str = "qcow2") -> None:
        """Have an image."""
        self.images[image_id] = {
            "id": image_id,
            "name": "debian",
            "disk_format": disk_format,
            "size": len(content),
            "checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(content).hexdigest(),
            "updated_at": "2026-01-01",
            "properties": {},
        }
        self.bytes[image_id] = content

    def get(self, context: Any, image_id: str) -> dict[str, Any]:
        """What is known of an image."""
        if image_id not in self.images:
            raise nova.exception.ImageNotFound(image_id=image_id)
        return self.images[image_id]

    def download(self, context: Any, image_id: str, dest_path: str, trusted_certs: Any = None) -> None:
        """Write an image to a file."""
        self.downloads.append((context, image_id))
        Path(dest_path).write_bytes(self.bytes[image_id])

    def update(self, context: Any, image_id: str, about: Any, data: Any, purge_props: bool) -> None:
        """Take an image's bytes."""
        content = data.read()
        self.images[image_id] |= about | {"os_hash_value": hashlib.sha512(content).hexdigest()}
        self.bytes[image_id] = content


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Glance:
    """Glance, with one image."""
    path = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "64M"], check=True)
    known = Glance()
    known.add(IMAGE, path.read_bytes())
    monkeypatch.setattr(glance, "API", lambda: known)
    return known


@pytest.fixture
def running(driver: Any, instance: Any, images: Glance, spawn: Any) -> Any:
    """An instance that runs."""
    spawn(driver, instance)
    return instance


class VirtApi:
    """What nova-compute offers its driver, with events that the test sends."""

    def __init__(self) -> None:
        self.awaited: list[tuple[str, str]] = []
        self.log: list[str] = []
        self.outcome: Exception | None = None

    @contextmanager
    def wait_for_instance_event(
        self, instance: Any, event_names: Any, timeout: int, error_callback: Any
    ) -> Iterator[None]:
        """Note when the wait begins and ends; end as the test wants."""
        self.awaited += event_names
        self.log.append("listen")
        yield
        self.log.append("wait")
        if self.outcome is not None:
            raise self.outcome


@pytest.fixture
def virtapi() -> VirtApi:
    """What nova-compute offers its driver."""
    return VirtApi()


@pytest.fixture(autouse=True)
def no_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nova's database has no tags of devices: there is no database here."""
    for kind in (objects.VirtualInterfaceList, objects.BlockDeviceMappingList):
        monkeypatch.setattr(kind, "get_by_instance_uuid", lambda *_: [])


@pytest.fixture
def make_vif() -> Callable[..., Any]:
    """Makes a port of Neutron's."""

    def make(label: str = "default", *, active: bool = True, subnets: Any = (), **meta: Any) -> Any:
        network = model.Network(id=str(uuid.uuid4()), label=label, subnets=list(subnets), **meta)
        return model.VIF(id=str(uuid.uuid4()), address="fa:16:3e:00:00:01", network=network, active=active)

    return make


@pytest.fixture
def spawn(request_context: Any, image_meta: Any) -> Callable[..., None]:
    """Calls a driver's spawn as nova-compute does."""

    def call(driver: Any, instance: Any, **more: Any) -> None:
        given: dict[str, Any] = {
            "image_meta": image_meta,
            "injected_files": [],
            "admin_password": None,
            "allocations": {},
            "network_info": [],
            "block_device_info": {},
        }
        driver.spawn(request_context, instance, **given | more)

    return call


@pytest.fixture
def encoded() -> Callable[[bytes], str]:
    """User data as Nova keeps it."""
    return lambda data: base64.b64encode(data).decode()
