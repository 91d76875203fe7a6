"""Guests made by the driver, and what of them is found on the endpoint."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
import libvirt_qemu
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import GiB, MiB
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.resize.note import pending_note, with_note

OWNER = "nova-virt-tests"
POOL = "nova-virt"
KIT = Path(__file__).parents[5] / "conformance"
SCRIPT = Path(__file__).with_name("spawning_process.py")


@pytest.fixture
def make_spec() -> Callable[..., InstanceSpec]:
    """Makes specs of guests with one blank disk that are not started."""

    def make(**fields: Any) -> InstanceSpec:
        defaults: dict[str, Any] = {
            "uuid": uuid.uuid4(),
            "name": f"guest-{uuid.uuid4().hex[:8]}",
            "memory_bytes": MiB(16),
            "disks": [Disk(source=Blank(), size_bytes=GiB(1))],
            "power_on": False,
        }
        return InstanceSpec(**(defaults | fields))

    return make


@pytest.fixture
def run() -> Callable[..., Any]:
    """Runs a driver's verb as ``Compute`` would, with hooks by stage and a minute's time."""

    def run(verb: Callable[..., Any], *arguments: Any, timeout: float = 60.0, hooks: Any = None, **more: Any) -> Any:
        operation: Operation[Any] = Operation(verb.__name__, None, timeout=timeout, hooks=hooks)
        assert operation.begin()
        return verb(*arguments, op=DriverSide(operation), **more)

    return run


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A qcow2 image without an operating system, with some data in it."""
    directory = tmp_path_factory.mktemp("image")
    raw, image = directory / "image.raw", directory / "image.qcow2"
    raw.write_bytes(os.urandom(8 * 1024**2))
    os.truncate(raw, 64 * 1024**2)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True)
    return image


@pytest.fixture(scope="session")
def guest_image() -> Path:
    """The bootable image, made if it is not in the cache."""
    command = [sys.executable, "-m", "nova_virt_conformance.guest_image", "--print-path"]
    made = subprocess.run(command, cwd=KIT, capture_output=True, text=True, check=True)
    return Path(made.stdout.strip())


class Processes:
    """Starts processes that do one verb each."""

    def __init__(self, uri: str, image: Path, home: Path) -> None:
        self._asked = {"uri": uri, "pool": POOL, "owner": OWNER, "image": str(image), "home": str(home)}
        self.started: list[subprocess.Popen[str]] = []

    def start(self, verb: str, guest: UUID, **more: str) -> subprocess.Popen[str]:
        """A process that has connected and waits for ``go``."""
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.started.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(self._asked | {"verb": verb, "uuid": str(guest)} | more) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        return process

    def go(self, process: subprocess.Popen[str]) -> None:
        """Let it begin."""
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    def outcome(self, process: subprocess.Popen[str]) -> str:
        """What it ended with: a result, or an error's code."""
        assert process.stdout is not None
        line = process.stdout.readline()
        assert process.wait(60) == 0
        return line.strip()

    def dies(self, verb: str, guest: UUID, number: int, **more: str) -> bool:
        """Do it, and die right before the so-many-th call that changes something; False if it was done before that."""
        process = self.start(verb, guest, die_at=str(number), **more)
        self.go(process)
        if process.wait(60) == 0:
            return False
        assert process.returncode == -signal.SIGKILL
        return True

    def run(self, verb: str, guest: UUID) -> str:
        """Do it all."""
        process = self.start(verb, guest)
        self.go(process)
        return self.outcome(process)


