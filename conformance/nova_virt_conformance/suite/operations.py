"""Operations: what they tell, how they are cancelled, what happens at their deadline, and when a connection closes."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import Operation, OperationState
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import Cancelled, StateAfter, Timeout, Unavailable, VirtError
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_conformance.aftermath import check_gone, leaving_nothing, present
from nova_virt_conformance.calls import GRACE
from nova_virt_conformance.covers import covers
from nova_virt_conformance.held import Held, HeldUntilCancelled
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.stages import Stages
from nova_virt_conformance.verb import RUNNING, SHUTDOWN, SUSPENDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.model.spec import InstanceSpec

PROMPT_SECONDS: Final = 2.0
"""How late a caller may hear of its deadline."""

MOMENT: Final = 0.05
"""Seconds in which something would have happened that must not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongVerb:
    """A verb that takes its time, for a guest in a certain state.

    Args:
        name: the verb.
        before: the state in which it is called.
        after: the state that it leads to.
        options: what it is called with.
    """

    name: str
    before: PowerState
    after: PowerState
    options: Mapping[str, Any] = field(default_factory=dict)


HARD: Final = {"mode": PowerOff.HARD}
GRACEFUL: Final = {"mode": PowerOff.GRACEFUL, "grace_seconds": GRACE}
LONG_VERBS: Final = (
    pytest.param(
        LongVerb(name="power_on", before=SHUTDOWN, after=RUNNING),
        id="power_on",
        marks=covers(Promise.OPERATIONS, Driver.power_on),
    ),
    pytest.param(
        LongVerb(name="power_off", before=RUNNING, after=SHUTDOWN, options=HARD),
        id="power_off_hard",
        marks=covers(Promise.OPERATIONS, Driver.power_off),
    ),
    pytest.param(
        LongVerb(name="power_off", before=RUNNING, after=SHUTDOWN, options=GRACEFUL),
        id="power_off_graceful",
        marks=covers(Promise.OPERATIONS, Feature.GRACEFUL_POWER_OFF, Driver.power_off),
    ),
    pytest.param(
        LongVerb(name="reboot", before=RUNNING, after=RUNNING, options=HARD),
        id="reboot_hard",
        marks=covers(Promise.OPERATIONS, Driver.reboot),
    ),
    pytest.param(
        LongVerb(name="reboot", before=RUNNING, after=RUNNING, options=GRACEFUL),
        id="reboot_graceful",
        marks=covers(Promise.OPERATIONS, Feature.GRACEFUL_POWER_OFF, Driver.reboot),
    ),
    pytest.param(
        LongVerb(name="suspend", before=RUNNING, after=SUSPENDED),
        id="suspend",
        marks=covers(Promise.OPERATIONS, Capability.SUSPEND, Suspend.suspend),
    ),
    pytest.param(
        LongVerb(name="resume", before=SUSPENDED, after=RUNNING),
        id="resume",
        marks=covers(Promise.OPERATIONS, Capability.SUSPEND, Suspend.resume),
    ),
)


# --- what they tell ---------------------------------------------------------------------------------------------------


@covers(Promise.OPERATIONS, Driver.spawn)
def test_spawn_tells_how_far_it_is(lab: Lab, spec: InstanceSpec) -> None:
    """A spawn tells its stages, among them the well-known ones, and its progress never runs backwards."""
    stages = Stages()
    lab.compute.spawn(spec, timeout=lab.patience, on_progress=stages.look)
    for stage in (Stage.NETWORK_READY, Stage.DISKS_READY, Stage.BEFORE_START):
        assert stage.value in stages.entered
    assert stages.progress == sorted(stages.progress), "the progress ran backwards"
    assert stages.backwards == [], "the counters ran backwards"
    assert stages.progress[-1] == 1.0


@covers(Promise.OPERATIONS, Driver.power_off)
def test_outcome_is_kept(lab: Lab, running: Instance) -> None:
    """An operation's outcome, good or bad, can be asked for any number of times and stays the same."""
    done = lab.compute.submit.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    assert done.result() is None
    assert done.result() is None
    assert (done.state, done.progress, done.error) == (OperationState.COMPLETED, 1.0, None)
    refused = lab.compute.submit.spawn(lab.spec(uuid=running.uuid), timeout=lab.patience)
    errors = []
    for _ in range(2):
        with pytest.raises(VirtError) as caught:
            refused.result()
        errors.append(caught.value)
    assert errors[0] is errors[1] is refused.error
    assert refused.state is OperationState.FAILED


