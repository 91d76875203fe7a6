"""Guests of other making that become one's own, and one's own that are given back."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]


def test_an_adopted_guest_is_ones_own(fake_compute: virt.Compute, fake_switches: Switches) -> None:
    uuid = fake_switches.outside.add_guest("legacy", labels={"rack": "7"})
    before = fake_compute.instance(uuid)
    adopted = fake_compute.adopt(uuid)
    assert (adopted.owner, adopted.owned) == ("nova-virt", True)
    assert (adopted.uuid, adopted.name, adopted.native_id, adopted.power_state, adopted.labels) == (
        before.uuid,
        before.name,
        before.native_id,
        before.power_state,
        before.labels,
    )
    assert fake_compute.adopt(adopted) is adopted
    fake_compute.pause(adopted)
    assert fake_compute.leftovers() == []
    assert fake_compute.destroy(adopted) is True
    assert fake_switches.outside.objects() == ()


def test_a_released_guest_is_nobodys_and_stays(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, make_spec: Any
) -> None:
    fake_compute.release(web)
    fake_compute.release(web)
    found = fake_compute.instance(web)
    assert (found.uuid, found.owner, found.owned, found.power_state) == (web.uuid, None, False, web.power_state)
    assert fake_compute.leftovers() == []
    for call in (fake_compute.pause, fake_compute.destroy):
        with pytest.raises(virt.PermissionDenied):
            call(web)
    with pytest.raises(virt.InstanceExists):
        fake_compute.spawn(make_spec())
    fake_compute.adopt(web)
    with pytest.raises(virt.InstanceExists, match="another spec"):
        fake_compute.spawn(make_spec())
    assert fake_compute.destroy(web) is True
    assert fake_switches.outside.objects() == ()


def test_a_guest_of_another_owner_stays_that_owners(fake_compute: virt.Compute, fake_switches: Switches) -> None:
    theirs = fake_switches.outside.add_guest("theirs", owner="them")
    before = fake_compute.instance(theirs)
    for call in (fake_compute.adopt, fake_compute.release):
        with pytest.raises(virt.PermissionDenied, match="them"):
            call(theirs)
    assert fake_compute.instance(theirs) is before


def test_two_that_adopt_at_once(connect: Connect, switches: SwitchesOf, world: str) -> None:
    ours, theirs = connect(world=world), connect(world=world, owner="them")
    uuid = switches(ours).outside.add_guest("legacy")
    with switches(ours).hang_at(Step.ADOPT) as hang:
        operation = ours.submit.adopt(uuid)
        assert hang.wait_reached()
        with pytest.raises(virt.Busy):
            theirs.adopt(uuid)
    assert operation.result().owner == "nova-virt"
    with pytest.raises(virt.PermissionDenied):
        theirs.adopt(uuid)


def test_two_that_claim_one_uuid_are_left_alone(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    fake_switches.outside.claim_twice(web, "impostor")
    for call in (fake_compute.adopt, fake_compute.release):
        with pytest.raises(virt.Ambiguous):
            call(web.uuid)


def test_a_copy_can_be_adopted(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    copy = fake_switches.outside.copy(web, "copy")
    assert fake_compute.adopt(copy).owned
    assert fake_compute.instance(web).owned
    fake_compute.destroy(copy)
    assert fake_compute.instance(web).owned


@pytest.mark.parametrize("step", [Step.SPAWN_START, Step.SPAWN_FINISH])
def test_a_half_made_guest_is_in_the_middle_of_something(
    step: Step, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    fake_switches.crash_at(step)
    with pytest.raises(virt.ConnectionLost):
        fake_compute.spawn(make_spec())
    with pytest.raises(virt.InvalidState):
        fake_compute.release(make_spec().uuid)
    (report,) = fake_compute.adopt_all([virt.stable_uuid("nobody")], dry_run=True)
    assert isinstance(report.error, virt.InstanceNotFound)


def test_without_marks_there_is_nothing_to_adopt_with(connect: Connect, switches: SwitchesOf) -> None:
    compute = connect(manage="all")
    uuid = switches(compute).outside.add_guest("legacy")
    with pytest.raises(virt.NotSupported, match="writes no marks"):
        compute.adopt(uuid)


def test_what_was_made_for_it_changes_hands_too(
    connect: Connect, switches: SwitchesOf, world: str, make_spec: Any
) -> None:
    unmarked, ours = connect(world=world, manage="all"), connect(world=world)
    guest = unmarked.spawn(make_spec())
    ours.adopt(guest)
    switches(ours).outside.remove(guest)
    assert {leftover.owner for leftover in ours.leftovers()} == {"nova-virt"}
    assert ours.destroy(guest) is True
    assert switches(ours).outside.objects() == ()
