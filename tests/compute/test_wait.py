"""Waiting for a guest."""

import socket
import threading
from ipaddress import ip_address

import pytest

import nova_virt_api as virt
from nova_virt_api import Address, until
from nova_virt_api.compute.until import HasAddress, PortOpen
from nova_virt_api.fake.switches import Switches


def addressed(guest: virt.Instance, *addresses: str) -> virt.Instance:
    from dataclasses import replace

    return replace(guest, addresses=tuple(Address(ip=ip_address(text)) for text in addresses))


@pytest.mark.parametrize(
    ("condition", "addresses", "holds"),
    [
        (until.address(), [], False),
        (until.address(), ["169.254.3.4"], False),
        (until.address(), ["fe80::1"], False),
        (until.address(), ["127.0.0.1"], False),
        (until.address(), ["fe80::1", "192.0.2.7"], True),
        (until.address(family=4), ["2001:db8::1"], False),
        (until.address(family=6), ["192.0.2.7", "2001:db8::1"], True),
        (until.address(cidr="192.0.2.0/24"), ["198.51.100.1"], False),
        (until.address(cidr="192.0.2.0/24"), ["198.51.100.1", "192.0.2.7"], True),
        (until.address(cidr="169.254.0.0/16"), ["169.254.3.4"], True),
        (until.address(cidr="2001:db8::/32", family=6), ["2001:db8::1"], True),
    ],
)
def test_addresses_that_count(guest: virt.Instance, condition: HasAddress, addresses: list[str], holds: bool) -> None:
    assert condition.holds(addressed(guest, *addresses)) is holds


def test_unknown_addresses_do_not_count(guest: virt.Instance) -> None:
    from dataclasses import replace

    unknown = replace(guest, addresses=None)
    assert not until.address().holds(unknown)
    assert "addresses not known" in until.address().seen(unknown)


def test_port_is_open_when_it_accepts(guest: virt.Instance) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        assert until.port(number).holds(addressed(guest, "127.0.0.1"))
    assert not PortOpen(number).holds(addressed(guest, "127.0.0.1"))
    assert not PortOpen(number).holds(addressed(guest))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: until.address(family=5), "family"),
        (lambda: until.address(cidr="192.0.2.1/24"), "cidr"),
        (lambda: until.port(0), "port"),
        (lambda: until.state("running"), "state"),  # type: ignore[arg-type]
    ],
)
def test_bad_condition_is_refused(make: object, field: str) -> None:
    with pytest.raises(virt.InvalidSpec) as caught:
        make()  # type: ignore[operator]
    assert caught.value.field == field


def test_wait_returns_the_guest_as_it_is_then(compute: virt.Compute, guest: virt.Instance) -> None:
    found = compute.wait_for(guest, until.state(virt.PowerState.RUNNING), timeout=5)
    assert found.power_state is virt.PowerState.RUNNING
    assert found.uuid == guest.uuid


def test_wait_is_woken_by_an_event(compute: virt.Compute, switches: Switches, guest: virt.Instance) -> None:
    threading.Timer(0.05, switches.outside.crash, [guest]).start()
    found = compute.wait_for(guest, until.state(virt.PowerState.CRASHED), timeout=10)
    assert found.power_state is virt.PowerState.CRASHED


def test_wait_for_an_agent_and_for_the_end(compute: virt.Compute, switches: Switches, guest: virt.Instance) -> None:
    switches.outside.set_agent(guest, connected=True)
    assert compute.wait_for(guest, until.agent(), timeout=5).agent is True
    threading.Timer(0.05, switches.outside.remove, [guest]).start()
    compute.wait_for(guest, until.gone(), timeout=10)
    compute.wait_for(guest, until.gone(), timeout=10)


def test_timeout_says_what_was_seen_last(compute: virt.Compute, guest: virt.Instance) -> None:
    with pytest.raises(virt.Timeout, match=r"waited 0\.2 s for an address in 198.* last seen: running, ") as caught:
        compute.wait_for(guest, until.address(cidr="198.51.100.0/24"), timeout=0.2)
    assert caught.value.state_after is virt.StateAfter.UNCHANGED


def test_guest_that_vanishes_ends_the_wait(compute: virt.Compute, switches: Switches, guest: virt.Instance) -> None:
    threading.Timer(0.05, switches.outside.remove, [guest]).start()
    with pytest.raises(virt.InstanceNotFound):
        compute.wait_for(guest, until.state(virt.PowerState.PAUSED), timeout=10)


def test_lost_connection_does_not_end_the_wait(compute: virt.Compute, switches: Switches, guest: virt.Instance) -> None:
    switches.lose_connection(calls=4)
    compute.wait_for(guest, until.state(virt.PowerState.RUNNING), timeout=10)
