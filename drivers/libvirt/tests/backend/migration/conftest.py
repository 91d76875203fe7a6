"""Two hosts on one machine, each with a libvirtd of its own, and guests that move between them."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

import nova_virt_api as virt

OWNER = "nova-virt-tests"
POOL = "nova-virt"
SHARED = "shared"
SMALL = "small"
ADDRESSES = ("10.77.0.1", "10.77.0.2")
SCRIPT = Path(__file__).with_name("moving_process.py")

WRITES_MEMORY: Final = bytes.fromhex(
    "fa 31c0 8ed8 0f0116407c 0f20c0 0c01 0f22c0 bb0800 8edb 24fe 0f22c0"  # let DS reach all memory
    "baf803 b057 ee"  # print a W
    "6642 66bf00001000 66678917 6681c700100000 6681ff00009001 72ec ebe2"  # a word to each page from 1 to 25 MiB
    "0f00 467c0000 0000000000000000 ffff00000092cf00"  # the segment
)
"""A boot sector's code that prints a W, then writes a word to each page from 1 MiB to 25 MiB, over and over."""

ONE_PARTITION: Final = bytes.fromhex("80 000200 83 002000 01000000 ff070000")
"""Without a table of partitions this would not pass as a disk."""


class Host:
    """One of the two.

    Args:
        daemon: its libvirtd.
        raw: gives a connection to it that is nobody's.
        address: where the other host sends guests.
    """

    def __init__(self, daemon: Any, raw: Callable[[], Any], address: str) -> None:
        self.daemon = daemon
        self.raw = raw
        self.address = address

    def options(self, **more: Any) -> dict[str, Any]:
        """The driver's options for this host."""
        return {
            "uri": self.daemon.uri,
            "pool": POOL,
            "virt_type": "qemu",
            "owner": OWNER,
            "migration_address": self.address,
            **more,
        }

    def domains(self) -> list[str]:
        """Uuids of all its domains."""
        return sorted(domain.UUIDString() for domain in self.raw().listAllDomains(0))

    def traces(self, guest: UUID) -> list[str]:
        """Everything of a guest on this host's own storage and in libvirt's own directories, and its domain."""
        found = [str(path.name) for place in ("images", "small") for path in self._files(place)]
        found += [str(path.name) for path in self._files("lib/qemu/nvram")]
        return sorted(name for name in found if str(guest) in name or str(guest)[:8] in name) + [
            name for name in self.domains() if name == str(guest)
        ]

    def state(self, guest: UUID) -> int:
        """The state of a guest's domain, in libvirt's numbers."""
        return int(self.raw().lookupByUUID(guest.bytes).state()[0])

    def _files(self, place: str) -> list[Path]:
        directory = Path(self.daemon.directory) / place
        return sorted(directory.iterdir()) if directory.is_dir() else []


@pytest.fixture(scope="session")
def hosts(
    daemon: Any, raw: Any, second_daemon: Any, second_raw: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Host, Host]:
    """The two hosts, which also see one directory both, as if it were on NFS."""
    shared = tmp_path_factory.mktemp("shared")
    hosts = Host(daemon, raw, ADDRESSES[0]), Host(second_daemon, second_raw, ADDRESSES[1])
    for host in hosts:
        small = host.daemon.directory / "small"
        small.mkdir()
        inside = ("nsenter", "-t", str(host.daemon.inside), "-m")
        if host is hosts[1]:
            subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "size=4m", "small", str(small)], check=True)
        for name, path in ((SHARED, shared), (SMALL, small)):
            definition = E.pool(E.name(name), E.target(E.path(str(path))), type="dir")
            host.raw().storagePoolDefineXML(etree.tostring(definition, encoding="unicode")).create()
    return hosts


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., virt.Compute]]:
    """Connects to a host as its operator would; disconnects in the end."""
    made: list[virt.Compute] = []

    def connect(host: Host, **options: Any) -> virt.Compute:
        places: dict[str, Any] = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
        compute = virt.connect("libvirt", **places, **host.options(**options))
        made.append(compute)
        return compute

    yield connect
    for compute in made:
        compute.close(cancel=True)


@pytest.fixture
def source(hosts: tuple[Host, Host], connect: Callable[..., virt.Compute]) -> virt.Compute:
    """Where guests are at first."""
    return connect(hosts[0])


