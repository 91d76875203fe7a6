"""Interfaces that are plugged into a port outside of the endpoint's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.interfaces import Interfaces
from nova_virt_conformance.aftermath import leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.suite.interfaces import attach, detach
from nova_virt_conformance.suite.spec_fields import told

if TYPE_CHECKING:
    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.lab import Lab


def check_made(lab: Lab, feature: Feature) -> None:
    """Make a running guest on a port, and see where its interface is; nothing of it may stay behind the guest."""
    nic = lab.rig.new_port(feature)
    with leaving_nothing(lab, "a guest on a port"):
        guest = lab.spawn(nics=(nic,))
        (card,) = lab.rig.hardware(guest.uuid).nics
        there = told(card.settings, "how interfaces are used").binding
        assert there == nic.binding, f"{nic.binding} was asked for, the guest is on {there or card.network}"
        lab.compute.destroy(guest, timeout=lab.patience)


def check_attached(lab: Lab, guest: Instance, feature: Feature) -> None:
    """Attach an interface on a port, see where it is, and detach it."""
    nic = lab.rig.new_port(feature)
    with leaving_nothing(lab, "an attach to a port and a detach"):
        added = attach(lab, guest, nic)
        assert (added.network, added.binding) == (None, nic.binding)
        there = [told(card.settings, "how interfaces are used").binding for card in lab.rig.hardware(guest.uuid).nics]
        assert there.count(nic.binding) == 1
        assert added in lab.second.interfaces(guest)
        detach(lab, guest, added)


@covers(Feature.NIC_BRIDGE, Driver.spawn)
def test_guest_is_made_on_a_bridge(lab: Lab) -> None:
    """A NIC that names a Linux bridge of the host is a port of it."""
    check_made(lab, Feature.NIC_BRIDGE)


@covers(Feature.NIC_OVS, Driver.spawn)
def test_guest_is_made_on_open_vswitch(lab: Lab) -> None:
    """A NIC that names a bridge of Open vSwitch is a port of it, with its id and in its VLAN."""
    check_made(lab, Feature.NIC_OVS)


@covers(Feature.NIC_OPAQUE, Driver.spawn)
def test_guest_is_made_on_a_services_port(lab: Lab) -> None:
    """A NIC with a port that a network service describes is on that one."""
    check_made(lab, Feature.NIC_OPAQUE)


@needs(Capability.INTERFACES)
@covers(Feature.NIC_BRIDGE, Interfaces.attach_interface, Interfaces.detach_interface)
def test_bridge_port_comes_and_goes(lab: Lab, running: Instance) -> None:
    """A running guest is given a port of a Linux bridge, and gives it back."""
    check_attached(lab, running, Feature.NIC_BRIDGE)


@needs(Capability.INTERFACES)
@covers(Feature.NIC_OVS, Interfaces.attach_interface, Interfaces.detach_interface)
def test_port_of_open_vswitch_comes_and_goes(lab: Lab, running: Instance) -> None:
    """A running guest is given a port of Open vSwitch, and gives it back."""
    check_attached(lab, running, Feature.NIC_OVS)


@needs(Capability.INTERFACES)
@covers(Feature.NIC_OPAQUE, Interfaces.attach_interface, Interfaces.detach_interface)
def test_services_port_comes_and_goes(lab: Lab, running: Instance) -> None:
    """A running guest is given a port that a network service describes, and gives it back."""
    check_attached(lab, running, Feature.NIC_OPAQUE)
