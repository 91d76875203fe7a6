"""Guests with ports that os-vif makes move between two hosts, each with an Open vSwitch and a driver of its own."""

from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

MAC = "52:54:00:0e:00:01"
FORMS = pytest.mark.parametrize(
    ("form", "profile"),
    [("VIFOpenVSwitch", {}), ("VIFOpenVSwitch", {"create_port": True}), ("VIFBridge", {})],
    ids=["by libvirt", "by os-vif", "hybrid"],
)


def port_of(name: str, form: str) -> str:
    """What a port of the bridge is called whose device has this name."""
    return f"qvo{name.removeprefix('tap')}" if form == "VIFBridge" else name


def from_afar(host: Any) -> str:
    """A host's endpoint as it is called on another machine, reached by a command, as if through a tunnel."""
    tunnel: Path = host.directory / "tunnel"
    tunnel.write_text(f"#!/bin/sh\nexec virt-ssh-helper '{host.uri}'\n")
    tunnel.chmod(0o700)
    return f"qemu+ext://another.example/system?command={tunnel}"


def live(host: Any, guest: UUID, phase: str, **more: Any) -> Any:
    """Do a phase of a live migration."""
    return host.do("live", guest, phase=phase, **more)


def prepared(near: Any, far: Any, guest: UUID, **more: Any) -> str:
    """The ticket of a live migration that is prepared."""
    offered = live(far, guest, "check_destination")
    planned = live(near, guest, "check_source", ticket=offered)
    return str(live(far, guest, "prepare", ticket=planned, **more))


@FORMS
@pytest.mark.timeout(200)
def test_a_stopped_guest_moves(form: str, profile: dict[str, Any], neutron: Any, near_and_far: Any) -> None:
    (near, far), guest = near_and_far, uuid4()
    name, here = neutron.port(MAC, form, **profile)
    other, there = neutron.port(MAC, form, **profile)
    assert near.driver.do("spawn", guest, properties=here) == "RUNNING"
    near.driver.do("stop", guest)
    ticket = near.driver.do("resize", guest)
    assert "at the source only" in far.driver.do("finish", guest, ticket=ticket)
    assert far.seen() == set()
    for _ in range(2):
        assert far.driver.do("finish", guest, ticket=ticket, properties=there) == "RUNNING"
    assert port_of(other, form) in far.seen()
    assert str(guest) in far.inside.run("ovs-vsctl", "get", "interface", port_of(other, form), "external_ids")
    assert far.driver.do("destroy", guest) is True
    assert far.seen() == set()
    assert near.driver.do("revert", guest) is None
    assert port_of(name, form) in near.seen()
    near.driver.do("stop", guest)
    ticket = near.driver.do("resize", guest)
    assert far.driver.do("finish", guest, ticket=ticket, properties=there) == "RUNNING"
    assert [near.driver.do("confirm", guest) for _ in range(2)] == [None, None]
    assert near.seen() == set()
    assert port_of(other, form) in far.seen()
    assert far.driver.do("detach", guest, mac=MAC).startswith("network")  # nothing in it answers
    assert far.driver.do("destroy", guest) is True
    assert far.seen() == set()


@FORMS
@pytest.mark.timeout(200)
def test_a_running_guest_moves(form: str, profile: dict[str, Any], neutron: Any, near_and_far: Any) -> None:
    (near, far), guest = near_and_far, uuid4()
    name, here = neutron.port(MAC, form, **profile)
    other, there = neutron.port(MAC, form, **profile)
    assert near.driver.do("spawn", guest, properties=here) == "RUNNING"
    assert "at the source only" in prepared(near.driver, far.driver, guest)
    assert far.seen() == set()
    ticket = prepared(near.driver, far.driver, guest, properties=there)
    if form == "VIFBridge":
        assert port_of(other, form) in far.seen()
    assert live(far.driver, guest, "rollback_destination", ticket=ticket) is None
    assert far.seen() == set()
    ticket = prepared(near.driver, far.driver, guest, properties=there)
    assert live(near.driver, guest, "migrate", ticket=ticket) is None
    assert near.seen() == set()
    assert live(far.driver, guest, "finish_destination") == "RUNNING"
    assert live(near.driver, guest, "finish_source", ticket=ticket) is None
    assert port_of(other, form) in far.seen()
    assert str(guest) in far.inside.run("ovs-vsctl", "get", "interface", port_of(other, form), "external_ids")
    assert [far.driver.do(verb, guest) for verb in ("stop", "start")] == [None, None]
    assert port_of(other, form) in far.seen()
    back = prepared(far.driver, near.driver, guest, properties=here)
    assert live(far.driver, guest, "migrate", ticket=back) is None
    assert live(near.driver, guest, "finish_destination") == "RUNNING"
    assert live(far.driver, guest, "finish_source", ticket=back) is None
    assert far.seen() == set()
    assert port_of(name, form) in near.seen()
    assert near.driver.do("destroy", guest) is True
    assert near.seen() == set()
    assert [host.driver.do("leftovers", guest) for host in near_and_far] == [[], []]


