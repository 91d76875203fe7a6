"""A cell of the support matrix: what an endpoint claims, beside what it has shown and on what."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_virt_conformance.outcome import Evidence, Outcome
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_conformance.matrix.row import Row
    from nova_virt_conformance.report.model import Declared, Report, TestResult


class State(enum.Enum):
    """What a cell says, best first. The value is what people read."""

    SHOWN = "shown"
    """Claimed, and every test of it passed on a real backend."""

    SIMULATED = "shown, simulated"
    """Claimed, and every test of it passed on something that imitates the backend."""

    PARTLY = "partly shown"
    """Claimed; tests passed, others could not be made."""

    CLAIMED = "claimed, not shown"
    """Claimed, and no test of it passed."""

    KNOWN_FAILURE = "known failure"
    """Claimed, and a test of it fails, which is known and followed up."""

    FAILS = "fails"
    """A test of it fails."""

    UNAVAILABLE = "not available"
    """The endpoint says that it does not have it, and why."""

    UNANSWERED = "no answer"
    """The endpoint does not say whether it has it."""

    @property
    def key(self) -> str:
        """A name for style sheets and scripts."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One row of one report.

    Args:
        row: the row.
        state: what is to be thought of it.
        note: in a few words why, or by how many tests.
        tests: all tests behind it, the provisional ones too.
    """

    row: Row
    state: State
    note: str
    tests: tuple[TestResult, ...]


def cell_of(row: Row, report: Report) -> Cell:
    """What one report says of one row. Provisional tests are listed, and decide nothing."""
    tests = tuple(test for test in report.tests if row.key in test.subjects)
    answer = next((answer for answer in report.declared if answer.key == row.key), None)
    state = judged(row, answer, tests, report)
    return Cell(row=row, state=state, note=noted(state, answer, tests, report), tests=tests)


def judged(row: Row, answer: Declared | None, tests: Sequence[TestResult], report: Report) -> State:
    """What the answer and the tests come to. A failed test weighs more than any answer."""
    ended = Counter(test.outcome for test in tests if not test.provisional)
    if ended[Outcome.FAILED]:
        return State.FAILS
    if ended[Outcome.KNOWN_FAILURE]:
        return State.KNOWN_FAILURE
    if not isinstance(row.subject, Promise):
        if answer is None:
            return State.UNANSWERED
        if not answer.available:
            return State.UNAVAILABLE
    if not ended[Outcome.PASSED]:
        return State.CLAIMED
    if ended[Outcome.NOT_VERIFIED] or report.selection:
        return State.PARTLY
    return State.SHOWN if report.evidence is Evidence.REAL_BACKEND else State.SIMULATED


def noted(state: State, answer: Declared | None, tests: Sequence[TestResult], report: Report) -> str:
    """The few words beside a state."""
    counting = [test for test in tests if not test.provisional]
    match state:
        case State.UNAVAILABLE:
            note = (answer.reason if answer else "") or "no reason given"
        case State.UNANSWERED:
            note = "the endpoint does not say"
        case State.CLAIMED:
            note = why_not_shown(tests, counting, report)
        case State.SHOWN | State.SIMULATED | State.PARTLY:
            note = part(counting, Outcome.PASSED)
        case State.FAILS:
            note = part(counting, Outcome.FAILED)
        case State.KNOWN_FAILURE:
            note = part(counting, Outcome.KNOWN_FAILURE)
    on_trial = sum(test.provisional and test.outcome is Outcome.FAILED for test in tests)
    return f"{note}; {on_trial} on trial fail{'s' if on_trial == 1 else ''}" if on_trial else note


def part(counting: Sequence[TestResult], outcome: Outcome) -> str:
    """How many of the tests that could have, ended so."""
    applicable = [test for test in counting if test.outcome is not Outcome.NOT_APPLICABLE]
    count = sum(test.outcome is outcome for test in applicable)
    tests = "test" if len(applicable) == 1 else "tests"
    return f"{len(applicable)} {tests}" if count == len(applicable) else f"{count} of {len(applicable)} {tests}"


def why_not_shown(tests: Sequence[TestResult], counting: Sequence[TestResult], report: Report) -> str:
    """Why no test of something claimed has passed."""
    if counting:
        unsure = [test.reason for test in counting if test.outcome is Outcome.NOT_VERIFIED]
        reasons = Counter(unsure or [test.reason for test in counting])
        return reasons.most_common(1)[0][0].partition("\n")[0]
    if tests:
        return "its tests are on trial and do not count yet"
    return "not selected in this run" if report.selection else "no test of it was run"
