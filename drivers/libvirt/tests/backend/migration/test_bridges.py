"""Running guests on bridges of their hosts move, to bridges and networks of others."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

import nova_virt_api as virt

BRIDGE = "nvbr1"
MAC = "52:54:00:b1:00:07"


def inside(host: Any, *command: str) -> str:
    """What a command prints that is run in a host's network."""
    enter = ["nsenter", "-t", str(host.daemon.inside), "-n"]
    return subprocess.run([*enter, *command], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def bridged(hosts: Any) -> Iterator[Any]:
    """Both hosts, each with a bridge of this name."""
    for host in hosts:
        inside(host, "ip", "link", "add", BRIDGE, "type", "bridge")
        inside(host, "ip", "link", "set", BRIDGE, "up")
    yield hosts
    for host in hosts:
        inside(host, "ip", "link", "delete", BRIDGE)


def plugged(host: Any) -> int:
    """How many ports the host's bridge has."""
    return len(inside(host, "ip", "-oneline", "link", "show", "master", BRIDGE).splitlines())


def test_a_guest_on_a_bridge_moves(bridged: Any, source: virt.Compute, destination: virt.Compute, spawn: Any) -> None:
    port = virt.BridgePort(bridge=BRIDGE)
    guest = spawn(nics=[virt.Nic(binding=port, mac=MAC)])
    assert [plugged(host) for host in bridged] == [1, 0]
    moved = source.live_migrate(guest, to=destination, timeout=100)
    assert moved.power_state is virt.PowerState.RUNNING
    assert [plugged(host) for host in bridged] == [0, 1]
    assert [card.binding for card in destination.interfaces(guest)] == [port]
    destination.live_migrate(guest, to=source, nics=[virt.Nic(network="default", mac=MAC)], timeout=100)
    assert [plugged(host) for host in bridged] == [0, 0]
    assert [(card.network, card.binding) for card in source.interfaces(guest)] == [("default", None)]
    source.power_off(guest, mode=virt.PowerOff.HARD, timeout=60)
    source.power_on(guest, timeout=60)
    assert [card.network for card in source.interfaces(guest)] == ["default"]
    source.live_migrate(guest, to=destination, nics=[virt.Nic(binding=port, mac=MAC)], timeout=100)
    assert plugged(bridged[1]) == 1
    assert destination.destroy(guest, timeout=60)
    assert plugged(bridged[1]) == 0


def test_a_guest_stays_where_its_bridge_is(
    bridged: Any, source: virt.Compute, destination: virt.Compute, spawn: Any
) -> None:
    guest = spawn(nics=[virt.Nic(binding=virt.BridgePort(bridge=BRIDGE), mac=MAC)])
    inside(bridged[1], "ip", "link", "set", BRIDGE, "name", "nvbr2")
    try:
        with pytest.raises(virt.MigrationError, match=BRIDGE):
            source.live_migrate(guest, to=destination, timeout=100)
    finally:
        inside(bridged[1], "ip", "link", "set", "nvbr2", "name", BRIDGE)
    assert source.instance(guest, fresh=True).lifecycle is virt.Lifecycle.READY
    assert [plugged(host) for host in bridged] == [1, 0]
