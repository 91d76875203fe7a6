"""Guests that are whole machines: claimed, never shared, and free again when the guest is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.compute.operation import Operation
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import NoCapacity, StateAfter, Timeout
from nova_virt_api.model.instance import Instance, PowerState
from nova_virt_api.model.placement import Placement
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, present
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotVerified

if TYPE_CHECKING:
    from nova_virt_api.model.spec import InstanceSpec


@covers(Feature.WHOLE_NODES, Driver.spawn, Driver.inventory, Driver.nodes)
def test_claimed_node_has_nothing_left_to_give(lab: Lab) -> None:
    """A node that is a guest has nothing left to give, and once the guest is gone and the node clean, all of it."""
    guest = lab.spawn(power_on=False)
    node = node_of(lab, guest)
    assert not units_left(lab, node), f"{node} is a guest, and has something left to give"
    freed(lab, guest)
    assert units_left(lab, node)


@covers(Feature.WHOLE_NODES, Driver.spawn)
def test_each_guest_has_a_node_of_its_own(lab: Lab) -> None:
    """No two guests are the same node: a spawn that names none gets another, one that names it is NoCapacity."""
    guests = [lab.spawn(power_on=False) for _ in range(2)]
    nodes = {node_of(lab, guest) for guest in guests}
    assert len(nodes) == len(guests), f"two guests are the node {nodes.pop()}"
    spec = spec_on(lab, node_of(lab, guests[0]))
    with leaving_as_is(lab, guests[0].uuid, "a refused spawn"), pytest.raises(NoCapacity) as caught:
        lab.compute.spawn(spec, timeout=lab.patience)
    assert caught.value.state_after is StateAfter.UNCHANGED
    check_gone(lab, spec.uuid)


@covers(Feature.WHOLE_NODES, Driver.spawn, Driver.destroy)
def test_one_of_two_gets_the_node_that_both_want(lab: Lab) -> None:
    """Of two spawns that ask for the same free node at the same time one gets it, and the other leaves nothing."""
    node = freed(lab, lab.spawn(power_on=False))
    specs = [spec_on(lab, node) for _ in range(2)]
    operations = [
        compute.submit.spawn(spec, timeout=lab.patience)
        for compute, spec in zip((lab.compute, lab.second), specs, strict=True)
    ]
    for operation in operations:
        assert operation.wait(lab.patience), "a spawn does not end"
    winners = [spec for spec, operation in zip(specs, operations, strict=True) if operation.error is None]
    assert len(winners) == 1, f"{len(winners)} of two spawns got {node}"
    seen = lab.compute.instance(winners[0].uuid, fresh=True)
    assert (seen.node, seen.power_state) == (node, PowerState.RUNNING)
    for spec, operation in zip(specs, operations, strict=True):
        if operation.error is not None:
            assert isinstance(operation.error, NoCapacity), repr(operation.error)
            check_gone(lab, spec.uuid)


@covers(Feature.WHOLE_NODES, Driver.instances, Driver.instance)
def test_unknown_power_state_is_not_off(lab: Lab) -> None:
    """A guest whose power state the backend does not know is listed with NOSTATE, and not as one that is off."""
    lab.check_way(PowerState.NOSTATE)
    guest = lab.spawn()
    lab.enter(guest, PowerState.NOSTATE)
    assert present(lab, guest.uuid)
    assert lab.compute.instance(guest, fresh=True).power_state is PowerState.NOSTATE


def freed(lab: Lab, guest: Instance) -> str:
    """Destroy a guest and wait until its node is free again; the node's name.

    Raises:
        NotVerified: it is not free in time, e.g. since it is cleaned for hours.
    """
    node = node_of(lab, guest)
    lab.compute.destroy(guest, timeout=lab.patience)
    cleaning = Operation[Any]("wait", guest.uuid, timeout=lab.patience / 2)
    try:
        cleaning.wait_until(lambda: units_left(lab, node) > 0)
    except Timeout:
        raise NotVerified(f"{node} is still being cleaned after {lab.patience / 2:g} s, or somebody has it") from None
    return node


def spec_on(lab: Lab, node: str) -> InstanceSpec:
    """A guest that asks for this node."""
    return lab.spec(placement=Placement(node=node, pool=lab.target.pool))


def node_of(lab: Lab, guest: Instance) -> str:
    """The name of a guest's node."""
    assert guest.node in {node.name for node in lab.compute.nodes()}, f"{guest.node} is none of the nodes"
    return guest.node


def units_left(lab: Lab, node: str) -> int:
    """How much of what it has least of a node can still give."""
    resources = lab.compute.inventory(node).resources
    return min((one.total - one.reserved - (one.used or 0) for one in resources), default=0)
