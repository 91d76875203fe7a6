"""Bridges of the host that is the tests' own libvirtd's, and what is heard on them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

BRIDGE: Final = "nvbr0"
OVS: Final = "nvovs0"
SERVED: Final = "192.168.77"
NEAR, FAR = "10.77.0.1", "10.77.0.2"
PATIENCE: Final = 30.0
OWNER: Final = "nova-virt-tests"
SCRIPT: Final = Path(__file__).with_name("plugging_process.py")


@pytest.fixture(scope="session")
def linux_bridge(inside: Any) -> str:
    """A bridge that libvirt has no network for."""
    inside.run("ip", "link", "add", BRIDGE, "type", "bridge")
    inside.run("ip", "link", "set", BRIDGE, "up")
    return BRIDGE


@pytest.fixture
def leases(inside: Any, ovs_bridge: str, tmp_path: Path, eventually: Any) -> Iterator[Callable[[], str]]:
    """What a DHCP server on the bridge of Open vSwitch has leased."""
    leased = tmp_path / "leases"
    process = inside.start(
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--port=0",
        "--no-ping",
        "--bind-dynamic",
        f"--pid-file={tmp_path}/pid",
        f"--interface={ovs_bridge}",
        f"--dhcp-range={SERVED}.10,{SERVED}.200",
        f"--dhcp-leasefile={leased}",
        log=tmp_path / "dnsmasq.log",
    )
    eventually((tmp_path / "pid").exists, f"dnsmasq answers, see {tmp_path}")
    yield lambda: leased.read_text() if leased.exists() else ""
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def ports(inside: Any, ovs_bridge: str) -> Callable[[], list[str]]:
    """The ports of the bridge of Open vSwitch."""
    return lambda: inside.run("ovs-vsctl", "list-ports", ovs_bridge).split()


@pytest.fixture
def heard(inside: Any, open_vswitch: Path) -> Callable[[str], dict[str, str]]:
    """Addresses from which a bridge has got a packet, each with its VLAN."""

    def heard(bridge: str) -> dict[str, str]:
        if bridge == BRIDGE:
            learned = json.loads(inside.run("bridge", "-json", "fdb", "show", "br", bridge))
            return {entry["mac"]: "0" for entry in learned if entry.get("state") != "permanent"}
        shown = inside.run("ovs-appctl", "--target=/run/openvswitch/switch", "fdb/show", bridge).splitlines()[1:]
        return {line.split()[2]: line.split()[1] for line in shown}

    return heard


class Made:
    """Makes guests whose firmware looks for a system on the network: they speak without one.

    Args:
        run: runs a verb.
        make_spec: makes a spec.
        native: a connection that is nobody's.
    """

    def __init__(self, run: Callable[..., Any], make_spec: Callable[..., Any], native: Any) -> None:
        self.run = run
        self._make_spec = make_spec
        self._native = native

    def __call__(self, driver: Any, nic: Any) -> Any:
        """One that has this interface, started."""
        guest = self.run(driver.spawn, self._make_spec(nics=[nic]))
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        definition = etree.fromstring(self._native.lookupByUUID(guest.uuid.bytes).XMLDesc(flags))
        devices: Any = definition.find("devices")
        for disk in devices.findall("disk"):
            disk.remove(disk.find("boot"))
        devices.find("interface").append(E.boot(order="1"))
        self._native.defineXML(etree.tostring(definition, encoding="unicode"))
        self.run(driver.power_on, guest.ref)
        return guest


@pytest.fixture
def made(run: Callable[..., Any], make_spec: Callable[..., Any], native: Any) -> Made:
    """Makes guests that look for a system on the network."""
    return Made(run, make_spec, native)


class Neutron:
    """Describes ports as Nova hands them over.

    Args:
        bridge: the bridge of Open vSwitch.
    """

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge

    def port(self, mac: str, form: str = "VIFOpenVSwitch", **profile: Any) -> tuple[str, str]:
        """The device's name and the description of a port."""
        known = str(uuid4())
        name = f"tap{known}"[:14]
        own = {"vif_name": name, "bridge_name": f"qbr{known}"[:14] if form == "VIFBridge" else self._bridge}
        network = versioned("Network", "1.1", {"id": str(uuid4()), "bridge": self._bridge, "mtu": 1450})
        said = {"interface_id": known, "datapath_type": "netdev", **profile}
        about = {
            "id": known,
            "address": mac,
            "plugin": "ovs",
            "network": network,
            "port_profile": versioned("VIFPortProfileOpenVSwitch", "1.4", said),
        }
        return name, json.dumps(versioned(form, "1.0", {**about, **own}))


