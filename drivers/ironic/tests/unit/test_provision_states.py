"""What Ironic's states mean for a guest."""

import pytest

from nova_virt_api.model.instance import HEALTHY, Condition, Lifecycle, PowerState
from nova_virt_ironic.node import NodeRow
from nova_virt_ironic.provision_states import PROVISION_STATES, health_of, meaning_of, power_settled, power_state_of

NODE = "6d1b1a5e-0000-4000-8000-00000000000a"

IRONICS_STATES = """
active, adopt failed, adopting, available, clean failed, clean hold, clean wait, cleaning, deleted, deleting,
deploy complete, deploy failed, deploy hold, deploying, enroll, error, inspect failed, inspect wait, inspecting,
manageable, rescue, rescue failed, rescue wait, rescuing, service failed, service hold, service wait, servicing,
unrescue failed, unrescuing, verifying, wait call-back
"""
"""Of ironic/common/states.py, release 2026.2."""


def row(**fields: object) -> NodeRow:
    return NodeRow(uuid=NODE, **fields)  # type: ignore[arg-type]


def test_every_state_of_ironics_has_a_meaning() -> None:
    assert set(PROVISION_STATES) == {state.strip() for state in IRONICS_STATES.split(",")}


def test_a_state_that_a_later_ironic_invents_is_no_guest_that_is_well() -> None:
    assert meaning_of(row(provision_state="teleporting")).lifecycle is Lifecycle.ERROR


@pytest.mark.parametrize("state", [state for state, meaning in PROVISION_STATES.items() if meaning.failed])
def test_failures_are_errors_and_seen_in_the_health(state: str) -> None:
    failed = row(provision_state=state, last_error="the disk is on fire")
    assert meaning_of(failed).lifecycle is Lifecycle.ERROR
    assert meaning_of(failed).stable
    assert health_of(failed).condition is Condition.DEGRADED
    assert health_of(failed).reason == f"{state}: the disk is on fire"


@pytest.mark.parametrize(
    ("native", "state"),
    [
        ("power on", PowerState.RUNNING),
        ("power off", PowerState.SHUTDOWN),
        ("error", PowerState.NOSTATE),
        (None, PowerState.NOSTATE),
    ],
)
def test_unknown_power_is_not_off(native: str | None, state: PowerState) -> None:
    assert power_state_of(row(power_state=native)) is state


def test_power_is_settled_when_nothing_is_under_way() -> None:
    assert power_settled(row(power_state="power on"))
    assert not power_settled(row(power_state="power on", target_power_state="power on"))


def test_health_tells_the_worst_first() -> None:
    assert health_of(row(provision_state="active", health="OK")) == HEALTHY
    assert health_of(row(provision_state="active", health="Critical")).condition is Condition.DEGRADED
    kept = row(provision_state="active", health="Critical", maintenance=True, maintenance_reason="a new fan")
    assert health_of(kept).reason == "in maintenance: a new fan"
    lost = row(provision_state="active", maintenance=True, fault="power failure", maintenance_reason="long text")
    assert health_of(lost).condition is Condition.UNRESPONSIVE
