"""What a cell says: declared, verified, and on what evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nova_virt_conformance.matrix.cell import Cell, State, cell_of
from nova_virt_conformance.matrix.column import Column
from nova_virt_conformance.matrix.rows import ROWS
from nova_virt_conformance.outcome import Evidence, Outcome
from nova_virt_conformance.profile import PROFILES
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from nova_virt_conformance.report.model import Report

BY_KEY = {row.key: row for row in ROWS}
REASON = "because of that\nand a traceback"


def cell(report: Report, key: str) -> Cell:
    return cell_of(BY_KEY[key], report)


@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        (Evidence.REAL_BACKEND, State.SHOWN),
        (Evidence.THIRD_PARTY_SIMULATOR, State.SIMULATED),
        (Evidence.OWN_SIMULATION, State.SIMULATED),
    ],
)
def test_what_is_shown_says_on_what(make: Any, evidence: Evidence, state: State) -> None:
    report = make.report(evidence=evidence)
    assert {cell_of(row, report).state for row in ROWS} == {state}


@pytest.mark.parametrize("key", ["destroy", "pause", "uefi"])
@pytest.mark.parametrize(
    ("outcome", "state", "note"),
    [
        (Outcome.PASSED, State.SHOWN, "1 test"),
        (Outcome.FAILED, State.FAILS, "1 test"),
        (Outcome.KNOWN_FAILURE, State.KNOWN_FAILURE, "1 test"),
        (Outcome.NOT_VERIFIED, State.CLAIMED, "because of that"),
        (Outcome.NOT_APPLICABLE, State.CLAIMED, "because of that"),
    ],
)
def test_a_claim_is_what_its_test_made_of_it(make: Any, key: str, outcome: Outcome, state: State, note: str) -> None:
    found = cell(make.report(make.result(f"test_{key}", key, outcome=outcome, reason=REASON)), key)
    assert (found.state, found.note) == (state, note)
    assert [test.name for test in found.tests] == [f"test_{key}"]


@pytest.mark.parametrize(
    ("outcomes", "state", "note"),
    [
        ((Outcome.PASSED, Outcome.NOT_APPLICABLE), State.SHOWN, "2 tests"),
        ((Outcome.PASSED, Outcome.NOT_VERIFIED), State.PARTLY, "2 of 3 tests"),
        ((Outcome.FAILED, Outcome.KNOWN_FAILURE), State.FAILS, "1 of 3 tests"),
        ((Outcome.KNOWN_FAILURE, Outcome.NOT_VERIFIED), State.KNOWN_FAILURE, "1 of 3 tests"),
    ],
)
def test_of_several_tests_the_worst_decides(make: Any, outcomes: tuple[Outcome, ...], state: State, note: str) -> None:
    more = [make.result(f"test_more_{n}", "spawn", outcome=outcome) for n, outcome in enumerate(outcomes)]
    found = cell(make.report(*more), "spawn")
    assert (found.state, found.note) == (state, note)


def test_what_is_not_there_says_why(make: Any) -> None:
    report = make.report(
        make.result("test_pause", "pause", outcome=Outcome.NOT_APPLICABLE, reason="cannot"),
        unavailable={"pause": "it cannot be held", "uefi": ""},
    )
    assert (cell(report, "pause").state, cell(report, "pause").note) == (State.UNAVAILABLE, "it cannot be held")
    assert cell(report, "uefi").note == "no reason given"


def test_a_failure_is_not_hidden_by_saying_that_it_is_not_there(make: Any) -> None:
    failed = make.result("test_pause", "pause", outcome=Outcome.FAILED, reason="it did pause")
    assert cell(make.report(failed, unavailable={"pause": "no"}), "pause").state is State.FAILS


def test_an_older_report_that_knows_less_says_so(make: Any) -> None:
    report = make.report()
    older = make.report(
        declared=tuple(answer for answer in report.declared if answer.key != "uefi"),
        tests=tuple(test for test in report.tests if test.name not in ("test_uefi", "test_isolation")),
    )
    assert cell(older, "uefi").state is State.UNANSWERED
    assert (cell(older, "isolation").state, cell(older, "isolation").note) == (
        State.CLAIMED,
        "no test of it was run",
    )


def test_a_test_on_trial_is_shown_and_decides_nothing(make: Any) -> None:
    new = make.result("test_new", "power", outcome=Outcome.FAILED, provisional=True)
    found = cell(make.report(new), "power")
    assert (found.state, found.note) == (State.SHOWN, "1 test; 1 on trial fails")
    assert new in found.tests
    only = cell(make.report(make.result("test_power", "power", provisional=True)), "power")
    assert (only.state, only.note) == (State.CLAIMED, "its tests are on trial and do not count yet")


def test_a_part_of_the_kit_shows_a_part(make: Any) -> None:
    passed = tuple(test for test in make.passing() if test.name == "test_pause")
    report = make.report(tests=passed, selection="pause")
    assert cell(report, "pause").state is State.PARTLY
    assert (cell(report, "suspend").state, cell(report, "suspend").note) == (
        State.CLAIMED,
        "not selected in this run",
    )


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("provisional", [False, True])
def test_core_is_reached_exactly_when_every_promise_is_shown(make: Any, outcome: Outcome, provisional: bool) -> None:
    for more in ((), (make.result("test_other", "events"),)):
        changed = make.result("test_events", "events", outcome=outcome, provisional=provisional)
        report = make.report(changed, *more)
        shown = all(cell_of(row, report).state is State.SHOWN for row in ROWS if isinstance(row.subject, Promise))
        assert report.profiles[0].reached == shown


def test_a_column_counts_its_cells(reports: tuple[Report, ...]) -> None:
    columns = [Column(report) for report in reports]
    assert [dict(column.tally)[State.UNAVAILABLE] for column in columns] == [1, 2, 1]
    assert all(sum(count for _, count in column.tally) == len(ROWS) for column in columns)
    assert [column.missed and column.missed.name for column in columns] == [None, "Core", "Capture"]
    assert {verdict.name for verdict in columns[0].profiles} == {profile.name for profile in PROFILES}
