"""Starting, stopping and restarting guests: what the verbs promise beside the state that they lead to."""

from __future__ import annotations

import time
from typing import Any, Final

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import Operation, OperationState
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Stage
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import Cancelled, HookFailed, StateAfter
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_conformance.aftermath import leaving_as_is
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.stages import Stages
from nova_virt_conformance.verb import CRASHED, PAUSED, RUNNING, SHUTDOWN, SUSPENDED

LONG_GRACE: Final = 8.0
SHORT_GRACE: Final = 0.3
PROMPT_SECONDS: Final = 5.0

STARTING: Final = pytest.mark.parametrize(
    ("verb", "state"),
    [
        pytest.param("power_on", SHUTDOWN, id="power_on", marks=covers(Promise.POWER, Driver.power_on)),
        pytest.param("resume", SUSPENDED, id="resume", marks=covers(Capability.SUSPEND, Suspend.resume)),
    ],
)


@STARTING
def test_hook_runs_before_the_guest_does(lab: Lab, verb: str, state: PowerState) -> None:
    """A caller's hook at BEFORE_START runs once, and the guest's state is still the old one while it does."""
    guest = lab.guest(state)
    seen: list[PowerState] = []
    hooks = {Stage.BEFORE_START: lambda _: seen.append(lab.second.instance(guest, fresh=True).power_state)}
    lab.compute.submit(verb, guest, hooks=hooks, timeout=lab.patience).result()
    assert seen == [state], f"the hook ran {len(seen)} times and saw: {[each.value for each in seen]}"
    assert lab.compute.instance(guest, fresh=True).power_state is RUNNING


@STARTING
def test_failing_hook_leaves_the_guest_as_it_was(lab: Lab, verb: str, state: PowerState) -> None:
    """A hook that raises ends the verb with HookFailed and its own error as the cause; the guest is not started."""
    guest = lab.guest(state)
    own = RuntimeError("the network is not there")

    def fail(_: Operation[Any]) -> None:
        raise own

    with leaving_as_is(lab, guest.uuid, f"the {verb} that failed"), pytest.raises(HookFailed) as caught:
        lab.compute.submit(verb, guest, hooks={Stage.BEFORE_START: fail}, timeout=lab.patience).result()
    assert caught.value.__cause__ is own
    assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Feature.GRACEFUL_POWER_OFF, Driver.power_off)
def test_power_is_cut_after_the_grace_time(lab: Lab, running: Instance) -> None:
    """A guest that does not obey has its power cut when the grace time is over, and neither sooner nor much later."""
    lab.rig.deafen(running)
    began = time.monotonic()
    lab.compute.power_off(running, grace_seconds=SHORT_GRACE, timeout=lab.patience)
    took = time.monotonic() - began
    assert SHORT_GRACE <= took < SHORT_GRACE + PROMPT_SECONDS, f"the power was off after {took:.1f} s"
    assert lab.compute.instance(running, fresh=True).power_state is SHUTDOWN


@pytest.mark.parametrize("state", [PAUSED, CRASHED], ids=lambda state: state.value)
@covers(Feature.GRACEFUL_POWER_OFF, Driver.power_off)
def test_guest_that_cannot_obey_gets_no_grace_time(lab: Lab, state: PowerState) -> None:
    """A paused or crashed guest cannot be asked, so that its power is cut at once."""
    guest = lab.guest(state)
    lab.rig.deafen(guest)
    began = time.monotonic()
    lab.compute.power_off(guest, grace_seconds=LONG_GRACE, timeout=lab.patience)
    assert time.monotonic() - began < PROMPT_SECONDS
    assert lab.compute.instance(guest, fresh=True).power_state is SHUTDOWN


@covers(Feature.GRACEFUL_POWER_OFF, Driver.power_off)
def test_waiting_for_a_guest_ends_when_cancelled(lab: Lab, running: Instance) -> None:
    """A power_off that waits for a guest to obey stops waiting as soon as it is cancelled, and cuts no power."""
    lab.rig.deafen(running)
    stages = Stages(cancel_at=1)
    operation = lab.compute.submit.power_off(running, grace_seconds=LONG_GRACE, on_progress=stages.look)
    assert operation.wait(PROMPT_SECONDS), "it waits on although it was cancelled"
    assert isinstance(operation.error, Cancelled)
    if operation.state is not OperationState.CANCELLED:
        assert operation.error.state_after is StateAfter.UNKNOWN, "only a guest that may still obey is not as before"
    assert lab.compute.instance(running, fresh=True).power_state is RUNNING


@covers(Feature.GRACEFUL_POWER_OFF, Driver.power_off)
def test_waiting_for_a_guest_ends_at_the_deadline(lab: Lab, running: Instance) -> None:
    """A power_off that waits for a guest to obey stops waiting at the deadline; the guest is not locked any longer."""
    lab.rig.deafen(running)
    operation = lab.compute.submit.power_off(running, grace_seconds=LONG_GRACE, timeout=SHORT_GRACE)
    assert operation.wait(SHORT_GRACE + PROMPT_SECONDS), "it waits on although its deadline has passed"
    assert operation.state is OperationState.FAILED
    lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    assert lab.compute.instance(running, fresh=True).power_state is SHUTDOWN
