"""One kit test under way: from pytest's reports of its phases to the kit's outcome."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nova_virt_conformance.covers import Coverage, coverage_of
from nova_virt_conformance.outcome import NotApplicable, NotVerified, Outcome
from nova_virt_conformance.report.model import TestResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_conformance.lab import Lab
    from nova_virt_conformance.target import KnownFailure


class Judged:
    """One kit test, or one case of it.

    Args:
        item: the test, as pytest has it.
    """

    def __init__(self, item: pytest.Function) -> None:
        self.item = item
        self.coverage: Coverage = coverage_of(item.iter_markers("covers"))
        self.outcome: Outcome | None = None
        self.reason = ""
        self.link = ""
        self.seconds = 0.0

    @property
    def lab(self) -> Lab | None:
        """The lab, once it is open."""
        lab: Lab | None = getattr(self.item, "funcargs", {}).get("lab")
        return lab

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Around the test itself: a broken rule fails it even if it gave up; what passed must have done what it says.

        Raises:
            AssertionError: a general rule was broken, or a method that the test claims to cover was never called.
            NotVerified: the fence kept something from the driver, so that a pass says nothing.
        """
        lab = self.lab
        if lab is None:
            yield
            return
        try:
            yield
        except (NotApplicable, NotVerified):
            lab.check_rules()
            raise
        except BaseException as error:
            for line in lab.broken_rules():
                error.add_note(line)
            raise
        lab.check_rules()
        if lab.fence.refusals:
            raise NotVerified(lab.fence.refusals[0])
        silent = [method for method in self.coverage.methods if method not in lab.observer.begun]
        if silent:  # not by assert: what pytest adds to one is nobody's word
            raise AssertionError(f"the test never called {', '.join(silent)}")

    def phase(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """One of set-up, test and clean-up is over; the worst of them counts, and of failures the first."""
        self.seconds += call.duration
        outcome, reason = self._outcome(call)
        known = self._known()
        if outcome is Outcome.FAILED and known is not None:
            outcome, reason = excused(known, reason, report)
            self.link = known.link
        elif outcome is Outcome.FAILED and self.coverage.provisional():
            show_excused(report, f"provisional, it does not count yet: {reason}")
        elif outcome in (Outcome.NOT_VERIFIED, Outcome.NOT_APPLICABLE):
            show_skipped(report, reason)
        first = self.outcome is not Outcome.FAILED
        if self.outcome in (None, Outcome.PASSED) or (outcome is Outcome.FAILED and first):
            self.outcome, self.reason = outcome, reason
        if call.when == "teardown" and known is not None and self.outcome is Outcome.PASSED:
            self.outcome, self.link = Outcome.FAILED, known.link
            self.reason = f"passes, so it is no known failure any more; take it out of the target ({known.link})"
            report.outcome, report.longrepr = "failed", self.reason

    def result(self) -> TestResult:
        """How it ended."""
        function = self.item.function
        sentence = (function.__doc__ or "").strip().partition("\n")[0]
        return TestResult(
            name=self.item.name,
            sentence=sentence,
            module=function.__module__.partition(".")[2],
            subjects=tuple(subject.value for subject in self.coverage.subjects),
            methods=self.coverage.methods,
            outcome=self.outcome or Outcome.NOT_VERIFIED,
            reason=self.reason or ("" if self.outcome else "the run ended before it"),
            link=self.link,
            seconds=round(self.seconds, 3),
            provisional=self.coverage.provisional(),
        )

    def _outcome(self, call: pytest.CallInfo[None]) -> tuple[Outcome, str]:
        error = call.excinfo.value if call.excinfo is not None else None
        if error is None:
            return Outcome.PASSED, ""
        if isinstance(error, NotApplicable | NotVerified):
            return error.outcome, str(error)
        if self.lab is not None and self.lab.fence.refusals:
            return Outcome.NOT_VERIFIED, self.lab.fence.refusals[0]
        if isinstance(error, pytest.skip.Exception):
            return Outcome.NOT_VERIFIED, str(error)
        text = str(error) or type(error).__name__
        return Outcome.FAILED, text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"

    def _known(self) -> KnownFailure | None:
        if self.lab is None:
            return None
        names = (self.item.name, self.item.originalname)
        return next((known for known in self.lab.target.known_failures if known.test in names), None)


def excused(known: KnownFailure, reason: str, report: pytest.TestReport) -> tuple[Outcome, str]:
    """What becomes of a failure that is known: it counts as known until its day."""
    if known.expires < date.today():
        return Outcome.FAILED, f"the known failure expired on {known.expires}: {known.reason} ({known.link}); {reason}"
    show_excused(report, known.reason)
    return Outcome.KNOWN_FAILURE, known.reason


def show_excused(report: pytest.TestReport, reason: str) -> None:
    """Let pytest count the test as one that failed as expected, for this reason."""
    show_skipped(report, reason)
    report.wasxfail = reason


def show_skipped(report: pytest.TestReport, reason: str) -> None:
    """Let pytest count the test as one that said nothing, for this reason."""
    report.outcome = "skipped"
    report.longrepr = (report.location[0], report.location[1] or 0, f"Skipped: {reason}")
