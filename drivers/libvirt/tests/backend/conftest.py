"""Drivers for the tests' own libvirtd, and guests without an operating system in it."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E
from oslo_config import cfg

from nova_virt_api.compute.operation import WORKING
from nova_virt_api.driver.endpoint import Endpoint, Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Cancelled, Timeout
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.metadata import Mark
from nova_virt_libvirt.options import GROUP, OPTIONS

OWNER = "nova-virt-tests"
POOL = "nova-virt"

MakeDriver = Callable[..., LibvirtDriver]
MakeGuest = Callable[..., InstanceRef]


@pytest.fixture
def native(raw: Callable[[], Any]) -> Any:
    """A ``virConnect`` for what somebody else does to the endpoint."""
    return raw()


@pytest.fixture
def make_driver(daemon: Any, native: Any, tmp_path: Path) -> Iterator[MakeDriver]:
    """Makes drivers for the private daemon, opened unless ``opened=False``; closes them."""
    made: list[LibvirtDriver] = []

    def make(
        *, owner: str = OWNER, manage: Manage = Manage.OWNED, opened: bool = True, **options: Any
    ) -> LibvirtDriver:
        conf = cfg.ConfigOpts()
        conf.register_opts(OPTIONS, group=GROUP)
        conf([], default_config_files=[], default_config_dirs=[])
        for name, value in {"uri": daemon.uri, "pool": POOL, **options}.items():
            conf.set_override(name, value, group=GROUP)
        endpoint = Endpoint(
            driver="libvirt",
            options=conf[GROUP],
            owner=owner,
            manage=manage,
            cache_dir=tmp_path / "cache",
            state_dir=tmp_path / "state",
        )
        driver = LibvirtDriver(endpoint)
        made.append(driver)
        if opened:
            driver.open()
        return driver

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def driver(make_driver: MakeDriver) -> LibvirtDriver:
    """A driver, connected."""
    return make_driver()


class Work:
    """An operation, as a driver sees one; remembers the stages."""

    def __init__(self, seconds: float) -> None:
        self.stages: list[Stage | str] = []
        self._deadline = time.monotonic() + seconds
        self._cancelled = threading.Event()
        self._callbacks: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Ask to cancel."""
        self._cancelled.set()
        for callback in self._callbacks:
            callback()

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        if cancel is not CancelMode.NONE:
            self.checkpoint()
        self._callbacks = []
        self.stages.append(stage)

    def progress(self, done: float, total: float) -> None:
        assert done >= 0
        assert total == 0 or done <= total

    def checkpoint(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled("cancelled by the test")
        if not self.remaining():
            raise Timeout("the test's operation")

    def on_cancel(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def on_complete_now(self, callback: Callable[[], None]) -> None:
        self.complete_now = callback

    def remaining(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.checkpoint()
            self._cancelled.wait(0.02)


@pytest.fixture
def operation() -> Callable[..., Work]:
    """Makes an operation with some seconds' time."""
    return lambda seconds=60.0: Work(seconds)


@pytest.fixture
def op(operation: Callable[..., Work]) -> Work:
    """An operation with a minute's time."""
    return operation()


@pytest.fixture
def blank(raw: Callable[[], Any]) -> Iterator[MakeGuest]:
    """Defines guests without an operating system, and starts them if ``on``; removes them."""
    made: list[InstanceRef] = []

    def make(
        name: str = "blank", *, owner: str | None = OWNER, on: bool = False, devices: tuple[Any, ...] = (), **more: Any
    ) -> InstanceRef:
        guest = InstanceRef(uuid=uuid.uuid4())
        made.append(guest)
        domain = raw().defineXML(blank_xml(name, guest, owner, devices, **more))
        if on:
            domain.create()
        return guest

    yield make
    for guest in made:
        remove(raw(), guest)


def blank_xml(
    name: str, guest: InstanceRef, owner: str | None, devices: tuple[Any, ...] = (), *, labels: Any = None
) -> str:
    """A guest that needs nothing and does nothing; marked as its owner's if it has one."""
    metadata = []
    if owner is not None:
        record = Record(
            uuid=guest.uuid, owner=owner, fingerprint="0" * 64, phase=Phase.READY, native_id=str(guest.uuid)
        )
        metadata.append(E.metadata(Mark(record, labels or {}).element()))
    domain = E.domain(
        E.name(name),
        E.uuid(str(guest.uuid)),
        *metadata,
        E.memory("16", unit="MiB"),
        E.vcpu("1"),
        E.os(E.type("hvm", arch="x86_64", machine="q35")),
        E.features(E.acpi()),
        E.devices(E.memballoon(model="none"), *devices),
        type="qemu",
    )
    return etree.tostring(domain, encoding="unicode")


def remove(native: Any, guest: InstanceRef) -> None:
    """Remove a guest in whatever state it is."""
    try:
        domain = native.lookupByUUID(guest.uuid.bytes)
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise


@pytest.fixture(autouse=True)
def nothing_under_way() -> Iterator[None]:
    """An operation that a test began on its own thread is over with the test, also for ``Compute``."""
    yield
    vars(WORKING).clear()


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a guest behind on the private daemon, and remove it so that the next does not suffer."""
    if not {"raw", "native", "daemon"} & set(request.fixturenames):
        yield
        return
    connect = request.getfixturevalue("raw")
    yield
    native = connect()
    left = native.listAllDomains(0)
    names = [domain.name() for domain in left]
    for domain in left:
        remove(native, InstanceRef(uuid=uuid.UUID(domain.UUIDString())))
    assert not names, f"guests left behind: {names}"


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, looking often; fails when it does not within the time."""

    def wait(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            time.sleep(0.01)

    return wait
