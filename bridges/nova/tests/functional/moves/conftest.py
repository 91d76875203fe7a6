"""A cloud of two compute hosts on one machine, each with a libvirtd of its own, and a cable between them."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import libvirt  # before Nova's test case forbids it to whom has not imported it yet
import pytest
from lxml import etree
from lxml.builder import E
from nova.tests import fixtures as nova_fixtures
from nova.tests.fixtures import CinderFixture

SCRIPT = Path(__file__).parents[5] / "drivers" / "libvirt" / "tests" / "private_libvirtd.py"
POOL, NETWORK, CABLE = "nova-virt", "default", "cable"
NAMES = ("compute1", "compute2")
ADDRESSES = {"compute1": "10.77.0.1", "compute2": "10.77.0.2"}


class Host:
    """A compute host: its libvirtd, in namespaces of its own.

    Args:
        name: its name at Nova.
        process: runs ``private_libvirtd.py``.
        directory: its state.
    """

    def __init__(self, name: str, process: Any, directory: Path) -> None:
        self.name = name
        self.process = process
        self.directory = directory
        self.uri: str = json.loads(process.stdout.readline())["uri"]
        self.native = libvirt.open(self.uri)

    @property
    def inside(self) -> int:
        """The process in whose namespaces it is."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def furnish(self) -> None:
        """Give it a network and a pool, and its end of the cable an address."""
        bridge = E.network(E.name(NETWORK), E.bridge(name="virbr0", stp="off"))
        self.native.networkDefineXML(etree.tostring(bridge, encoding="unicode")).create()
        place = E.pool(E.name(POOL), E.target(E.path(str(self.directory / "images"))), type="dir")
        pool = self.native.storagePoolDefineXML(etree.tostring(place, encoding="unicode"))
        pool.build(0)
        pool.create(0)
        for command in (("address", "add", f"{ADDRESSES[self.name]}/24", "dev", CABLE), ("link", "set", CABLE, "up")):
            subprocess.run(["nsenter", "-t", str(self.inside), "-n", "ip", *command], check=True)

    def options(self) -> dict[str, Any]:
        """The driver's options for it."""
        address = ADDRESSES[self.name]
        return {"uri": self.uri, "pool": POOL, "virt_type": "qemu", "migration_address": address}

    def definition(self, server: Any) -> Any:
        """What libvirt says of a server's domain."""
        return etree.fromstring(self.native.lookupByUUIDString(server["id"]).XMLDesc(0))

    def secrets(self, server: Any) -> list[str]:
        """The passwords of a server's volumes that its libvirt keeps, by their names."""
        names = [str(secret.usageID()) for secret in self.native.listAllSecrets(0)]
        return [name for name in names if server["id"] in name]

    def traces(self, server: Any) -> list[str]:
        """Everything that it has of a server."""
        pool = self.native.storagePoolLookupByName(POOL)
        pool.refresh(0)
        domains = [domain.name() for domain in self.native.listAllDomains(0) if domain.UUIDString() == server["id"]]
        return domains + [volume.name() for volume in pool.listAllVolumes(0) if server["id"] in volume.name()]


@contextmanager
def host(name: str) -> Iterator[Host]:
    """A host, which ends with all its guests."""
    with TemporaryDirectory(prefix="nova-virt-", ignore_cleanup_errors=True) as directory:
        command = [sys.executable, str(SCRIPT), directory]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            found = Host(name, process, Path(directory))
            try:
                yield found
            finally:
                found.native.close()
                assert process.stdin is not None
                process.stdin.close()
                process.wait(120)


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Host]]:
    """The two hosts. Fails, never skips, where they cannot be."""
    if os.geteuid() != 0:
        pytest.fail("these tests start libvirtd of their own, which takes root", pytrace=False)
    with ExitStack() as stack:
        found = {name: stack.enter_context(host(name)) for name in NAMES}
        one, other = (str(found[name].inside) for name in NAMES)
        cable = ("type", "veth", "peer", "name", CABLE, "netns", other)
        subprocess.run(["ip", "link", "add", CABLE, "netns", one, *cable], check=True)
        for each in found.values():
            each.furnish()
        yield found


