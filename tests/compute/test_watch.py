"""Watching: what is there, then changes, gaps, and the differences after them."""

import threading

import pytest

import nova_virt_api as virt
from nova_virt_api import Change, Gap, InstanceEvent
from nova_virt_api.compute.watch import Watch
from nova_virt_api.fake.switches import Switches

PATIENCE = 10.0


def following(watch: Watch) -> InstanceEvent:
    event = watch.next(PATIENCE)
    assert isinstance(event, InstanceEvent), event
    return event


def test_watch_begins_with_what_is_there(compute: virt.Compute, guest: virt.Instance) -> None:
    with compute.watch() as watch:
        event = following(watch)
        assert (event.change, event.instance, event.previous, event.synthetic) == (Change.PRESENT, guest, None, False)
        assert watch.next(0.0) is None


def test_changes_are_told_with_what_was_before(compute: virt.Compute, guest: virt.Instance) -> None:
    with compute.watch() as watch:
        following(watch)
        compute.pause(guest)
        event = following(watch)
        assert event.change is Change.CHANGED
        assert event.previous == guest
        assert event.instance.power_state is virt.PowerState.PAUSED
        compute.destroy(guest)
        last = next(told for told in iter(lambda: following(watch), None) if told.change is Change.GONE)
        assert last.instance.uuid == guest.uuid


def test_slow_reader_misses_only_what_lay_between(compute: virt.Compute, guest: virt.Instance) -> None:
    with compute.watch() as watch:
        following(watch)
        for _ in range(20):
            compute.pause(guest)
            compute.unpause(guest)
        compute.pause(guest)
        told = []
        while (event := watch.next(0.3)) is not None:
            assert isinstance(event, InstanceEvent)
            told.append(event.instance.power_state)
        assert told[-1] is virt.PowerState.PAUSED
        assert len(told) < 20


def test_gap_is_followed_by_the_differences(compute: virt.Compute, switches: Switches, guest: virt.Instance) -> None:
    doomed = switches.outside.add_guest("doomed")
    with compute.watch() as watch:
        assert {following(watch).instance.uuid, following(watch).instance.uuid} == {guest.uuid, doomed}
        switches.lose_connection(calls=None)
        switches.outside.crash(guest)
        switches.outside.remove(doomed)
        born = switches.outside.add_guest("born")
        switches.restore_connection()
        assert isinstance(watch.next(PATIENCE), Gap)
        told = {event.instance.uuid: event for event in (following(watch) for _ in range(3))}
        assert all(event.synthetic for event in told.values())
        assert told[guest.uuid].instance.power_state is virt.PowerState.CRASHED
        assert told[doomed].change is Change.GONE
        assert told[born].change is Change.APPEARED
        compute.destroy(guest)
        assert following(watch).instance.uuid == guest.uuid
        assert not watch.behind


def test_comparison_after_a_gap_is_repeated_until_it_succeeds(
    compute: virt.Compute, switches: Switches, guest: virt.Instance
) -> None:
    with compute.watch() as watch:
        following(watch)
        switches.lose_connection(calls=None)
        switches.outside.crash(guest)
        switches.restore_connection()
        assert isinstance(watch.next(PATIENCE), Gap)
        switches.lose_connection(calls=2)
        event = watch.next(PATIENCE)
        while isinstance(event, Gap):
            event = watch.next(PATIENCE)
        assert isinstance(event, InstanceEvent)
        assert event.instance.power_state is virt.PowerState.CRASHED


def test_scope_owned_hides_the_guests_of_others(
    compute: virt.Compute, switches: Switches, guest: virt.Instance
) -> None:
    with compute.watch(scope=virt.Scope.OWNED) as watch:
        assert following(watch).instance == guest
        switches.outside.add_guest("theirs", owner="somebody")
        compute.pause(guest)
        assert following(watch).instance.uuid == guest.uuid
        assert watch.next(0.0) is None


def test_close_from_another_thread_ends_the_iteration(compute: virt.Compute) -> None:
    watch = compute.watch()
    threading.Timer(0.05, watch.close).start()
    assert list(watch) == []


def test_closing_the_connection_ends_its_watches(compute: virt.Compute) -> None:
    watch = compute.watch()
    threading.Timer(0.05, compute.close).start()
    assert list(watch) == []


def test_many_watchers_share_one_subscription(compute: virt.Compute, guest: virt.Instance) -> None:
    before = threading.active_count()
    watches = [compute.watch() for _ in range(20)]
    assert threading.active_count() <= before + 1
    for watch in watches:
        following(watch)
    compute.pause(guest)
    for watch in watches:
        assert following(watch).instance.power_state is virt.PowerState.PAUSED
        watch.close()


@pytest.mark.parametrize("verb", ["instances", "watch"])
def test_watch_that_cannot_begin_leaves_nothing(compute: virt.Compute, switches: Switches, verb: str) -> None:
    switches.lose_connection(calls=2)
    with pytest.raises(virt.ConnectionLost):
        getattr(compute, verb)()
    with compute.watch() as watch:
        assert watch.next(0.0) is None
