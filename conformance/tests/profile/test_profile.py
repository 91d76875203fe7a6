"""What a run has to show for a profile."""

from __future__ import annotations

from typing import Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.profile import (
    CORE,
    PROFILES,
    verdicts,
)
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.report.model import ProfileVerdict


def by_name(make: Any, *changed: Any, **more: Any) -> dict[str, ProfileVerdict]:
    found = verdicts(make.results(*changed), make.declared(**more))
    return {verdict.name: verdict for verdict in found}


def test_core_asks_for_every_promise_and_for_nothing_that_a_driver_may_lack() -> None:
    assert set(CORE.requires) == set(Promise)


def test_every_profile_comes_after_the_one_it_builds_on() -> None:
    for place, profile in enumerate(PROFILES):
        assert profile.above is None or profile.above in PROFILES[:place]


def test_when_all_is_well_all_profiles_are_reached(make: Any) -> None:
    found = by_name(make)
    assert [name for name, verdict in found.items() if verdict.reached] == [profile.name for profile in PROFILES]
    assert not any(verdict.missing for verdict in found.values())


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (Outcome.FAILED, "destroy: test_destroy failed: it is still there"),
        (Outcome.KNOWN_FAILURE, "destroy: test_destroy known to fail: it is still there"),
        (Outcome.NOT_VERIFIED, "destroy: test_destroy not verified: it is still there"),
        (Outcome.NOT_APPLICABLE, "destroy: no test of it applies here: it is still there"),
    ],
    ids=lambda value: value.value if isinstance(value, Outcome) else "",
)
def test_a_promise_that_is_not_shown_is_missing_with_its_reason(make: Any, outcome: Outcome, line: str) -> None:
    destroy = make.result("test_destroy", "destroy", outcome=outcome, reason="it is still there\n(traceback)")
    found = by_name(make, destroy)
    assert found["Core"] == ProfileVerdict(name="Core", reached=False, missing=(line,))
    assert found["Lifecycle"].missing == ("the profile Core, on which this one builds, is not reached",)


def test_a_profile_that_builds_on_another_is_missed_with_it(make: Any) -> None:
    interfaces = make.result("test_interfaces", "interfaces", outcome=Outcome.FAILED, reason="none is shown")
    found = by_name(make, interfaces)
    assert found["Network"].missing == ("interfaces: test_interfaces failed: none is shown",)
    assert found["Virtual NICs"].missing == ("the profile Network, on which this one builds, is not reached",)


def test_a_missing_test_is_missing_evidence(make: Any) -> None:
    results = tuple(result for result in make.passing() if result.name != "test_secrets")
    assert verdicts(results, make.declared())[0].missing == ("secrets: no test of it was run",)


def test_a_test_may_not_apply_where_another_one_passed(make: Any) -> None:
    other = make.result("test_update_labels_too", "update", outcome=Outcome.NOT_APPLICABLE, reason="no labels")
    assert by_name(make, other)["Core"].reached


def test_a_passed_test_does_not_make_up_for_one_that_was_not_verified(make: Any) -> None:
    other = make.result("test_cut", "recovery", outcome=Outcome.NOT_VERIFIED, reason="no cut_connection()")
    assert not by_name(make, other)["Core"].reached


def test_a_provisional_test_neither_hinders_nor_helps(make: Any) -> None:
    new = make.result("test_new", "power", outcome=Outcome.FAILED, reason="odd", provisional=True)
    assert by_name(make, new)["Core"].reached
    only = make.result("test_power", "power", provisional=True)
    assert by_name(make, only)["Core"].missing == ("power: its tests are provisional and do not count yet",)


def test_a_role_that_is_not_there_is_missing_with_the_endpoints_reason(make: Any) -> None:
    found = by_name(
        make, unavailable={"suspend": "a container cannot be suspended", "nic_mac": "", "uefi": "no firmware"}
    )
    assert found["Core"].reached
    assert found["Capture"].missing == ("suspend: not available here: a container cannot be suspended",)
    assert found["Virtual NICs"].missing == ("nic_mac: not available here: no reason given",)
    assert found["Network"].reached
    assert found["Block"].reached


def test_a_role_that_is_claimed_has_to_be_shown(make: Any) -> None:
    suspend = make.result("test_suspend", "suspend", outcome=Outcome.FAILED, reason="still running")
    found = by_name(make, suspend)
    assert found["Core"].reached
    assert found["Capture"].missing == ("suspend: test_suspend failed: still running",)


def test_an_endpoint_that_gives_no_answer_does_not_reach_what_asks_for_it(make: Any) -> None:
    declared = tuple(answer for answer in make.declared() if answer.key != Feature.BLANK_DISK.value)
    block = next(verdict for verdict in verdicts(make.passing(), declared) if verdict.name == "Block")
    assert block.missing == ("blank_disk: the endpoint does not say whether it has it",)


def test_many_failures_make_one_line(make: Any) -> None:
    cases = [make.result(f"test_listing[{n}]", "listing", outcome=Outcome.FAILED, reason="gone") for n in range(7)]
    others = [make.result(f"test_more_{n}", "listing", outcome=Outcome.FAILED, reason="gone") for n in range(4)]
    unseen = make.result("test_hung", "listing", outcome=Outcome.NOT_VERIFIED, reason="the rig has no hang()")
    assert by_name(make, *cases, *others, unseen)["Core"].missing == (
        "listing: 11 tests failed (test_listing, test_more_0, test_more_1 and 2 more): gone",
        "listing: test_hung not verified: the rig has no hang()",
    )


def test_a_long_reason_does_not_make_a_long_line(make: Any) -> None:
    failed = make.result("test_images", "images", outcome=Outcome.FAILED, reason="x" * 5000)
    (line,) = by_name(make, failed)["Core"].missing
    assert len(line) < 220
    assert line.endswith("x…")


def test_a_part_of_the_kit_reaches_nothing(make: Any) -> None:
    found = verdicts(make.passing(), make.declared(), "-k pause")
    assert [verdict.name for verdict in found] == [profile.name for profile in PROFILES]
    assert not any(verdict.reached for verdict in found)
    assert {verdict.missing for verdict in found} == {
        ("only a part of the kit was run (-k pause); a profile needs all of it",)
    }


def test_profiles_name_what_the_contract_has_today() -> None:
    assert {subject for profile in PROFILES[1:] for subject in profile.requires} <= {*Capability, *Feature}