def versioned(name: str, version: str, data: dict[str, Any]) -> dict[str, Any]:
    """An object as oslo.versionedobjects writes it."""
    return {
        "versioned_object.name": name,
        "versioned_object.namespace": "os_vif",
        "versioned_object.version": version,
        "versioned_object.data": data,
    }


class Local:
    """The driver where the guests are.

    Args:
        process: it.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def do(self, verb: str, guest: UUID, **more: Any) -> Any:
        """What a verb returns, or the error's code and text; None if the process died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"verb": verb, "uuid": str(guest), **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            assert self.process.wait(60) == -signal.SIGKILL
            return None
        return json.loads(line)


@pytest.fixture
def neutron(ovs_bridge: str) -> Neutron:
    """Describes ports."""
    return Neutron(ovs_bridge)


@pytest.fixture
def start(daemon: Any, inside: Any, open_vswitch: Path) -> Iterator[Callable[..., Local]]:
    """Starts drivers where the guests are; ends them."""
    with starting() as begin:
        yield lambda *dying: begin(daemon, inside, *dying)


@contextmanager
def starting() -> Iterator[Callable[..., Local]]:
    """Starts drivers where guests are, with more options than all have; ends them."""
    started: list[subprocess.Popen[str]] = []

    def start(daemon: Any, inside: Any, *dying: str, **more: Any) -> Local:
        options = {
            "uri": daemon.uri,
            "pool": "nova-virt",
            "owner": OWNER,
            "virt_type": "qemu",
            "ovsdb": "unix:/run/openvswitch/db.sock",
            **more,
        }
        command = [*inside.enter, "-p", sys.executable, str(SCRIPT), json.dumps(options), *dying]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return Local(process)

    yield start
    for process in started:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


@pytest.fixture
def seen(inside: Any, ports: Any) -> Callable[[], set[str]]:
    """Ports of the bridge, and devices of the host that guests have."""
    return lambda: {*ports(), *devices(inside)}


def devices(inside: Any) -> set[str]:
    """Devices of a host that guests have."""
    return {name for name in inside.links() if name.startswith(("tap", "qbr", "qvb", "qvo", "vnet"))}


class Near:
    """One of two hosts, each with a switch of its own, and a driver where its guests are.

    Args:
        daemon: its libvirtd.
        inside: runs commands there.
        begin: starts that driver, with these options or dying.
    """

    def __init__(self, daemon: Any, inside: Any, begin: Callable[..., Local]) -> None:
        self.uri: str = daemon.uri
        self.directory = Path(daemon.directory)
        self.inside = inside
        self.start = partial(begin, daemon, inside)
        self.driver = self.start()
        self.before = self.seen()

    def seen(self) -> set[str]:
        """Ports of the bridge, and devices of the host that guests have, beyond those that were there at first."""
        found = {*self.inside.run("ovs-vsctl", "list-ports", OVS).split(), *devices(self.inside)}
        return found - getattr(self, "before", set())


@pytest.fixture
def near_and_far(
    daemon: Any, inside: Any, ovs_bridge: str, second_daemon: Any, second_inside: Any, second_ovs_bridge: str, raw: Any
) -> Iterator[tuple[Near, Near]]:
    """Two hosts."""
    assert ovs_bridge == second_ovs_bridge == OVS
    peers = {raw().getHostname(): daemon.uri}
    with starting() as begin:
        yield (
            Near(daemon, inside, partial(begin, migration_address=NEAR)),
            Near(second_daemon, second_inside, partial(begin, migration_address=FAR, peers=peers)),
        )
