"""Drivers for the tests' own libvirtd, and guests without an operating system in it."""

import json
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E
from oslo_config import cfg

from nova_virt_api.compute.operation import WORKING, DriverSide, Operation
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
SMALL_POOL = "nova-virt-small"
DRIVER = Path(__file__).resolve().parents[2]
GUIDE = DRIVER.parents[1] / "doc" / "howto"
DYING = Path(__file__).with_name("dying_process.py")

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


@pytest.fixture
def small_pool(raw: Callable[[], Any], daemon: Any, tmp_path: Path) -> Iterator[str]:
    """A pool on a file system of 4 MiB."""
    path, inside = tmp_path / "small", ("nsenter", "-t", str(daemon.inside), "-m")
    path.mkdir()
    subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "size=4m", "small", str(path)], check=True)
    definition = E.pool(E.name(SMALL_POOL), E.target(E.path(str(path))), type="dir")
    raw().storagePoolCreateXML(etree.tostring(definition, encoding="unicode"), 0)
    yield SMALL_POOL
    raw().storagePoolLookupByName(SMALL_POOL).destroy()
    subprocess.run([*inside, "umount", str(path)], check=True)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Runs a driver's verb as ``Compute`` would, with two minutes' time or less."""

    def run(verb: Callable[..., Any], *arguments: Any, timeout: float = 120.0, **more: Any) -> Any:
        operation: Operation[Any] = Operation(verb.__name__, None, timeout=timeout)
        assert operation.begin()
        return verb(*arguments, op=DriverSide(operation), **more)

    return run


@pytest.fixture
def dying(daemon: Any, native: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Does verbs of a file beside the test, each in a process that dies at a moment; see ``dying_process``."""
    started: list[subprocess.Popen[str]] = []

    def start(verbs: str, *, afterwards: bool = False, **options: Any) -> Callable[..., bool]:
        command = [sys.executable, str(DYING), str(request.path.with_name(verbs))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        common: dict[str, Any] = {"owner": OWNER, "home": str(tmp_path), "afterwards": afterwards}
        common["options"] = {"uri": daemon.uri, "pool": POOL, **options}

        def dies(number: int, verb: str, **asked: Any) -> bool:
            """Whether it died; False if the verb was done before that."""
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(common | {"number": number, "verb": verb} | asked) + "\n")
            process.stdin.flush()
            outcome = process.stdout.readline().strip()
            assert outcome in ("killed", "done")
            return outcome == "killed"

        return dies

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


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


@pytest.fixture
def program() -> Callable[..., str]:
    """Gives a program of the guide, which names itself in its first line, with the tests' own names in it."""

    def read(name: str, replaced: Mapping[str, str]) -> str:
        pages = (DRIVER / "README.md", GUIDE / "libvirt.md", *sorted((GUIDE / "libvirt").glob("*.md")))
        block = re.compile(rf"^```python\n# {name}\.py\n(.*?)^```$", re.DOTALL | re.MULTILINE)
        [code] = [code for page in pages for code in block.findall(page.read_text())]
        for there, here in replaced.items():
            assert there in code
            code = code.replace(there, here)
        return str(code)

    return read


@pytest.fixture
def run_program(program: Callable[..., str], tmp_path: Path) -> Callable[..., list[str]]:
    """Runs a program of the guide as it stands there, but for the names; gives the lines that it prints.

    ``enter`` leads the program to another place, e.g. where the tests' own libvirtd is.
    """

    def run(name: str, replaced: Mapping[str, str], *, enter: Sequence[str] = ()) -> list[str]:
        done = subprocess.run(
            [*enter, sys.executable, "-c", program(name, replaced)],
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run
