"""Guests without an operating system, directories for them to share, and eyes on the processes that serve these."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.share import HostDirectory, Share
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.driver import LibvirtDriver

PATIENCE = 60.0
RESETS = 0.5
PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory below which guests may share."""
    found = tmp_path.resolve() / "shares"
    found.mkdir()
    return found


@pytest.fixture
def new_share(root: Path) -> Callable[..., Share]:
    """Makes shares, each of a directory of its own."""

    def make(tag: str) -> Share:
        path = root / tag
        path.mkdir(parents=True)
        return Share(tag=tag, source=HostDirectory(path=str(path)))

    return make


@pytest.fixture
def driver(make_driver: Callable[..., LibvirtDriver], root: Path) -> LibvirtDriver:
    """A driver, connected, that shares what is below the root."""
    return make_driver(share_directories=[str(root)])


@pytest.fixture
def spawn(driver: LibvirtDriver, run: Callable[..., Any]) -> Iterator[Callable[..., InstanceRef]]:
    """Spawns guests that are off and removes them in the end."""
    made: list[UUID] = []

    def spawn(**fields: Any) -> InstanceRef:
        name = f"guest-{uuid.uuid4().hex[:8]}"
        disks = [Disk(source=Blank(), size_bytes=MiB(8))]
        defaults: dict[str, Any] = {"name": name, "memory_bytes": MiB(16), "disks": disks, "power_on": False}
        spec = InstanceSpec(**({"uuid": uuid.uuid4()} | defaults | fields))
        made.append(spec.uuid)
        found: InstanceRef = run(driver.spawn, spec).ref
        return found

    yield spawn
    for guest in made:
        run(driver.destroy, InstanceRef(uuid=guest))


class Servers:
    """The processes that serve directories below a root, and their sockets."""

    def __init__(self, root: Path, state: Path) -> None:
        self._root = root
        self._state = state

    def processes(self) -> list[str]:
        """Their command lines."""
        return list(self._running().values())

    def kill(self) -> None:
        """End them hard, as one does that crashes."""
        for process in self._running():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _running(self) -> dict[int, str]:
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = path.read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it has ended
                continue
            if "virtiofsd" in text and f"source={self._root}/" in text:
                found[int(path.parent.name)] = text
        return found

    def sockets(self) -> list[Path]:
        """The sockets that guests reach them by."""
        return list(self._state.glob("domain-*/*-fs.sock"))

    def await_end(self) -> None:
        """Return once none is left; libvirt stops them when the guest is gone, and the kernel takes its time."""
        end = time.monotonic() + PATIENCE
        while (self.processes() or self.sockets()) and time.monotonic() < end:
            time.sleep(0.05)
        assert self.processes() == []
        assert self.sockets() == []


@pytest.fixture
def servers(root: Path, daemon: Any) -> Servers:
    """Eyes on the processes."""
    return Servers(root, daemon.directory / "lib" / "qemu")


@pytest.fixture
def resets(native: Any) -> Callable[..., AbstractContextManager[None]]:
    """Resets a guest again and again: one without an operating system lets go of a card only then."""

    @contextmanager
    def resetting(guest: InstanceRef) -> Iterator[None]:
        over = threading.Event()

        def reset() -> None:
            while not over.wait(RESETS):
                native.lookupByUUID(guest.uuid.bytes).reset(0)

        thread = threading.Thread(target=reset)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    return resetting


@pytest.fixture
def definition(native: Any) -> Callable[..., Any]:
    """Reads a guest's definition."""

    def read(guest: InstanceRef, flags: int = 0) -> Any:
        return etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags), PARSER)

    return read