@pytest.fixture
def cloud(make_cloud: Any, hosts: dict[str, Host]) -> Iterator[Any]:
    """A cloud of the two hosts, one nova-compute for each; what it leaves there fails the test."""
    owner = f"nova-tests-{uuid.uuid4().hex[:8]}"
    nova = {"owner": owner, "networks": {"private": NETWORK}, "node_uuids": "endpoint"}
    cloud = make_cloud("libvirt", hosts["compute1"].options(), **nova)
    cloud.flags(shutdown_timeout=0)  # no system is there to be asked
    cloud.flags(group="nova_virt", options=[f"{key}={value}" for key, value in hosts["compute2"].options().items()])
    with nova_fixtures.ConfPatcher(host="compute2"):
        cloud.start_service("compute", host="compute2")
    yield cloud
    left = {name: [domain.name() for domain in each.native.listAllDomains(0)] for name, each in hosts.items()}
    assert left == {name: [] for name in NAMES}, "guests left behind"


class Target:
    """An iSCSI target on the first host, which both hosts reach and which asks for a password.

    Args:
        host: the host.
        backing: the file behind its only logical unit.
    """

    IQN, PORT = "iqn.2026-11.org.nova-virt:moves", 3260
    USER, PASSWORD = "tester", "chap-secret-0815"

    def __init__(self, host: Host, backing: Path) -> None:
        self._backing = backing
        self._enter = ("nsenter", "-t", str(host.inside), "-n")
        self._control = ("-C", str(os.getpid() % 32768))
        self.command = [*self._enter, "tgtd", "--foreground", *self._control, "--iscsi", f"portal={self.portal}"]

    @property
    def portal(self) -> str:
        """Where it listens."""
        return f"{ADDRESSES['compute1']}:{self.PORT}"

    def answers(self) -> bool:
        """Whether its daemon takes commands."""
        return self._admin("--mode", "sys", "--op", "show").returncode == 0

    def set_up(self) -> None:
        """Make the target and let whoever knows the password in."""
        target = ("--tid", "1")
        for arguments in (
            ("--mode", "target", "--op", "new", *target, "--targetname", self.IQN),
            ("--mode", "account", "--op", "new", "--user", self.USER, "--password", self.PASSWORD),
            ("--mode", "account", "--op", "bind", *target, "--user", self.USER),
            ("--mode", "target", "--op", "bind", *target, "--initiator-address", "ALL"),
            ("--mode", "logicalunit", "--op", "new", *target, "--lun", "1", "--backing-store", str(self._backing)),
        ):
            self._admin(*arguments).check_returncode()

    def connection_info(self) -> dict[str, Any]:
        """The logical unit, as Cinder tells of it."""
        reached = {"target_portal": self.portal, "target_iqn": self.IQN, "target_lun": 1}
        chap = {"auth_method": "CHAP", "auth_username": self.USER, "auth_password": self.PASSWORD}
        return {"driver_volume_type": "iscsi", "data": {**reached, **chap}}

    def _admin(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        command = [*self._enter, "tgtadm", "--lld", "iscsi", *self._control, *arguments]
        return subprocess.run(command, check=False, capture_output=True)


@pytest.fixture
def volume(cloud: Any, hosts: dict[str, Host], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A volume that Cinder's stand-in knows."""
    backing, volume_id = tmp_path / "lun.raw", str(uuid.uuid4())
    backing.touch()
    os.truncate(backing, 8 * 1024**2)
    target = Target(hosts["compute1"], backing)
    with subprocess.Popen(target.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            cloud.wait(lambda: target.answers() or server.poll() is not None, "the target answers")
            target.set_up()
            monkeypatch.setitem(CinderFixture.VOLUME_CONNECTION_INFO, volume_id, target.connection_info())
            yield volume_id
        finally:
            server.kill()  # it ends by no other signal while it has sessions


@pytest.fixture
def image(cloud: Any, tmp_path: Path) -> str:
    """An image in Glance that cannot be left out when it is copied, without an operating system."""
    path = tmp_path / "image.raw"
    path.write_bytes(os.urandom(16 * 1024**2))
    return str(cloud.add_image(path, "raw"))
