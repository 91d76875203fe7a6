"""Events: after the last change the final state reaches whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.watch import Watch
from nova_virt_api.driver.driver import Driver
from nova_virt_api.events import Change, Changed, Gap, Gone, InstanceEvent
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_conformance.covers import covers
from nova_virt_conformance.event_log import SLACK, EventLog, subscribed
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise

SOON: Final = 15.0
"""Seconds, beside the declared latency, within which a watcher has to be told of what is there, or of a gap once the
connection is back."""

STORM: Final = 5
"""So many events of a guest that nobody touches are no mistake any more."""

QUIET: Final = 1.0
"""Seconds in which a storm would show."""

CHANGES: Final = 3


def first_connection(lab: Lab) -> Compute:
    """The connection that makes the changes."""
    return lab.compute


def other_connection(lab: Lab) -> Compute:
    """Another one, which plays another process."""
    return lab.second


WATCHERS: Final = pytest.mark.parametrize("watcher", [first_connection, other_connection], ids=["same", "other"])


@covers(Promise.EVENTS, Driver.events)
@WATCHERS
def test_life_of_a_guest_reaches_a_watcher(lab: Lab, watcher: Callable[[Lab], Compute]) -> None:
    """That a guest appeared, changed and went reaches watchers of its own and of other connections in time."""
    compute = watcher(lab)
    with subscribed(lab.driver(compute)) as log:
        guest = lab.spawn()
        await_told(compute, log, lambda: log.shows(guest.uuid, PowerState.RUNNING), "a new guest")
        lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
        await_told(compute, log, lambda: log.shows(guest.uuid, PowerState.SHUTDOWN), "a guest that was stopped")
        lab.compute.power_on(guest, timeout=lab.patience)
        await_told(compute, log, lambda: log.shows(guest.uuid, PowerState.RUNNING), "a guest that was started")
        now = compute.instance(guest, fresh=True)
        await_told(compute, log, lambda: log.last(guest.uuid) == now, "a guest as it is read")
        lab.compute.destroy(guest, timeout=lab.patience)
        await_told(compute, log, lambda: log.gone(guest.uuid), "a guest that was removed")
    check_types(log)


@covers(Promise.EVENTS, Driver.events)
def test_final_state_survives_many_changes(lab: Lab) -> None:
    """However fast changes come, the last word about each guest is its final state; none if it is as at the begin."""
    one, other = lab.spawn(power_on=False), lab.spawn(power_on=False)
    with subscribed(lab.driver(lab.second)) as log:
        for _ in range(CHANGES):
            for guest in (one, other):
                lab.compute.power_on(guest, timeout=lab.patience)
                lab.compute.power_off(guest, mode=PowerOff.HARD, timeout=lab.patience)
        lab.compute.power_on(other, timeout=lab.patience)
        await_told(lab.second, log, lambda: log.shows(other.uuid, PowerState.RUNNING), "a guest that ended running")

        def stopped() -> bool:
            return not log.of(one.uuid) or log.shows(one.uuid, PowerState.SHUTDOWN)

        await_told(lab.second, log, stopped, "a guest that ended stopped")
    check_types(log)


@covers(Promise.EVENTS, Driver.events)
def test_native_change_reaches_a_watcher(lab: Lab, running: Instance) -> None:
    """What somebody does to a guest natively reaches a watcher in time."""
    compute = lab.second
    with subscribed(lab.driver(compute)) as log:
        lab.enter(running, PowerState.SHUTDOWN)
        await_told(compute, log, lambda: log.shows(running.uuid, PowerState.SHUTDOWN), "a guest stopped natively")
    check_types(log)


@covers(Promise.EVENTS, Driver.events)
def test_native_removal_reaches_a_watcher(lab: Lab, stopped: Instance) -> None:
    """That somebody removed a guest natively reaches a watcher in time."""
    compute = lab.second
    with subscribed(lab.driver(compute)) as log:
        lab.rig.vanish(stopped)
        await_told(compute, log, lambda: log.gone(stopped.uuid), "a guest removed natively")
    check_types(log)


@covers(Promise.EVENTS, Driver.events)
def test_foreign_guest_reaches_a_watcher(lab: Lab) -> None:
    """That a guest of other making appeared and went reaches a watcher in time."""
    compute = lab.second
    with subscribed(lab.driver(compute)) as log:
        with lab.rig.foreign_guest("conformance-foreign") as uuid:
            await_told(compute, log, lambda: log.last(uuid) is not None, "a guest made natively")
            told = log.last(uuid)
            assert told is not None
            assert not told.owned
        await_told(compute, log, lambda: log.gone(uuid), "a guest removed natively")
    check_types(log)


@covers(Feature.EVERY_TRANSITION, Driver.events)
def test_every_transition_is_told(lab: Lab, stopped: Instance) -> None:
    """Where it is declared, no power state between the first and the last is left out."""
    compute = lab.second
    with subscribed(lab.driver(compute)) as log:
        for _ in range(CHANGES):
            lab.compute.power_on(stopped, timeout=lab.patience)
            lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
        lab.compute.power_on(stopped, timeout=lab.patience)
        expected = [*[PowerState.RUNNING, PowerState.SHUTDOWN] * CHANGES, PowerState.RUNNING]
        await_told(compute, log, lambda: len(log.states(stopped.uuid)) >= len(expected), f"{len(expected)} changes")
    told = log.states(stopped.uuid)
    assert told[-len(expected) :] == expected, f"told were {', '.join(state.value for state in told)}"


@covers(Promise.EVENTS, Driver.events)
def test_watch_begins_with_what_is_there(lab: Lab, running: Instance) -> None:
    """A watch first yields every guest that is there, as present, then changes."""
    soon = soon_at(lab.compute)
    with lab.compute.watch() as watch:
        present = {}
        while running.uuid not in present:
            event = next_of(watch, soon)
            assert event.change is Change.PRESENT
            present[event.instance.uuid] = event.instance
        lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
        changed = next_about(watch, soon, running, lambda event: event.instance.power_state is PowerState.SHUTDOWN)
        assert changed.change is Change.CHANGED
        assert not changed.synthetic


@covers(Promise.EVENTS, Driver.events)
def test_slow_watcher_gets_the_last_state(lab: Lab, stopped: Instance) -> None:
    """A watcher that reads nothing for a while finds the final state, and nothing newer is missing."""
    soon = soon_at(lab.second)
    with lab.second.watch() as watch:
        next_about(watch, soon, stopped, lambda event: event.change is Change.PRESENT)
        for _ in range(CHANGES):
            lab.compute.power_on(stopped, timeout=lab.patience)
            lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
        lab.compute.power_on(stopped, timeout=lab.patience)
        now = lab.second.instance(stopped, fresh=True)
        next_about(watch, soon, stopped, lambda event: event.instance == now)


@covers(Promise.EVENTS, Promise.RECOVERY, Driver.events)
def test_gap_after_a_lost_connection(lab: Lab, running: Instance) -> None:
    """After a lost connection a watcher is told of a gap, then of all that happened meanwhile."""
    watcher = lab.connect()
    latency = watcher.capabilities().event_latency_seconds
    doomed = lab.spawn(power_on=False)
    with watcher.watch() as watch:
        next_about(watch, soon_at(watcher), running, lambda event: event.change is Change.PRESENT)
        with lab.rig.cut_connection(watcher):
            lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
            lab.compute.destroy(doomed, timeout=lab.patience)
            new = lab.spawn(power_on=False)
            time.sleep(latency)  # who listens by listing notices a break only when it lasts until the next listing
        told = events_until_known(watch, soon_at(watcher), running, new, doomed)
    lab.disconnect(watcher)
    assert told[running.uuid].change is Change.CHANGED
    assert told[new.uuid].change is Change.APPEARED
    assert told[doomed.uuid].change is Change.GONE


@covers(Promise.EVENTS, Driver.events)
def test_closed_subscription_delivers_nothing(lab: Lab, stopped: Instance) -> None:
    """Once close has returned no event is delivered any more; it can be closed twice, and subscribed to anew."""
    driver, closed = lab.driver(lab.second), EventLog()
    subscription = driver.events(closed.emit)
    subscription.close()
    before = closed.events
    with subscribed(driver) as log:
        lab.compute.power_on(stopped, timeout=lab.patience)
        await_told(lab.second, log, lambda: log.shows(stopped.uuid, PowerState.RUNNING), "a guest, after a new start")
    assert closed.events == before, "a closed subscription delivered events"
    subscription.close()


@covers(Promise.EVENTS, Driver.events)
def test_nothing_is_told_of_nothing(lab: Lab, running: Instance) -> None:
    """A guest that nobody touches causes no storm of events."""
    with subscribed(lab.driver(lab.second)) as log:
        lab.second.instances(fresh=True)
        assert not log.wait(lambda: len(log.of(running.uuid)) > STORM, QUIET), f"more than {STORM} events of nothing"
    check_types(log)


def await_told(compute: Compute, log: EventLog, holds: Callable[[], bool], what: str) -> None:
    """Wait until something was told, at most as long as the endpoint declares.

    Raises:
        AssertionError: it was not.
    """
    within = compute.capabilities().event_latency_seconds + SLACK
    assert log.wait(holds, within), f"{what} was not told within {within:.1f} s; last told: {log.events[-1:]}"


def check_types(log: EventLog) -> None:
    """See that there are only events of the contract."""
    for event in log.events:
        assert type(event) in (Changed, Gone, Gap), f"{event!r} is no event of the contract"


def soon_at(compute: Compute) -> float:
    """Seconds within which a watcher at this endpoint has to be told of something."""
    return compute.capabilities().event_latency_seconds + SOON


def next_of(watch: Watch, soon: float) -> InstanceEvent:
    """The next event of a guest.

    Raises:
        AssertionError: none came, or a gap.
    """
    event = watch.next(soon)
    assert isinstance(event, InstanceEvent), f"instead of a guest's event came {event}"
    return event


def next_about(watch: Watch, soon: float, guest: Instance, wanted: Callable[[InstanceEvent], bool]) -> InstanceEvent:
    """The next event of this guest that is as wanted; what else comes before is passed over.

    Raises:
        AssertionError: none came.
    """
    end = time.monotonic() + soon
    while True:
        event = watch.next(max(0.0, end - time.monotonic()))
        assert event is not None, "the event that was waited for did not come"
        if isinstance(event, InstanceEvent) and event.instance.uuid == guest.uuid and wanted(event):
            return event


def events_until_known(watch: Watch, soon: float, *guests: Instance) -> dict[object, InstanceEvent]:
    """The last event of each guest after a gap, once all of them were told of.

    Raises:
        AssertionError: there was no gap, or one of them was not told of.
    """
    told: dict[object, InstanceEvent] = {}
    gap, end = False, time.monotonic() + soon
    while not gap or not {guest.uuid for guest in guests} <= told.keys():
        event = watch.next(max(0.0, end - time.monotonic()))
        missing = [guest.name for guest in guests if guest.uuid not in told]
        assert event is not None, f"no gap was told of, or nothing of {missing} after it"
        if isinstance(event, Gap):
            gap = True
        elif gap:
            told[event.instance.uuid] = event
    return told
