"""A libvirtd for the tests alone, with a network and a storage pool in it.

Nothing is skipped: where there is no libvirtd, the tests fail and say what is missing.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_libvirt import event_loop

POOL = "nova-virt"
CABLE = "cable"
ADDRESSES = ("10.77.0.1", "10.77.0.2")
"""Of the two hosts on their cable."""

OVS_BRIDGE: Final = "nvovs0"
OVS_ADDRESS: Final = "192.168.77.1/24"
OVS_SCHEMA: Final = "/usr/share/openvswitch/vswitch.ovsschema"
PATIENCE: Final = 30.0

NEEDED = ("libvirtd", "virtlogd", "qemu-system-x86_64", "unshare", "nsenter", "ip")
NETWORK = """
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='off'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>
  </ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options>
</network>
"""
"""As libvirt's own, but that it does not wait for loops, nor for answers from addresses that nobody has yet."""


class Daemon:
    """A private libvirtd, see ``private_libvirtd.py``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        script = Path(__file__).with_name("private_libvirtd.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self._answer()
        self.uri: str = json.loads(line)["uri"]
        self.address = ""
        """Its host's, where other hosts send guests; empty while there is no other host."""

    @property
    def process_id(self) -> int:
        """A process in the daemon's network, for ``nsenter``."""
        return self._process.pid

    def do(self, action: str) -> None:
        """``restart``, ``stop`` or ``start`` libvirtd; guests run on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{action}\n")
        self._process.stdin.flush()
        assert self._answer() == "done\n"

    @property
    def inside(self) -> int:
        """The process in whose namespaces it is."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(children.split()[0])

    def close(self) -> None:
        """End it and all its guests."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"the private libvirtd ended; see {self.directory}/log", pytrace=False)
        return line


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    """A libvirtd of the tests' own, in namespaces of its own. Fails, never skips, where that cannot be."""
    refuse_without_root()
    with private_daemon() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def second_daemon(daemon: Daemon) -> Iterator[Daemon]:
    """Another host: a second libvirtd with namespaces, uuid and state of its own, connected to the first by a cable."""
    with private_daemon() as second:
        cable = ("type", "veth", "peer", "name", CABLE, "netns", str(second.inside))
        subprocess.run(["ip", "link", "add", CABLE, "netns", str(daemon.inside), *cable], check=True)
        for end, address in ((daemon, ADDRESSES[0]), (second, ADDRESSES[1])):
            end.address = address
            for command in (("address", "add", f"{address}/24", "dev", CABLE), ("link", "set", CABLE, "up")):
                subprocess.run(["nsenter", "-t", str(end.inside), "-n", "ip", *command], check=True)
        yield second


def refuse_without_root() -> None:
    """Fail where a private libvirtd cannot be, and say what is missing."""
    missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        pytest.fail(f"missing: {', '.join(missing)}; run tools/install_system_packages", pytrace=False)
    if os.geteuid() != 0:
        pytest.fail("the backend tests start a libvirtd of their own, which takes root: sudo make test", pytrace=False)


