"""Bridges of the host that is the tests' own libvirtd's, and what is heard on them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

BRIDGE: Final = "nvbr0"
SERVED: Final = "192.168.77"
PATIENCE: Final = 30.0


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
