"""A guest's network interfaces: seen, attached and detached while it lives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_conformance.aftermath import leaving_as_is, leaving_nothing
from nova_virt_conformance.calls import NO_INTERFACE
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotVerified
from nova_virt_conformance.verb import RUNNING, SHUTDOWN

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.interface import Interface
    from nova_virt_api.model.nic import Nic

MAC = "52:54:00:c0:de:07"

BOTH = pytest.mark.parametrize("state", [RUNNING, SHUTDOWN], ids=lambda state: state.value)
"""A guest that gets it at once, and one that has it when it starts."""


def connected(lab: Lab, state: PowerState) -> Instance:
    """A guest with one interface that is connected."""
    return lab.spawn(nics=(lab.rig.new_nic(),), power_on=state is RUNNING)


def attach(lab: Lab, guest: Instance, nic: Nic | None = None) -> Interface:
    """Give a guest one more interface."""
    return lab.compute.attach_interface(guest, nic or lab.rig.new_nic(), timeout=lab.patience)


def detach(lab: Lab, guest: Instance, interface: Interface) -> None:
    """Take an interface away."""
    with lab.rig.letting_go(guest.uuid):
        lab.compute.detach_interface(guest, interface, timeout=lab.patience)


def ids(compute: Compute, guest: Instance) -> list[str]:
    """The ids of a guest's interfaces, in order."""
    return [interface.id for interface in compute.interfaces(guest)]


def check_backend(lab: Lab, guest: Instance) -> None:
    """See that the driver shows the interfaces that the backend has; a machine's ports have an order of their own."""
    shown, there = list(lab.compute.interfaces(guest)), list(lab.rig.hardware(guest.uuid).nics)
    if lab.whole_nodes:
        shown.sort(key=lambda interface: interface.mac or "")
        there.sort(key=lambda card: card.mac or "")
    assert len(shown) == len(there), f"{len(shown)} interfaces are shown, the backend has {len(there)}"
    known = {name: network.name for network in lab.compute.networks() for name in (network.name, network.id)}
    for interface, card in zip(shown, there, strict=True):
        assert interface.network in (None, known.get(card.network)), f"{interface} is on {card.network}"
        for name in ("mac", "model", "vif_id"):
            said, found = getattr(interface, name), getattr(card, name)
            assert None in (said, found) or said == found, f"{interface.id}: {name} is {found} and shown as {said}"


# --- seen -------------------------------------------------------------------------------------------------------------


@covers(Capability.INTERFACES, Interfaces.interfaces)
def test_interfaces_are_those_that_were_asked_for(lab: Lab) -> None:
    """A guest's interfaces are those of its spec, with ids of their own, the same each time and for everybody."""
    stopped = connected(lab, SHUTDOWN)
    shown = lab.compute.interfaces(stopped)
    assert len(shown) == 1
    assert all(interface.id for interface in shown), "an interface without an id"
    assert all(interface.mac is None or interface.mac == interface.mac.lower() for interface in shown)
    check_backend(lab, stopped)
    for compute in (lab.compute, lab.second, lab.other):
        assert list(compute.interfaces(stopped)) == list(shown)


@covers(Capability.INTERFACES, Interfaces.interfaces)
def test_guest_without_nics_has_no_interfaces(lab: Lab) -> None:
    """A guest that was made without NICs has no interfaces."""
    assert list(lab.compute.interfaces(lab.spawn(nics=(), power_on=False))) == []


@covers(Capability.INTERFACES, Interfaces.interfaces, Driver.power_on)
def test_interfaces_keep_their_ids(lab: Lab) -> None:
    """An interface has the same id while the guest runs, when it was stopped and when it runs again."""
    stopped = connected(lab, SHUTDOWN)
    before = ids(lab.compute, stopped)
    for _ in range(2):
        lab.compute.power_on(stopped, timeout=lab.patience)
        assert ids(lab.compute, stopped) == before
        lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
    assert ids(lab.second, stopped) == before


# --- attached ---------------------------------------------------------------------------------------------------------


@BOTH
@covers(Capability.INTERFACES, Interfaces.attach_interface, Interfaces.interfaces)
def test_attached_interface_is_there(lab: Lab, state: PowerState) -> None:
    """An interface that was attached is shown, to others too, and is there on the backend; those before it stay."""
    guest = lab.guest(state)
    before = lab.compute.interfaces(guest)
    nic = lab.rig.new_nic()
    added = attach(lab, guest, nic)
    assert added.id not in {interface.id for interface in before}, "the id of another interface"
    assert nic.vif_id in (None, added.vif_id), f"VIF {nic.vif_id} was asked for, it is {added.vif_id}"
    for compute in (lab.compute, lab.second):
        shown = compute.interfaces(guest)
        assert added in shown
        assert [one for one in shown if one != added] == list(before)
    check_backend(lab, guest)
    assert lab.compute.instance(guest, fresh=True).power_state is state


@covers(Capability.INTERFACES, Interfaces.attach_interface, Driver.power_off, Driver.power_on)
def test_attached_interface_survives_a_restart(lab: Lab, running: Instance) -> None:
    """A running guest that was given an interface still has it after it was stopped and started."""
    attach(lab, running)
    before = ids(lab.compute, running)
    lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    assert ids(lab.compute, running) == before
    lab.compute.power_on(running, timeout=lab.patience)
    assert ids(lab.compute, running) == before
    check_backend(lab, running)


