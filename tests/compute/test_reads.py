"""Reads: scope, names, one replay after a lost connection, no native exception."""

from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import until
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches


def test_read_is_asked_once_more_after_a_lost_connection(
    compute: virt.Compute, switches: Switches, guest: virt.Instance
) -> None:
    switches.lose_connection(calls=1)
    assert [found.uuid for found in compute.instances()] == [guest.uuid]
    switches.lose_connection(calls=2)
    with pytest.raises(virt.ConnectionLost):
        compute.instances()


def test_verb_is_not_repeated_after_a_lost_connection(
    compute: virt.Compute, switches: Switches, guest: virt.Instance
) -> None:
    switches.lose_connection(calls=1)
    with pytest.raises(virt.ConnectionLost):
        compute.pause(guest)
    assert compute.instance(guest).power_state is virt.PowerState.RUNNING


def test_native_exception_does_not_cross(compute: virt.Compute, switches: Switches) -> None:
    switches.fail_at(Step.READ, ValueError("token=abc"))
    with pytest.raises(virt.DriverBug, match=r"native builtins\.ValueError") as caught:
        compute.instances()
    assert "abc" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


def test_foreign_guests_are_seen_and_filtered_by_scope(
    compute: virt.Compute, switches: Switches, guest: virt.Instance
) -> None:
    other = switches.outside.add_guest("theirs", owner="somebody")
    nobody = switches.outside.add_guest("by-hand")
    assert {found.uuid for found in compute.instances()} == {guest.uuid, other, nobody}
    assert [found.uuid for found in compute.instances(scope=virt.Scope.OWNED)] == [guest.uuid]


def test_find_by_name_or_uuid(compute: virt.Compute, switches: Switches, guest: virt.Instance) -> None:
    assert compute.find("web") == compute.find(str(guest.uuid)) == guest
    with pytest.raises(virt.InstanceNotFound, match=r"no guest called 'wbe' here; did you mean 'web'\?"):
        compute.find("wbe")
    with pytest.raises(virt.InstanceNotFound, match="no guest called 'db' here; instances"):
        compute.find("db")
    switches.outside.copy(guest, "web")
    with pytest.raises(virt.Ambiguous) as caught:
        compute.find("web")
    assert str(guest.uuid) in caught.value.candidates


def test_closed_connection_refuses_verbs(guest: virt.Instance, compute: virt.Compute) -> None:
    compute.close()
    compute.close()
    with pytest.raises(virt.Unavailable, match="connect again"):
        compute.pause(guest)


def test_a_connection_says_what_it_is() -> None:
    with virt.connect("fake", owner="ci") as compute:
        assert repr(compute) == "<Compute fake owner='ci'>"


def test_a_wrong_state_comes_with_the_way_out_of_it(guest: virt.Instance, compute: virt.Compute) -> None:
    compute.power_off(guest)
    with pytest.raises(virt.InvalidState, match=r"needs running or paused; power_on\(\) brings it there"):
        compute.pause(guest)
    compute.power_on(guest)
    compute.pause(guest)
    with pytest.raises(virt.InvalidState, match=r"; unpause\(\) brings it there"):
        compute.resume(guest)


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [("running", r"Condition, e\.g\. until\.agent\(\)"), (until.agent, r"e\.g\. until\.agent\(\)")],
)
def test_what_is_no_condition(condition: Any, allowed: str, guest: virt.Instance, compute: virt.Compute) -> None:
    with pytest.raises(virt.InvalidSpec, match=allowed):
        compute.wait_for(guest, condition)


def test_what_is_no_member_of_an_enum(guest: virt.Instance, compute: virt.Compute) -> None:
    with pytest.raises(virt.InvalidSpec, match=r"allowed is one of: ConsoleKind\.VNC, "):
        compute.console(guest, "vnc")  # type: ignore[arg-type]