@contextmanager
def private_daemon() -> Iterator[Daemon]:
    """A private libvirtd in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="nova-virt-", ignore_cleanup_errors=True) as directory:
        daemon = Daemon(Path(directory))
        try:
            yield daemon
        finally:
            daemon.close()


@pytest.fixture(scope="session")
def raw(daemon: Daemon) -> Iterator[Callable[[], Any]]:
    """Gives a ``virConnect`` to the private daemon, also after it was restarted."""
    yield from connections_to(daemon)


@pytest.fixture(scope="session")
def second_raw(second_daemon: Daemon) -> Iterator[Callable[[], Any]]:
    """As ``raw``, to the second daemon."""
    yield from connections_to(second_daemon)


def connections_to(daemon: Daemon) -> Iterator[Callable[[], Any]]:
    """Gives a ``virConnect`` to a daemon, which is given its network and pool before."""
    event_loop.ensure("own")
    connections: list[Any] = []

    def connect() -> Any:
        if not connections or not answers(connections[-1]):
            connections.append(libvirt.open(daemon.uri))
        return connections[-1]

    native = connect()
    native.networkDefineXML(NETWORK)
    native.networkLookupByName("default").create()
    path = daemon.directory / "images"
    pool = native.storagePoolDefineXML(
        etree.tostring(E.pool(E.name(POOL), E.target(E.path(str(path))), type="dir"), encoding="unicode")
    )
    pool.build(0)
    pool.create(0)
    pool.setAutostart(1)
    native.networkLookupByName("default").setAutostart(1)
    yield connect
    connections[-1].close()


def answers(native: Any) -> bool:
    """Whether a connection works; that its daemon was restarted shows when it is used."""
    try:
        native.getLibVersion()
    except libvirt.libvirtError:
        return False
    return True


class Inside:
    """Runs commands where the private libvirtd is: in its network and with its mounts."""

    def __init__(self, process_id: int) -> None:
        self.enter = ("nsenter", "-t", str(process_id), "-m", "-n")

    def run(self, *command: str, check: bool = True) -> str:
        """What a command prints."""
        done = subprocess.run([*self.enter, *command], capture_output=True, text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def start(self, *command: str, log: Path) -> "subprocess.Popen[bytes]":
        """A command that goes on until it is ended, or these tests are."""
        with log.open("wb") as output:
            dying = ("setpriv", "--pdeathsig", "TERM")
            return subprocess.Popen(
                [*self.enter, *dying, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def links(self) -> dict[str, str | None]:
        """The network devices, each with the bridge that it is a port of."""
        shown = json.loads(self.run("ip", "-json", "link"))
        return {link["ifname"]: link.get("master") for link in shown}


@pytest.fixture(scope="session")
def inside(daemon: Any, raw: Callable[[], Any]) -> Inside:
    """Runs commands where the private libvirtd is, once that is ready."""
    raw()
    return Inside(daemon.inside)


@pytest.fixture(scope="session")
def open_vswitch(daemon: Any, inside: Inside) -> Iterator[Path]:
    """An Open vSwitch of the tests' own, where libvirt's daemon looks for it; the directory of its sockets."""
    with running_switch(Path(daemon.directory), inside) as home:
        yield home


@pytest.fixture(scope="session")
def ovs_bridge(open_vswitch: Path, inside: Inside) -> str:
    """A bridge of Open vSwitch."""
    add_ovs_bridge(inside)
    inside.run("ip", "address", "add", OVS_ADDRESS, "dev", OVS_BRIDGE)
    inside.run("ip", "link", "set", OVS_BRIDGE, "up")
    return OVS_BRIDGE


@pytest.fixture(scope="session")
def second_inside(second_daemon: Any, second_raw: Callable[[], Any]) -> Inside:
    """Runs commands where the second private libvirtd is."""
    second_raw()
    return Inside(second_daemon.inside)


@pytest.fixture(scope="session")
def second_ovs_bridge(second_daemon: Any, second_inside: Inside) -> Iterator[str]:
    """A bridge of the same name, of another Open vSwitch, on the second host."""
    with running_switch(Path(second_daemon.directory), second_inside):
        add_ovs_bridge(second_inside)
        yield OVS_BRIDGE


@contextmanager
def running_switch(directory: Path, inside: Inside) -> Iterator[Path]:
    """An Open vSwitch where a private libvirtd is."""
    home = directory / "ovs"
    home.mkdir()
    Path("/run/openvswitch").mkdir(exist_ok=True)
    inside.run("mount", "--bind", str(home), "/run/openvswitch")
    inside.run("ovsdb-tool", "create", f"{home}/conf.db", OVS_SCHEMA)
    server = ("ovsdb-server", f"{home}/conf.db", "--remote=punix:/run/openvswitch/db.sock")
    with ExitStack() as ending:
        for command, control in ((server, "server"), (("ovs-vswitchd",), "switch")):
            log = directory / "log" / f"{command[0]}.log"
            process = inside.start(*command, f"--unixctl=/run/openvswitch/{control}", log=log)
            ending.callback(process.wait, PATIENCE)
            ending.callback(process.terminate)
            wait_for((home / control).is_socket, f"{command[0]} answers, see {log}")
            inside.run("ovs-vsctl", "--no-wait", "init")
        yield home
    inside.run("umount", "/run/openvswitch")


def add_ovs_bridge(inside: Inside) -> None:
    """Make the bridge there."""
    inside.run("ovs-vsctl", "add-br", OVS_BRIDGE, "--", "set", "bridge", OVS_BRIDGE, "datapath_type=netdev")


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)