@covers(Capability.INTERFACES, Feature.NIC_MAC, Interfaces.attach_interface)
def test_interface_with_a_mac_is_attached_once(lab: Lab, running: Instance) -> None:
    """Attaching a MAC address that the guest has already returns its interface, over any connection."""
    nic = replace(lab.rig.new_nic(), mac=MAC)
    first = attach(lab, running, nic)
    assert first.mac == MAC
    with leaving_as_is(lab, running.uuid, "the same attach again"):
        assert attach(lab, running, nic).id == first.id
        assert lab.second.attach_interface(running, nic, timeout=lab.patience).id == first.id
    assert [one.mac for one in lab.compute.interfaces(running)].count(MAC) == 1


@covers(Capability.INTERFACES, Feature.NIC_VIF, Interfaces.attach_interface)
def test_vif_is_attached_once(lab: Lab, running: Instance) -> None:
    """Attaching a VIF that the guest has already returns its interface, over any connection."""
    nic = lab.rig.new_vif()
    first = attach(lab, running, nic)
    assert first.vif_id == nic.vif_id
    with leaving_as_is(lab, running.uuid, "the same attach again"):
        assert attach(lab, running, nic).id == first.id
        assert lab.second.attach_interface(running, nic, timeout=lab.patience).id == first.id


@covers(Feature.NIC_VIF, Driver.spawn)
def test_guest_is_made_with_a_vif(lab: Lab) -> None:
    """A NIC that names a VIF of a network service is that one."""
    nic = lab.rig.new_vif()
    guest = lab.spawn(nics=(nic,))
    found = [card.vif_id for card in lab.rig.hardware(guest.uuid).nics]
    if found == [None]:
        if not lab.compute.capabilities().has(Capability.INTERFACES):
            raise NotVerified("neither the rig's hardware() nor the endpoint tells VIFs")
        found = [interface.vif_id for interface in lab.compute.interfaces(guest)]
    assert found == [nic.vif_id]


@covers(Capability.INTERFACES, Interfaces.attach_interface)
def test_each_attach_without_a_name_adds_one(lab: Lab, stopped: Instance) -> None:
    """Two interfaces that are attached one after the other are two, each with an id and an address of its own."""
    before = ids(lab.compute, stopped)
    added = [attach(lab, stopped) for _ in range(2)]
    assert sorted(ids(lab.compute, stopped)) == sorted([*before, *(one.id for one in added)])
    macs = [one.mac for one in lab.compute.interfaces(stopped) if one.mac is not None]
    assert len(set(macs)) == len(macs), "two interfaces have the same address"


# --- detached ---------------------------------------------------------------------------------------------------------


@BOTH
@covers(Capability.INTERFACES, Interfaces.detach_interface, Interfaces.interfaces)
def test_detached_interface_is_gone(lab: Lab, state: PowerState) -> None:
    """An interface that was detached is gone when the verb returns, also on the backend; the others stay."""
    guest = connected(lab, state)
    added = attach(lab, guest)
    first = next(one for one in lab.compute.interfaces(guest) if one.id != added.id)
    detach(lab, guest, first)
    assert ids(lab.compute, guest) == ids(lab.second, guest) == [added.id]
    check_backend(lab, guest)
    assert lab.compute.instance(guest, fresh=True).power_state is state


@covers(Capability.INTERFACES, Interfaces.detach_interface)
def test_detach_is_idempotent(lab: Lab, running: Instance) -> None:
    """Detaching what is detached, or never was there, succeeds and changes nothing."""
    before = ids(lab.compute, running)
    added = attach(lab, running)
    detach(lab, running, added)
    with leaving_as_is(lab, running.uuid, "a detach of what is not there"):
        lab.second.detach_interface(running, added.id, timeout=lab.patience)
        lab.compute.detach_interface(running, NO_INTERFACE, timeout=lab.patience)
    assert ids(lab.compute, running) == before


@covers(Capability.INTERFACES, Interfaces.attach_interface, Interfaces.detach_interface)
def test_attach_and_detach_leave_nothing(lab: Lab, running: Instance) -> None:
    """What an attach makes is removed by the detach, or with the guest."""
    with leaving_nothing(lab, "an attach and a detach"):
        detach(lab, running, attach(lab, running))
    with leaving_nothing(lab, "a guest's life"):
        guest = lab.spawn()
        attach(lab, guest)
        lab.compute.destroy(guest, timeout=lab.patience)


@covers(Capability.INTERFACES, Interfaces.attach_interface, Driver.spawn)
def test_same_spawn_returns_a_guest_with_its_interfaces(lab: Lab) -> None:
    """The same spec again finds a guest that was given an interface, and leaves it as it is."""
    spec = lab.spec(power_on=False)
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    attach(lab, guest)
    before = ids(lab.compute, guest)
    with leaving_as_is(lab, guest.uuid, "the same spawn again"):
        lab.compute.spawn(spec, timeout=lab.patience)
    assert ids(lab.compute, guest) == before