@pytest.fixture
def processes(daemon: Any, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Starts processes that do one verb each; ends those that are left."""
    processes = Processes(daemon.uri, image, tmp_path_factory.getbasetemp() / "processes")
    yield processes
    for process in processes.started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


class Traces:
    """What there is of guests on the endpoint."""

    def __init__(self, native: Any, daemon: Any) -> None:
        self._native = native
        self._daemon = daemon

    def volumes(self, guest: UUID | None = None) -> set[str]:
        """Files in the pool's directory, known to libvirt or not; all, or a guest's."""
        files = {path.name for path in (self._daemon.directory / "images").iterdir()}
        return {name for name in files if guest is None or name.startswith(str(guest))}

    def domains(self) -> list[str]:
        """Names of all domains."""
        return sorted(domain.name() for domain in self._native.listAllDomains(0))

    def of(self, guest: UUID) -> list[str]:
        """Everything that bears a guest's uuid."""
        names = [domain.name() for domain in self._native.listAllDomains(0) if domain.UUID() == guest.bytes]
        return sorted(self.volumes(guest)) + names


@pytest.fixture
def traces(native: Any, daemon: Any) -> Traces:
    """What there is of guests on the endpoint."""
    return Traces(native, daemon)


@pytest.fixture
def spawn(driver: LibvirtDriver, run: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Spawns guests and removes them in the end."""
    made: list[UUID] = []

    def spawn(spec: InstanceSpec, *, by: LibvirtDriver | None = None, **more: Any) -> Any:
        made.append(spec.uuid)
        return run((by or driver).spawn, spec, **more)

    yield spawn
    for guest in made:
        run(driver.destroy, InstanceRef(uuid=guest))


@pytest.fixture
def clone(driver: LibvirtDriver, run: Callable[..., Any]) -> Iterator[Callable[..., Instance]]:
    """Makes copies that are not started, and removes them in the end."""
    made: list[UUID] = []

    def clone(guest: Instance, /, *, quiesce: Quiesce = Quiesce.IF_POSSIBLE, **fields: Any) -> Instance:
        standard: dict[str, Any] = {
            "uuid": uuid.uuid4(),
            "name": f"copy-{uuid.uuid4().hex[:8]}",
            "power_on": False,
        }
        asked = CloneSpec(**(standard | fields))
        made.append(asked.uuid)
        copy: Instance = run(driver.clone, guest.ref, asked, quiesce=quiesce)
        return copy

    yield clone
    for copy in made:
        run(driver.destroy, InstanceRef(uuid=copy))


@pytest.fixture
def disk_of(daemon: Any) -> Callable[..., Path]:
    """Where a guest's disk is."""

    def disk_of(guest: Instance, index: int = 0) -> Path:
        path: Path = daemon.directory / "images" / f"{guest.uuid}.disk{index}.qcow2"
        return path

    return disk_of


class SlowCopies:
    """Lets QEMU's copies of a running guest's disks last for as long as a test looks at them.

    The speed of a job can be set once it has begun, when a small disk may be copied already. So the disks are read
    through a filter of QEMU's, below their format, that leaves a few seconds to set it.

    Args:
        domain: finds the guest, also after a restart of libvirtd.
    """

    LIMIT = 48 * 1024**2
    """Bytes in a second, of all disks."""

    def __init__(self, domain: Callable[[], Any]) -> None:
        self._domain = domain
        self._ask("object-add", **{"qom-type": "throttle-group", "id": "slow", "limits": {"bps-read": self.LIMIT}})
        for disk in self._ask("query-block"):
            node = disk["inserted"]["node-name"]
            slow = {"node-name": f"slow-{node}", "throttle-group": "slow", "file": node.replace("format", "storage")}
            self._ask("blockdev-add", driver="throttle", **slow)
            above = {"driver": "qcow2", "node-name": node, "file": slow["node-name"], "discard": "unmap"}
            self._ask("blockdev-reopen", options=[above])

    def keep(self, *targets: str) -> None:
        """Copy these disks slowly, now that the job has begun."""
        for target in targets:
            self._domain().blockJobSetSpeed(target, 1)  # MiB in a second

    def let_go(self, *targets: str) -> None:
        """Copy the rest as fast as can be, where the job is still there."""
        for target in targets:
            with suppress(libvirt.libvirtError):
                self._domain().blockJobSetSpeed(target, 0)

    def _ask(self, execute: str, **arguments: Any) -> Any:
        said = libvirt_qemu.qemuMonitorCommand(
            self._domain(), json.dumps({"execute": execute, "arguments": arguments}), 0
        )
        return json.loads(said)["return"]


@pytest.fixture
def slow_copies(raw: Callable[[], Any]) -> Callable[[Instance], SlowCopies]:
    """Makes QEMU's copies of a running guest's disks slow."""
    return lambda guest: SlowCopies(lambda: raw().lookupByUUID(guest.uuid.bytes))


@pytest.fixture
def made_elsewhere(native: Any) -> Callable[[Any], None]:
    """Makes a prepared guest look as if another host had finished it."""

    def tell(guest: Any) -> None:
        domain = native.lookupByUUID(guest.uuid.bytes)
        mark = read_mark(domain)
        note = None if mark is None else pending_note(mark)
        assert mark is not None
        assert note is not None
        write_mark(domain, with_note(mark, replace(note, destination="another host", made=True)))

    return tell


# --- a second host ----------------------------------------------------------------------------------------------------


@pytest.fixture
def far(second_daemon: Any, second_raw: Any) -> Any:
    """A second host: its libvirtd, with a pool and a network of the same names, and nothing of the first."""
    second_raw()
    return second_daemon


@pytest.fixture
def far_native(second_raw: Any) -> Iterator[Any]:
    """A ``virConnect`` to the second host; what is left there fails the test."""
    native = second_raw()
    yield native
    left = native.listAllDomains(0)
    names = [domain.name() for domain in left]
    for domain in left:
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    assert not names, f"guests left behind: {names}"


@pytest.fixture
def destination(make_driver: Any, far: Any, far_native: Any, near_name: str, daemon: Any) -> Any:
    """A driver of the second host that reaches the first by the option ``peers``."""
    return make_driver(uri=far.uri, peers={near_name: daemon.uri})


@pytest.fixture
def near_name(native: Any) -> str:
    """Name of the first host."""
    return str(native.getHostname())


@pytest.fixture
def far_files(far: Any) -> Any:
    """Files of a guest at the second host."""
    return lambda guest: {
        path.name for path in (far.directory / "images").iterdir() if path.name.startswith(str(guest.uuid))
    }


@pytest.fixture
def make_pool(native: Any) -> Callable[[str, str], Any]:
    """Make a transient pool of this name of a directory."""

    def make(name: str, path: str) -> Any:
        definition = E.pool(E.name(name), E.target(E.path(path)), type="dir")
        return native.storagePoolCreateXML(etree.tostring(definition, encoding="unicode"), 0)

    return make