# --- cancel -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", LONG_VERBS)
def test_verb_cancelled_at_any_stage(lab: Lab, verb: LongVerb) -> None:
    """A verb cancelled at any stage leaves the guest as before, or completes, or says that the guest may still obey."""
    guest = lab.guest(verb.before)
    for number in itertools.count(1):
        with suppress(NotApplicable):
            lab.rig.deafen(guest)
        stages = Stages(cancel_at=number)
        operation = lab.compute.submit(verb.name, guest, on_progress=stages.look, **verb.options)
        assert operation.wait(lab.patience), f"cancelled at '{stages.entered[-1]}', it does not end"
        state = lab.compute.instance(guest, fresh=True).power_state
        where = f"{verb.name} cancelled at '{stages.entered[-1]}'" if stages.entered else verb.name
        if operation.state is OperationState.CANCELLED:
            assert state is verb.before, f"{where} is CANCELLED and left the guest {state.value}"
        elif operation.state is OperationState.COMPLETED:
            assert state is verb.after, f"{where} is COMPLETED and left the guest {state.value}"
        else:
            check_may_still_obey(operation, where)
        if len(stages.entered) < number:
            break
        bring(lab, guest, state, verb.before)
    assert number > 1, f"{verb.name} told of no stage"


def check_may_still_obey(operation: Operation[Any], where: str) -> None:
    """See that a cancelled verb failed only because the guest, which was asked to stop, may still do so."""
    assert isinstance(operation.error, Cancelled), f"{where}: {operation.error}"
    assert operation.error.state_after is StateAfter.UNKNOWN, f"{where} is FAILED, and the guest is as before"


@covers(Promise.OPERATIONS, Driver.power_on)
def test_verb_cancelled_before_its_turn_never_begins(lab: Lab, stopped: Instance) -> None:
    """A verb that still waits for another of the same guest is cancelled without having done anything."""
    with Held() as held:
        first = lab.compute.submit.power_on(stopped, hooks={Stage.BEFORE_START: held})
        held.wait_reached(first)
        second = lab.compute.submit.power_off(stopped, mode=PowerOff.HARD)
        second.cancel()
        assert second.state is OperationState.CANCELLED
    with pytest.raises(Cancelled):
        second.result()
    first.result()
    assert lab.compute.instance(stopped, fresh=True).power_state is RUNNING


@covers(Promise.OPERATIONS, Driver.spawn)
def test_cancel_wakes_a_hook_that_waits(lab: Lab, spec: InstanceSpec) -> None:
    """A spawn that waits in a caller's hook is cancelled there, and leaves nothing."""
    with leaving_nothing(lab, "the cancelled spawn"), HeldUntilCancelled() as held:
        operation = lab.compute.submit.spawn(spec, hooks={Stage.BEFORE_START: held})
        held.wait_reached(operation)
        operation.cancel()
        assert operation.wait(lab.patience)
    assert operation.state is OperationState.CANCELLED
    check_gone(lab, spec.uuid)


# --- deadline ---------------------------------------------------------------------------------------------------------


@covers(Promise.OPERATIONS, Driver.spawn, Driver.destroy)
def test_spawn_past_its_deadline(lab: Lab, spec: InstanceSpec) -> None:
    """The caller hears of the deadline in time; the spawn, abandoned, goes on or is undone, and nothing is lost."""
    seconds = ample_seconds(lab)
    with leaving_nothing(lab, "the spawn past its deadline"):
        with Held() as held:
            operation = lab.compute.submit.spawn(spec, timeout=seconds, hooks={Stage.BEFORE_START: held})
            see_abandoned(lab, operation, held, seconds)
        assert operation.wait(lab.patience), "the abandoned spawn does not end"
        if operation.state is OperationState.COMPLETED:
            assert lab.compute.instance(spec.uuid, fresh=True).power_state is RUNNING
        else:
            assert isinstance(operation.error, Timeout)
            check_gone(lab, spec.uuid)
        there = present(lab, spec.uuid)
        assert lab.compute.destroy(spec.uuid, timeout=lab.patience) is there
    check_gone(lab, spec.uuid)