@pytest.fixture
def destination(hosts: tuple[Host, Host], connect: Callable[..., virt.Compute]) -> virt.Compute:
    """Where they are to go."""
    return connect(hosts[1])


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> virt.LocalFile:
    """An image of 6 MiB that cannot be left out when it is copied, without an operating system."""
    path = tmp_path_factory.mktemp("image") / "image.raw"
    path.write_bytes(os.urandom(6 * 1024**2))
    return virt.LocalFile(path, format=virt.ImageFormat.RAW)


@pytest.fixture(scope="session")
def restless_image(tmp_path_factory: pytest.TempPathFactory) -> virt.LocalFile:
    """An image whose guest changes 24 MiB of its memory all the time."""
    path = tmp_path_factory.mktemp("restless") / "image.raw"
    path.write_bytes(
        WRITES_MEMORY.ljust(446, b"\0") + ONE_PARTITION.ljust(64, b"\0") + b"\x55\xaa" + bytes(1024**2 - 512)
    )
    return virt.LocalFile(path, format=virt.ImageFormat.RAW)


@pytest.fixture
def restless(
    spawn: Callable[..., virt.Instance], restless_image: virt.LocalFile, eventually: Callable[..., None]
) -> Callable[..., virt.Instance]:
    """Makes guests that change more memory within a moment than can be sent within it, and already do so."""

    def make(compute: virt.Compute) -> virt.Instance:
        guest = spawn(compute, disks=[virt.Disk(source=restless_image)], memory_bytes=virt.MiB(32))
        eventually(lambda: b"W" in compute.console_log(guest), "the guest writes to its memory", 90)
        return guest

    return make


@pytest.fixture
def make_spec() -> Callable[..., virt.InstanceSpec]:
    """Makes specs of small guests without an operating system."""

    def make(**fields: Any) -> virt.InstanceSpec:
        new = uuid.uuid4()
        standard: dict[str, Any] = {
            "uuid": new,
            "name": f"moved-{str(new)[:8]}",
            "memory_bytes": virt.MiB(16),
            "disks": [virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(4))],
        }
        return virt.InstanceSpec(**(standard | fields))

    return make


@pytest.fixture
def spawn(
    hosts: tuple[Host, Host], source: virt.Compute, make_spec: Callable[..., virt.InstanceSpec]
) -> Iterator[Callable[..., virt.Instance]]:
    """Makes guests at the source, and removes whatever is left of them at both ends."""
    made: list[UUID] = []

    def spawn(by: virt.Compute | None = None, **fields: Any) -> virt.Instance:
        spec = make_spec(**fields)
        made.append(spec.uuid)
        return (by or source).spawn(spec, timeout=60)

    yield spawn
    for host in hosts:
        for guest in made:
            wipe(host, guest)


def wipe(host: Host, guest: UUID) -> None:
    """Remove all of a guest from a host, natively."""
    try:
        domain = host.raw().lookupByUUID(guest.bytes)
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
    for name in (POOL, SHARED, SMALL):
        pool = host.raw().storagePoolLookupByName(name)
        pool.refresh(0)
        for volume in pool.listAllVolumes(0):
            if volume.name().startswith(str(guest)):
                volume.delete(0)


class Processes:
    """Starts processes that do one thing each, with one end's driver or with both."""

    def __init__(self, hosts: tuple[Host, Host], home: Path) -> None:
        self._hosts = hosts
        self._home = home
        self.started: list[subprocess.Popen[str]] = []

    def start(self, what: str, guest: UUID, ticket: str = "", **options: Any) -> subprocess.Popen[str]:
        """Begin one."""
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.started.append(process)
        places = {"cache_dir": str(self._home / "cache"), "state_dir": str(self._home / "state")}
        ends = [host.options(**places, **options) for host in self._hosts]
        assert process.stdin is not None
        process.stdin.write(json.dumps({"what": what, "guest": str(guest), "ticket": ticket, "ends": ends}) + "\n")
        process.stdin.flush()
        return process

    def outcome(self, process: subprocess.Popen[str]) -> dict[str, str]:
        """What it ended with: a ticket, or an error's code and text."""
        assert process.stdout is not None
        line = process.stdout.readline()
        assert process.wait(120) == 0
        found: dict[str, str] = json.loads(line)
        return found

    def run(self, what: str, guest: UUID, ticket: str = "", **options: Any) -> dict[str, str]:
        """Do it all."""
        return self.outcome(self.start(what, guest, ticket, **options))


@pytest.fixture
def processes(hosts: tuple[Host, Host], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Starts processes; ends those that are left."""
    processes = Processes(hosts, tmp_path_factory.mktemp("processes"))
    yield processes
    for process in processes.started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
