"""The map of power states: every state is shown as what it is, by whatever way it came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nova_virt_api.driver.driver import Driver
from nova_virt_api.events import Change, InstanceEvent
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.verb import CRASHED, PAUSED, RUNNING, SHUTDOWN, STATES, SUSPENDED, Verb
from nova_virt_conformance.verbs import VERBS

if TYPE_CHECKING:
    from nova_virt_api.compute.watch import Watch

BEYOND_LATENCY = 5.0
"""Seconds; the declared latency is the usual one."""

LEADING = {RUNNING: "power_on", PAUSED: "pause", SHUTDOWN: "power_off_hard", SUSPENDED: "suspend"}
"""The verb that brings a guest into each state."""


@covers(Promise.POWER_STATES, Driver.instance, Driver.instances, Driver.events)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_state_entered_natively_is_shown(lab: Lab, state: PowerState) -> None:
    """A power state that came about without this API is shown in reads and to watchers, and no other after it."""
    lab.check_way(state)
    guest = lab.guest(SHUTDOWN if state is RUNNING else RUNNING)
    with lab.compute.watch() as watch:
        lab.enter(guest, state)
        assert_shown(lab, guest, state)
        assert_told(lab, watch, guest, state)
    assert_shown(lab, guest, state)


@pytest.mark.parametrize(
    "verb",
    [pytest.param(verb, id=verb.name, marks=verb.marks) for verb in VERBS if verb.name in LEADING.values()],
)
@covers(Promise.POWER_STATES)
def test_state_entered_by_a_verb_is_shown(lab: Lab, verb: Verb) -> None:
    """The power state that a verb led to is shown to another connection, in reads and to watchers."""
    state = next(state for state, name in LEADING.items() if name == verb.name)
    guest = lab.guest(SHUTDOWN if state is RUNNING else RUNNING)
    with lab.second.watch() as watch:
        verb.call(lab.compute, guest, lab)
        assert_shown(lab, guest, state)
        assert_told(lab, watch, guest, state)


@covers(Promise.POWER_STATES, Driver.instances)
def test_guest_that_does_not_run_is_not_gone(lab: Lab, stopped: Instance) -> None:
    """A guest that was stopped by somebody else stays in listings, is found by name and starts again."""
    lab.compute.power_on(stopped)
    lab.enter(stopped, SHUTDOWN)
    assert lab.compute.find(stopped.name).uuid == stopped.uuid
    lab.compute.power_on(stopped)
    assert_shown(lab, stopped, RUNNING)


@covers(Promise.POWER, Driver.power_on, Driver.power_off)
def test_crashed_guest_can_be_used_again(lab: Lab) -> None:
    """A crashed guest can be stopped and then started like any other."""
    guest = lab.guest(CRASHED)
    lab.compute.power_off(guest, mode=PowerOff.HARD)
    assert_shown(lab, guest, SHUTDOWN)
    lab.compute.power_on(guest)
    assert_shown(lab, guest, RUNNING)


def assert_shown(lab: Lab, guest: Instance, state: PowerState) -> None:
    """See that every read of two connections shows the guest in this state."""
    for compute in (lab.compute, lab.second):
        listed = {other.uuid: other for other in compute.instances(fresh=True)}
        assert guest.uuid in listed, f"the guest is {state.value} and not listed any more"
        for seen in (listed[guest.uuid], compute.instance(guest, fresh=True)):
            assert seen.power_state is state, f"the guest is {state.value} and shown as {seen.power_state.value}"


def assert_told(lab: Lab, watch: Watch, guest: Instance, state: PowerState) -> None:
    """Read a watch until it tells the state; the guest may not be told to be gone."""
    patience = lab.compute.capabilities().event_latency_seconds + BEYOND_LATENCY
    while (event := watch.next(patience)) is not None:
        if isinstance(event, InstanceEvent) and event.instance.uuid == guest.uuid:
            assert event.change is not Change.GONE, f"the guest is {state.value} and was told to be gone"
            if event.instance.power_state is state:
                return
    pytest.fail(f"no watcher was told within {patience:g} s that the guest is {state.value}")
