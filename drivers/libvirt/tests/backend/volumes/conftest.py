"""Volumes for guests: files, an NBD server, and an iSCSI target in the private daemon's own network."""

import itertools
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import LuksEncryption, Volume
from nova_virt_api.model.volume_connection import BlockVolume, FileVolume, IscsiVolume, NbdVolume
from nova_virt_libvirt.driver import LibvirtDriver

SIZE = MiB(8)
PASSPHRASE = "open-sesame-4711"
CHAP = ("tester", "chap-secret-0815")
PORTAL = "127.0.0.1:3260"
LISTENS = "0.0.0.0:3260"
"""Other hosts reach it too."""

CONTROL_PORT = str(os.getpid() % 32768)
PATIENCE = 120.0


@pytest.fixture
def spawn(driver: LibvirtDriver, run: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Spawns guests without an operating system and removes them in the end."""
    made: list[UUID] = []

    def spawn(**fields: Any) -> Any:
        name = f"guest-{uuid.uuid4().hex[:8]}"
        disks = [Disk(source=Blank(), size_bytes=SIZE)]
        defaults: dict[str, Any] = {"uuid": uuid.uuid4(), "name": name, "memory_bytes": MiB(16), "disks": disks}
        spec = InstanceSpec(**(defaults | fields))
        made.append(spec.uuid)
        return run(driver.spawn, spec)

    yield spawn
    for guest in made:
        run(driver.destroy, InstanceRef(uuid=guest))


class Files:
    """Files that become volumes."""

    def __init__(self, directory: Path, encrypted: Path) -> None:
        self._directory = directory
        self._encrypted = encrypted
        self._numbers = itertools.count()

    def path(self, size: int = SIZE, *, format: str = "raw", data: bytes = b"") -> Path:
        """A new file."""
        path = self._directory / f"volume{next(self._numbers)}.{format}"
        subprocess.run(["qemu-img", "create", "-q", "-f", format, str(path), str(size)], check=True)
        if data:
            with path.open("r+b") as file:
                file.write(data)
        return path

    def volume(self, size: int = SIZE, *, data: bytes = b"", **fields: Any) -> Volume:
        """A volume that is a raw file."""
        path = self.path(size, data=data)
        return Volume(id=str(uuid.uuid4()), connection=FileVolume(path=str(path)), **fields)

    def luks(self, **fields: Any) -> Volume:
        """A volume that is encrypted."""
        path = self._directory / f"volume{next(self._numbers)}.luks"
        shutil.copy(self._encrypted, path)
        return Volume(
            id=str(uuid.uuid4()),
            connection=FileVolume(path=str(path)),
            encryption=LuksEncryption(passphrase=Secret(PASSPHRASE)),
            **fields,
        )


@pytest.fixture(scope="session")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that was formatted with LUKS."""
    directory = tmp_path_factory.mktemp("encrypted")
    path, secret = directory / "volume.luks", directory / "passphrase"
    secret.write_text(PASSPHRASE)
    command = ["qemu-img", "create", "-q", "-f", "luks", "--object", f"secret,id=s,file={secret}"]
    command += ["-o", "key-secret=s,iter-time=10", str(path), str(SIZE)]
    for _ in range(50):  # on a busy machine QEMU cannot tell how long it takes to try a passphrase
        if subprocess.run(command, check=False).returncode == 0:
            return path
    pytest.fail("qemu-img formats no LUKS volume", pytrace=False)


@pytest.fixture
def files(tmp_path: Path, encrypted: Path) -> Files:
    """Files that become volumes."""
    return Files(tmp_path, encrypted)


@pytest.fixture
def nbd(tmp_path: Path, files: Files, eventually: Any) -> Iterator[Volume]:
    """A volume of an NBD server."""
    socket = tmp_path / "nbd.socket"
    command = ["qemu-nbd", "--socket", str(socket), "--format", "raw", "--shared", "5", "--persistent"]
    server = subprocess.Popen([*command, "--export-name", "data", str(files.path())])
    eventually(socket.exists, "the NBD server listens")
    yield Volume(id=str(uuid.uuid4()), connection=NbdVolume(socket=str(socket), export="data"))
    server.kill()
    server.wait()


@pytest.fixture
def block(files: Files) -> Iterator[Volume]:
    """A volume that is a block device of the host: a file behind a loop device."""
    attach = ["losetup", "--find", "--show", str(files.path())]
    device = subprocess.run(attach, check=True, capture_output=True, text=True).stdout.strip()
    yield Volume(id=str(uuid.uuid4()), connection=BlockVolume(path=device))
    subprocess.run(["losetup", "--detach", device], check=True)


NFS_SERVER = """
NFS_CORE_PARAM { Protocols = 3; mount_path_pseudo = false; Enable_NLM = false; Enable_RQUOTA = false; }
EXPORT_DEFAULTS { Protocols = 3; Transports = TCP; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; }
EXPORT { Export_Id = 1; Path = %s; Pseudo = /volumes; FSAL { Name = VFS; } }
"""


@pytest.fixture(scope="session")
def nfs(daemon: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that a server in the private daemon's own network exports by NFS; QEMU is its only client."""
    directory = tmp_path_factory.mktemp("nfs")
    export, settings = directory / "export", directory / "ganesha.conf"
    export.mkdir()
    settings.write_text(NFS_SERVER % export)
    enter = ["nsenter", "--target", str(daemon.inside), "--net", "--mount", "--pid"]
    server = [
        *enter,
        "ganesha.nfsd",
        "-F",
        "-f",
        str(settings),
        "-L",
        str(directory / "log"),
        "-p",
        str(directory / "pid"),
    ]
    with closing_process([*enter, "rpcbind", "-f"]), closing_process(server) as serving:
        end = time.monotonic() + PATIENCE
        while b"mountd" not in asked([*enter, "rpcinfo", "-p", "127.0.0.1"]):
            assert serving.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < end, "the NFS server is not there: does another rpcbind hold /run/rpcbind.lock?"
            time.sleep(0.1)
        yield export


def asked(command: list[str]) -> bytes:
    """What a command prints, whatever it ends with."""
    return subprocess.run(command, check=False, capture_output=True).stdout


@contextmanager
def closing_process(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends with the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Target:
    """An iSCSI target that asks for a password, with one logical unit after the other.

    Args:
        directory: for the logical units.
        enter: what leads a command into the private daemon's network.
    """

    IQN = "iqn.2026-11.org.nova-virt:tests"

    def __init__(self, directory: Path, enter: list[str]) -> None:
        self._directory = directory
        self._enter = enter
        self._numbers = itertools.count(1)

    def set_up(self) -> None:
        """Make the target and let whoever knows the password in."""
        self.admin("--mode", "target", "--op", "new", "--tid", "1", "--targetname", self.IQN)
        self.admin("--mode", "account", "--op", "new", "--user", CHAP[0], "--password", CHAP[1])
        self.admin("--mode", "account", "--op", "bind", "--tid", "1", "--user", CHAP[0])
        self.admin("--mode", "target", "--op", "bind", "--tid", "1", "--initiator-address", "ALL")

    def volume(self, size: int = SIZE, password: str = CHAP[1], content: Path | None = None) -> Volume:
        """A new logical unit, empty or with an image's content."""
        lun = next(self._numbers)
        path = self._directory / f"lun{lun}.raw"
        path.touch()
        os.truncate(path, size)
        if content is not None:
            command = ["qemu-img", "convert", "-n", "-f", "qcow2", "-O", "raw", str(content), str(path)]
            subprocess.run(command, check=True)
        unit = ("--tid", "1", "--lun", str(lun))
        self.admin("--mode", "logicalunit", "--op", "new", *unit, "--backing-store", str(path))
        reached = IscsiVolume(
            portal=PORTAL, iqn=self.IQN, lun=lun, chap_username=CHAP[0], chap_password=Secret(password)
        )
        return Volume(id=f"lun-{lun}-{uuid.uuid4()}", connection=reached)

    def content(self, volume: Volume) -> bytes:
        """What is on a logical unit."""
        assert isinstance(volume.connection, IscsiVolume)
        return (self._directory / f"lun{volume.connection.lun}.raw").read_bytes()

    def initiators(self) -> str:
        """Who has logged in."""
        return self.admin("--mode", "target", "--op", "show")

    def answers(self) -> bool:
        """Whether the target's daemon takes commands."""
        shown = subprocess.run([*self._command, "--mode", "sys", "--op", "show"], capture_output=True, check=False)
        return shown.returncode == 0

    def admin(self, *arguments: str) -> str:
        """Tell the target's daemon something."""
        return subprocess.run([*self._command, *arguments], check=True, capture_output=True, text=True).stdout

    @property
    def _command(self) -> list[str]:
        return [*self._enter, "tgtadm", "--lld", "iscsi", "-C", CONTROL_PORT]


@pytest.fixture(scope="session")
def target(daemon: Any, raw: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An iSCSI target that the private daemon's guests reach on loopback."""
    enter = ["nsenter", "--target", str(daemon.process_id), "--net"]
    command = [*enter, "tgtd", "--foreground", "-C", CONTROL_PORT, "--iscsi", f"portal={LISTENS}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    target = Target(tmp_path_factory.mktemp("target"), enter)
    wait_for(target, server)
    target.set_up()
    yield target
    server.kill()
    server.wait()


def wait_for(target: Target, server: "subprocess.Popen[bytes]") -> None:
    """Return once the target's daemon takes commands."""
    while not target.answers():
        assert server.poll() is None, "tgtd ended"


class Kinds:
    """A volume of each kind, which two hosts reach.

    Args:
        files: makes files.
        target: the iSCSI target.
        nbd: of an NBD server.
        block: a block device.
        address: of the host on which the target is, for others.
    """

    def __init__(self, files: Files, target: Target, nbd: Volume, block: Volume, address: str) -> None:
        self.target = target
        self.root = files.volume(boot=True, serial="root")
        self.luks = files.luks(bus=DiskBus.SCSI)
        self.lun = target.volume()
        self.nbd, self.block = nbd, block
        self._address = address

    @property
    def far_lun(self) -> Volume:
        """The logical unit, as another host reaches it."""
        reached = self.lun.connection
        assert isinstance(reached, IscsiVolume)
        return replace(self.lun, connection=replace(reached, portal=f"{self._address}:3260"))

    def passwords(self) -> list[str]:
        """All that open them."""
        return [PASSPHRASE, CHAP[1]]


@pytest.fixture
def kinds(files: Files, target: Target, nbd: Volume, block: Volume, daemon: Any, second_daemon: Any) -> Kinds:
    """A volume of each kind, which two hosts reach."""
    return Kinds(files, target, nbd, block, daemon.address)


class Seen:
    """What somebody else sees of guests.

    Args:
        native: a connection.
    """

    def __init__(self, native: Any) -> None:
        self._native = native

    def disks(self, guest: Any, flags: int = 0) -> list[Any]:
        """The disks of a guest: as it runs (0), or as it will be started (``VIR_DOMAIN_XML_INACTIVE``)."""
        definition = self._native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags)
        return etree.fromstring(definition).findall("devices/disk")

    def secrets(self) -> list[str]:
        """The names of all secrets that libvirt keeps."""
        return sorted(secret.usageID() for secret in self._native.listAllSecrets(0))


@pytest.fixture
def seen(native: Any) -> Seen:
    """What somebody else sees of guests."""
    return Seen(native)


@pytest.fixture
def far_seen(second_raw: Any) -> Seen:
    """What somebody else sees of guests on a second host."""
    return Seen(second_raw())