@pytest.mark.timeout(200)
def test_a_port_is_replaced_on_its_own_host(neutron: Any, near_and_far: Any) -> None:
    (near, _), guest = near_and_far, uuid4()
    name, first = neutron.port(MAC, create_port=True)
    other, second = neutron.port(MAC, create_port=True)
    assert near.driver.do("spawn", guest, properties=first, power_on=False) == "SHUTDOWN"
    for _ in range(2):
        ticket = near.driver.do("resize", guest)
        assert near.driver.do("finish", guest, ticket=ticket, properties=second) == "RUNNING"
        assert near.seen() == {other}
        near.inside.run("ovs-vsctl", "del-port", other)  # as a restart of the host may do
        assert near.driver.do("revert", guest) is None
        assert near.seen() == {name}
        near.driver.do("stop", guest)
    near.driver.do("resize", guest)
    near.inside.run("ovs-vsctl", "del-port", name)
    assert near.driver.do("revert", guest, properties=second) is None
    assert near.seen() == {other}
    assert near.driver.do("release", guest).startswith("not-supported")
    assert near.driver.do("destroy", guest) is True
    assert near.seen() == set()


@pytest.mark.timeout(200)
def test_nobody_plugs_for_another_machine(neutron: Any, near_and_far: Any) -> None:
    """The destination's driver is asked to make a port from afar, the source's to move what it could not remove."""
    (near, far), guest = near_and_far, uuid4()
    _, properties = neutron.port(MAC, create_port=True)
    assert near.driver.do("spawn", guest, properties=properties) == "RUNNING"
    offered = live(far.driver, guest, "check_destination")
    planned = live(near.driver, guest, "check_source", ticket=offered)
    afar = far.start(uri=from_afar(far))
    refused = live(afar, guest, "prepare", ticket=planned, properties=properties)
    assert "migration" in refused
    assert "hypervisor's host" in refused
    assert "hypervisor's host" in live(near.start(uri=from_afar(near)), guest, "check_source", ticket=offered)
    near.driver.do("stop", guest)
    ticket = near.driver.do("resize", guest)
    assert "hypervisor's host" in afar.do("finish", guest, ticket=ticket, properties=properties)
    assert far.seen() == set()
    assert near.driver.do("destroy", guest) is True
    assert near.seen() == set()


@pytest.mark.timeout(900)
def test_a_stopped_guests_mover_is_killed(neutron: Any, near_and_far: Any) -> None:
    """At every step: whoever comes next goes on, or takes it back, and there is no port that nobody knows of."""
    (near, far), guest = near_and_far, uuid4()
    name, here = neutron.port(MAC, create_port=True)
    other, there = neutron.port(MAC, create_port=True)
    asked = {"ticket": "", "properties": there}

    def dies(host: Any, number: int, verb: str, **more: Any) -> bool:
        dying = host.start("step", str(number))
        dying.do(verb, guest, **more)
        return dying.process.poll() is not None

    killed = True
    for number in count(1):
        if not killed:
            break
        assert near.driver.do("spawn", guest, properties=here, power_on=False) == "SHUTDOWN"
        asked["ticket"] = near.driver.do("resize", guest)
        killed = dies(far, number, "finish", **asked)
        if number % 3 == 0:
            assert far.driver.do("finish", guest, **asked) == "RUNNING"
            assert far.seen() == {other}
        far.driver.do("destroy", guest)
        assert far.seen() == set()
        killed |= dies(near, number, "revert", properties=here)
        assert near.driver.do("revert", guest, properties=here) is None
        assert near.seen() == {name}
        near.driver.do("stop", guest)
        asked["ticket"] = near.driver.do("resize", guest)
        assert far.driver.do("finish", guest, **asked) == "RUNNING"
        killed |= dies(near, number, "confirm")
        assert near.driver.do("confirm", guest) is None
        assert (near.seen(), far.seen()) == (set(), {other})
        assert far.driver.do("destroy", guest) is True
    assert number > 6
    assert [(host.driver.do("leftovers", guest), host.seen()) for host in near_and_far] == [([], set())] * 2


@pytest.mark.timeout(900)
def test_a_running_guests_mover_is_killed(neutron: Any, near_and_far: Any) -> None:
    (near, far), guest = near_and_far, uuid4()
    _, here = neutron.port(MAC, create_port=True)
    other, there = neutron.port(MAC, create_port=True)

    def dies(host: Any, number: int, phase: str, **more: Any) -> bool:
        dying = host.start("step", str(number))
        live(dying, guest, phase, **more)
        return dying.process.poll() is not None

    killed = True
    for number in count(1):
        if not killed:
            break
        assert near.driver.do("spawn", guest, properties=here) == "RUNNING"
        ticket = live(near.driver, guest, "check_source", ticket=live(far.driver, guest, "check_destination"))
        killed = dies(far, number, "prepare", ticket=ticket, properties=there)
        if number % 3 == 0:
            assert live(far.driver, guest, "rollback_destination", ticket=ticket) is None
            assert far.seen() == set()
        elif number % 3 == 1:
            far.driver.do("destroy", guest)
            assert far.seen() == set()
        ready = live(far.driver, guest, "prepare", ticket=ticket, properties=there)
        killed |= dies(near, number, "migrate", ticket=ready)
        assert live(near.driver, guest, "migrate", ticket=ready) is None
        killed |= dies(far, number, "finish_destination")
        assert live(far.driver, guest, "finish_destination") == "RUNNING"
        assert live(near.driver, guest, "finish_source", ticket=ready) is None
        assert (near.seen(), far.seen()) == (set(), {other})
        assert not [path for path in (far.directory / "images").iterdir() if ".ports." in path.name]
        assert far.driver.do("destroy", guest) is True
    assert number > 6
    assert [(host.driver.do("leftovers", guest), host.seen()) for host in near_and_far] == [([], set())] * 2
