"""Taking nodes out of use, and back."""

from __future__ import annotations

import time

import pytest

from nova_virt_api.capability import Capability
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.host_control import HostControl
from nova_virt_api.errors import NoCapacity
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.placement import Placement
from nova_virt_conformance.aftermath import check_gone, leaving_as_is
from nova_virt_conformance.covers import covers
from nova_virt_conformance.event_log import SLACK
from nova_virt_conformance.lab import Lab


def enter(lab: Lab, node: str, reason: str = "") -> str:
    """Take a node out of use; the reason that was given."""
    said = f"{lab.fence.repair}{reason}"
    lab.compute.enter_maintenance(node, said, timeout=lab.patience)
    return said


def check_shown(lab: Lab, name: str, reason: str | None) -> None:
    """See that two connections show a node so; who did not change it may be as late as the endpoint says."""
    end = time.monotonic() + lab.compute.capabilities().staleness_seconds + SLACK
    while True:
        shown = [
            node.maintenance for compute in (lab.compute, lab.second) for node in compute.nodes() if node.name == name
        ]
        if shown == [reason] * 2:
            return
        assert time.monotonic() < end, f"the node is shown with {shown} and should be with {reason!r}"


@covers(Capability.HOST_CONTROL, HostControl.enter_maintenance, HostControl.leave_maintenance, Driver.nodes)
def test_node_in_maintenance_is_shown_so(lab: Lab) -> None:
    """A node that is out of use shows the reason, to others too, and none when it is back; other nodes stay."""
    node = lab.spare_node()
    others = [other for other in lab.compute.nodes() if other.name != node]
    reason = enter(lab, node)
    check_shown(lab, node, reason)
    assert [other for other in lab.compute.nodes() if other.name != node] == others, "other nodes changed"
    assert lab.compute.inventory(node).node.maintenance == reason
    lab.second.leave_maintenance(node, timeout=lab.patience)
    check_shown(lab, node, None)


@covers(Capability.HOST_CONTROL, HostControl.enter_maintenance, HostControl.leave_maintenance)
def test_maintenance_is_idempotent(lab: Lab) -> None:
    """Taking a node out of use again keeps the last reason; bringing it back again changes nothing."""
    node = lab.spare_node()
    for reason in ("", "", ", again"):
        said = enter(lab, node, reason)
    check_shown(lab, node, said)
    lab.compute.leave_maintenance(node, timeout=lab.patience)
    lab.compute.leave_maintenance(node, timeout=lab.patience)
    check_shown(lab, node, None)


@covers(Capability.HOST_CONTROL, HostControl.enter_maintenance)
def test_node_is_known_by_its_id(lab: Lab) -> None:
    """A node can be named by its id as well as by its name."""
    name = lab.spare_node()
    node = next(node for node in lab.compute.nodes() if node.name == name)
    reason = enter(lab, node.id)
    check_shown(lab, name, reason)


@covers(Capability.HOST_CONTROL, HostControl.enter_maintenance, HostControl.leave_maintenance)
def test_guests_stay_while_their_node_is_in_maintenance(lab: Lab) -> None:
    """The guests of a node that is taken out of use, and brought back, stay as they are and run on."""
    node = lab.spare_node()
    guest = next((guest for guest in lab.compute.instances(fresh=True) if guest.node == node and guest.owned), None)
    guest = guest or lab.spawn(placement=Placement(node=node, pool=lab.target.pool))
    with leaving_as_is(lab, guest.uuid, "the maintenance of its node"):
        enter(lab, node)
        assert lab.compute.instance(guest, fresh=True).lifecycle is Lifecycle.READY
        lab.compute.leave_maintenance(node, timeout=lab.patience)


@covers(Capability.HOST_CONTROL, HostControl.enter_maintenance, Driver.spawn)
def test_no_guest_is_placed_on_a_node_in_maintenance(lab: Lab) -> None:
    """A spawn that asks for a node which is out of use is NoCapacity; once the node is back it gets the guest."""
    node = lab.spare_node()
    enter(lab, node)
    for guest in lab.compute.instances(fresh=True):
        if guest.owned and guest.node == node:
            lab.compute.destroy(guest, timeout=lab.patience)
    spec = lab.spec(placement=Placement(node=node, pool=lab.target.pool), power_on=False)
    with pytest.raises(NoCapacity):
        lab.compute.spawn(spec, timeout=lab.patience)
    check_gone(lab, spec.uuid)
    lab.compute.leave_maintenance(node, timeout=lab.patience)
    assert lab.compute.spawn(spec, timeout=lab.patience).node == node
