"""Who may see and change which guests."""

from collections.abc import Callable
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]

CHANGES: dict[str, Callable[[virt.Compute, Any], Any]] = {
    "power_on": lambda compute, guest: compute.power_on(guest),
    "power_off": lambda compute, guest: compute.power_off(guest),
    "reboot": lambda compute, guest: compute.reboot(guest),
    "pause": lambda compute, guest: compute.pause(guest),
    "unpause": lambda compute, guest: compute.unpause(guest),
    "suspend": lambda compute, guest: compute.suspend(guest),
    "resume": lambda compute, guest: compute.resume(guest),
    "snapshot": lambda compute, guest: compute.snapshot(guest, virt.NativeTarget("image")),
    "update": lambda compute, guest: compute.update(guest, virt.InstanceUpdate(name="renamed")),
    "console": lambda compute, guest: compute.console(guest, virt.ConsoleKind.VNC),
    "destroy": lambda compute, guest: compute.destroy(guest),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("owner", [None, "somebody"])
def test_foreign_guests_are_seen_and_not_touched(
    change: str, owner: str | None, fake_compute: virt.Compute, fake_switches: Switches
) -> None:
    uuid = fake_switches.outside.add_guest("db", owner=owner)
    guest = fake_compute.instance(uuid)
    assert (guest.owner, guest.owned) == (owner, False)
    assert fake_compute.instances(scope=virt.Scope.OWNED) == ()
    objects = fake_switches.outside.objects()
    with pytest.raises(virt.PermissionDenied):
        CHANGES[change](fake_compute, guest)
    assert fake_compute.instance(uuid) is guest
    assert fake_switches.outside.objects() == objects


@pytest.mark.parametrize("change", CHANGES)
def test_manage_all_changes_every_guest(change: str, connect: Connect, switches: SwitchesOf) -> None:
    compute = connect(manage="all")
    outside = switches(compute).outside
    guest = compute.instance(outside.add_guest("db", owner="somebody"))
    if change == "power_on":
        compute.power_off(guest)
    if change == "unpause":
        compute.pause(guest)
    if change == "resume":
        compute.suspend(guest)
    if change == "snapshot":  # it has no disk
        with pytest.raises(virt.StorageError):
            CHANGES[change](compute, guest)
    elif change == "destroy":
        with pytest.raises(virt.PermissionDenied):
            compute.destroy(guest)
        assert compute.instance(guest) is guest
        assert compute.destroy(guest, foreign=True) is True
        assert outside.objects() == ()
    else:
        CHANGES[change](compute, guest)


def test_foreign_is_not_enough_without_manage_all(fake_compute: virt.Compute, fake_switches: Switches) -> None:
    uuid = fake_switches.outside.add_guest("db")
    with pytest.raises(virt.PermissionDenied):
        fake_compute.destroy(uuid, foreign=True)
    assert fake_compute.instance(uuid).name == "db"


def test_a_guest_made_under_manage_all_has_no_mark(connect: Connect, switches: SwitchesOf, make_spec: Any) -> None:
    compute = connect(manage="all")
    guest = compute.spawn(make_spec())
    assert (guest.uuid, guest.owner, guest.owned) == (make_spec().uuid, None, False)
    assert not [text for text in switches(compute).outside.objects() if text.startswith("record")]
    assert compute.spawn(make_spec()) is guest
    with pytest.raises(virt.InstanceExists):
        compute.spawn(make_spec(vcpus=5))
    assert compute.destroy(guest, foreign=True) is True
    assert switches(compute).outside.objects() == ()


def test_two_owners_share_a_world(connect: Connect, world: str, make_spec: Any) -> None:
    mine, theirs = connect(world=world, owner="me"), connect(world=world, owner="them")
    guest = mine.spawn(make_spec())
    seen = theirs.instance(guest.uuid)
    assert (seen.owner, seen.owned) == ("me", False)
    with pytest.raises(virt.InstanceExists):
        theirs.spawn(make_spec())
    with pytest.raises(virt.PermissionDenied):
        theirs.destroy(guest)
    assert mine.destroy(guest) is True


def test_leftovers_are_those_of_the_owner(connect: Connect, switches: SwitchesOf, world: str, make_spec: Any) -> None:
    mine, theirs = connect(world=world, owner="me"), connect(world=world, owner="them")
    guest = mine.spawn(make_spec())
    switches(mine).outside.remove(guest)
    assert {leftover.owner for leftover in mine.leftovers()} == {"me"}
    assert theirs.leftovers() == []


def test_a_guest_is_found_again_by_a_later_connection(connect: Connect, world: str, make_spec: Any) -> None:
    first = connect(world=world)
    guest = first.spawn(make_spec())
    first.close()
    later = connect(world=world)
    assert later.instances() == (guest,)
    assert later.spawn(make_spec()) == guest
    assert later.destroy(guest) is True


def test_the_same_spawn_returns_the_guest_as_it_is(fake_compute: virt.Compute, make_spec: Any) -> None:
    guest = fake_compute.spawn(make_spec())
    fake_compute.update(guest, virt.InstanceUpdate(name="renamed", labels={}))
    fake_compute.power_off(guest)
    again = fake_compute.spawn(make_spec())
    assert (again.name, again.power_state) == ("renamed", virt.PowerState.SHUTDOWN)


@pytest.mark.parametrize("change", [{"vcpus": 3}, {"name": "other"}, {"labels": {}}, {"firmware": None}])
def test_another_spec_with_the_same_uuid_is_refused(
    change: dict[str, Any], fake_compute: virt.Compute, make_spec: Any
) -> None:
    guest = fake_compute.spawn(make_spec())
    with pytest.raises(virt.InstanceExists):
        fake_compute.spawn(make_spec(**{"uuid": guest.uuid, **change}))
    assert fake_compute.instances() == (guest,)


def test_names_are_unique(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    fake_switches.outside.add_guest("web")
    objects = fake_switches.outside.objects()
    with pytest.raises(virt.InstanceExists, match="web"):
        fake_compute.spawn(make_spec())
    assert fake_switches.outside.objects() == objects
    other = fake_compute.spawn(make_spec("other"))
    with pytest.raises(virt.InstanceExists, match="web"):
        fake_compute.update(other, virt.InstanceUpdate(name="web"))
    assert fake_compute.update(other, virt.InstanceUpdate(name="other")).name == "other"


def test_a_foreign_guests_uuid_is_taken(fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any) -> None:
    uuid = fake_switches.outside.add_guest("db")
    with pytest.raises(virt.InstanceExists):
        fake_compute.spawn(make_spec(uuid=uuid))
    assert [guest.name for guest in fake_compute.instances()] == ["db"]


def test_a_copy_is_nobodys(fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance) -> None:
    copy = fake_compute.instance(fake_switches.outside.copy(web, "web-copy"))
    assert (copy.owner, copy.owned) == (None, False)
    assert copy.uuid != web.uuid
    with pytest.raises(virt.PermissionDenied):
        fake_compute.destroy(copy)
    fake_compute.destroy(web)
    assert fake_compute.instances() == (copy,)


@pytest.mark.parametrize("change", CHANGES)
def test_a_uuid_that_two_guests_claim_is_not_touched(
    change: str, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, make_spec: Any
) -> None:
    fake_switches.outside.claim_twice(web, "impostor")
    listed = fake_compute.instances()
    assert fake_compute.instance(listed[1]).name == "impostor"
    assert [guest.health.condition for guest in listed] == [virt.Condition.DEGRADED] * 2
    objects = fake_switches.outside.objects()
    with pytest.raises(virt.Ambiguous) as caught:
        CHANGES[change](fake_compute, web)
    assert len(caught.value.candidates) == 2
    with pytest.raises(virt.Ambiguous):
        fake_compute.spawn(make_spec())
    assert fake_compute.instances() == listed
    assert fake_switches.outside.objects() == objects
    fake_switches.outside.remove(listed[1])
    assert fake_compute.instance(web).health.condition is virt.Condition.OK
