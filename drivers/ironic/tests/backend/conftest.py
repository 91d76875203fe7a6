"""Drivers for the tests' own Ironic, and operations for them to work on."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova_virt_api.compute.operation import WORKING, DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint, Manage
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import Native
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_ironic.driver import IronicDriver
from nova_virt_ironic.options import GROUP, OPTIONS
from tools.ironic import EnrolledNode, Ironic, NodeSpec, Script

OWNER = "nova-virt-tests"

MakeDriver = Callable[..., IronicDriver]


@pytest.fixture
def make_driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDriver]:
    """Makes drivers for the shared Ironic, or for ``to``, opened unless ``opened=False``; closes them."""
    made: list[IronicDriver] = []

    def make(
        *,
        to: Ironic | None = None,
        owner: str = OWNER,
        manage: Manage = Manage.OWNED,
        opened: bool = True,
        **options: Any,
    ) -> IronicDriver:
        conf = cfg.ConfigOpts()
        conf.register_opts(OPTIONS, group=GROUP)
        conf([], default_config_files=[], default_config_dirs=[])
        ironic = to or request.getfixturevalue("ironic")
        for name, value in {"endpoint": ironic.endpoint, **options}.items():
            conf.set_override(name, value, group=GROUP)
        endpoint = Endpoint(
            driver="ironic",
            options=conf[GROUP],
            owner=owner,
            manage=manage,
            cache_dir=tmp_path / "cache",
            state_dir=tmp_path / "state",
        )
        driver = IronicDriver(endpoint)
        made.append(driver)
        if opened:
            driver.open()
        return driver

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(make_driver: MakeDriver) -> IronicDriver:
    """A driver, connected to the shared Ironic; sees the nodes of all tests."""
    return make_driver()


@pytest.fixture
def operation() -> Iterator[Callable[..., Operation[Any]]]:
    """Makes an operation that has begun, with some seconds' time; ``DriverSide(operation)`` is what a driver gets."""

    def make(seconds: float = 60.0) -> Operation[Any]:
        operation: Operation[Any] = Operation("test", uuid.uuid4(), timeout=seconds)
        assert operation.begin()
        return operation

    yield make
    WORKING.__dict__.clear()  # the tests' thread works for nobody any more


@pytest.fixture
def op(operation: Callable[..., Operation[Any]]) -> DriverSide:
    """A driver's side of an operation with a minute's time."""
    return DriverSide(operation())


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, looking often; fails when it does not within the time."""

    def wait(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            time.sleep(0.01)

    return wait


@pytest.fixture
def make_spec() -> Callable[..., InstanceSpec]:
    """Makes specs of small guests from an image that fake hardware never fetches."""

    def make(**more: Any) -> InstanceSpec:
        usual: dict[str, Any] = {
            "uuid": uuid.uuid4(),
            "name": "guest",
            "memory_bytes": 1024**3,
            "disks": [Disk(source=Native("http://127.0.0.1:9/image.raw"))],
        }
        return InstanceSpec(**(usual | more))

    return make


@pytest.fixture
def deployed(
    driver: IronicDriver,
    op: DriverSide,
    enroll: Callable[..., list[EnrolledNode]],
    make_spec: Callable[..., InstanceSpec],
) -> Callable[..., Instance]:
    """Makes a guest, running, on a new node of the shared Ironic; ``fields`` are further ones of the node."""

    def make(fields: Any = None, *, script: Script | None = None, **more: Any) -> Instance:
        (node,) = enroll(1, NodeSpec(fields=dict(fields or {}), script=script))
        return driver.spawn(make_spec(placement=Placement(node=node.name), **more), op)

    return make
