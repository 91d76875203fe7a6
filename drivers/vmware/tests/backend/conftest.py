"""Drivers for the tests' own vCenter, and operations for them to work on."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from nova_virt_api.compute.operation import WORKING, DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint, Manage
from nova_virt_api.errors import VirtError
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import Native
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_vmware.driver import VmwareDriver
from nova_virt_vmware.options import GROUP, OPTIONS
from tools.vcsim import Relay, VCenter

OWNER = "nova-virt-tests"
NODE = "DC0_C0"
POOL = "LocalDS_0"

MakeDriver = Callable[..., VmwareDriver]


@pytest.fixture
def make_driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeDriver]:
    """Makes drivers for the shared vCenter, or for ``to``, opened unless ``opened=False``; closes them."""
    made: list[VmwareDriver] = []

    def make(
        *,
        to: VCenter | Relay | None = None,
        owner: str = OWNER,
        manage: Manage = Manage.OWNED,
        opened: bool = True,
        **options: Any,
    ) -> VmwareDriver:
        conf = cfg.ConfigOpts()
        conf.register_opts(OPTIONS, group=GROUP)
        conf([], default_config_files=[], default_config_dirs=[])
        vcenter = to or request.getfixturevalue("vcenter")
        for name, value in {**vcenter.options, **options}.items():
            conf.set_override(name, value, group=GROUP)
        endpoint = Endpoint(
            driver="vmware",
            options=conf[GROUP],
            owner=owner,
            manage=manage,
            cache_dir=tmp_path / "cache",
            state_dir=tmp_path / "state",
        )
        driver = VmwareDriver(endpoint)
        made.append(driver)
        if opened:
            driver.open()
        return driver

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(make_driver: MakeDriver) -> VmwareDriver:
    """A driver, connected to the shared vCenter; sees the guests of all tests."""
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
def in_background() -> Callable[[Callable[[], Any]], "Future[Any]"]:
    """Begins something on a thread that nobody waits for when a test fails."""

    def begin(call: Callable[[], Any]) -> "Future[Any]":
        done: Future[Any] = Future()

        def run() -> None:
            try:
                done.set_result(call())
            except VirtError as error:
                done.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return done

    return begin


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, looking often; fails when it does not within the time."""

    def wait(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            time.sleep(0.01)

    return wait


@pytest.fixture
def make_spec() -> Callable[..., InstanceSpec]:
    """Makes specs of small guests from the template ``small``, in the first cluster and datastore."""

    def make(**more: Any) -> InstanceSpec:
        usual: dict[str, Any] = {
            "uuid": uuid.uuid4(),
            "name": "guest",
            "vcpus": 1,
            "memory_bytes": MiB(128),
            "disks": [Disk(source=Native("small"), size_bytes=MiB(64))],
            "placement": Placement(node=NODE, pool=POOL),
        }
        return InstanceSpec(**(usual | more))

    return make


@pytest.fixture
def spawned(driver: VmwareDriver, op: DriverSide, make_spec: Callable[..., InstanceSpec]) -> Callable[..., Instance]:
    """Makes a guest of the shared vCenter, running."""

    def make(**more: Any) -> Instance:
        return driver.spawn(make_spec(**more), op)

    return make


@pytest.fixture
def vm_of(vcenter: VCenter, native: Callable[[VCenter], Any]) -> Callable[[uuid.UUID], Any]:
    """Gives the virtual machine of a guest, past the driver; None when there is none."""
    index = native(vcenter).content.searchIndex

    def find(guest: uuid.UUID) -> Any:
        found = index.FindAllByUuid(uuid=str(guest), vmSearch=True, instanceUuid=True)
        assert len(found) < 2
        return found[0] if found else None

    return find


@pytest.fixture
def new_op(operation: Callable[..., Operation[Any]]) -> Callable[[], DriverSide]:
    """Makes operations."""
    return lambda: DriverSide(operation())