@covers(Promise.OPERATIONS, Driver.power_on)
def test_verb_past_its_deadline(lab: Lab) -> None:
    """The guest stays locked while an abandoned verb runs, is in a known state afterwards, and can be used."""
    seconds = ample_seconds(lab)
    guest = lab.guest(SHUTDOWN)
    with Held() as held:
        operation = lab.compute.submit.power_on(guest, timeout=seconds, hooks={Stage.BEFORE_START: held})
        see_abandoned(lab, operation, held, seconds)
    assert operation.wait(lab.patience), "the abandoned verb does not end"
    state = lab.compute.instance(guest, fresh=True).power_state
    if operation.state is OperationState.COMPLETED:
        assert state is RUNNING
    else:
        assert isinstance(operation.error, Timeout)
        assert operation.error.state_after is StateAfter.UNCHANGED
        assert state is SHUTDOWN
    lab.compute.power_on(guest, timeout=lab.patience)
    assert lab.compute.instance(guest, fresh=True).power_state is RUNNING


@covers(Promise.OPERATIONS, Driver.power_on)
def test_deadline_before_its_turn_changes_nothing(lab: Lab, stopped: Instance) -> None:
    """A verb whose deadline passes while it waits for its turn fails as Timeout and is never begun."""
    with Held() as held:
        first = lab.compute.submit.power_on(stopped, hooks={Stage.BEFORE_START: held})
        held.wait_reached(first)
        with pytest.raises(Timeout) as caught:
            lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=MOMENT)
    assert caught.value.state_after is StateAfter.UNCHANGED
    first.result()
    assert lab.compute.instance(stopped, fresh=True).power_state is RUNNING


# --- close ------------------------------------------------------------------------------------------------------------


@covers(Promise.OPERATIONS, Driver.spawn, Driver.close)
def test_close_waits_for_what_runs(lab: Lab, spec: InstanceSpec) -> None:
    """A connection is closed once what runs has ended, and takes no more verbs meanwhile."""
    compute = lab.connect()
    with Held() as held:
        operation = compute.submit.spawn(spec, hooks={Stage.BEFORE_START: held})
        held.wait_reached(operation)
        closing = threading.Thread(target=compute.close, daemon=True)
        closing.start()
        closing.join(MOMENT)
        assert closing.is_alive(), "it was closed although a spawn runs"
        with pytest.raises(Unavailable):
            compute.power_on(spec.uuid)
    closing.join(lab.patience)
    assert not closing.is_alive()
    assert operation.state is OperationState.COMPLETED
    lab.disconnect(compute)
    assert lab.compute.instance(spec.uuid, fresh=True).power_state is RUNNING


@covers(Promise.OPERATIONS, Driver.spawn, Driver.close)
def test_close_with_cancel_stops_what_runs(lab: Lab, spec: InstanceSpec) -> None:
    """A connection that is closed with cancel=True cancels what runs, lets it clean up, and leaves nothing."""
    compute = lab.connect()
    with leaving_nothing(lab, "the cancelled spawn"), HeldUntilCancelled() as held:
        operation = compute.submit.spawn(spec, hooks={Stage.BEFORE_START: held})
        held.wait_reached(operation)
        lab.disconnect(compute)
    assert operation.state is OperationState.CANCELLED
    check_gone(lab, spec.uuid)


# --- beneath the tests ------------------------------------------------------------------------------------------------


def bring(lab: Lab, guest: Instance, now: PowerState, to: PowerState) -> None:
    """Bring a guest into a state again."""
    verbs = {RUNNING: "resume" if now is SUSPENDED else "power_on", SHUTDOWN: "power_off", SUSPENDED: "suspend"}
    if now is not to:
        options = HARD if to is SHUTDOWN else {}
        lab.compute.submit(verbs[to], guest, timeout=lab.patience, **options).result()


def ample_seconds(lab: Lab) -> float:
    """A deadline that a spawn on this backend reaches its hooks well before."""
    began = time.monotonic()
    lab.spawn(power_on=False)
    return max(0.4, 4 * (time.monotonic() - began))


def see_abandoned(lab: Lab, operation: Operation[Any], held: Held, seconds: float) -> None:
    """See what a caller sees of an operation that is held past its deadline."""
    held.wait_reached(operation)
    began = time.monotonic()
    with pytest.raises(Timeout) as caught:
        operation.result()
    assert time.monotonic() - began < seconds + PROMPT_SECONDS, "the caller heard of the deadline too late"
    assert caught.value.state_after is StateAfter.UNKNOWN
    assert operation.state is OperationState.ABANDONED
    assert operation.guest is not None
    other = lab.compute.submit.power_off(operation.guest, mode=PowerOff.HARD)
    assert not other.wait(MOMENT), "another verb did not wait for the abandoned one"
    assert other.state is OperationState.PENDING
    other.cancel()
