"""A run in a few lines for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nova_virt_conformance.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_conformance.report.model import Report


def lines(report: Report, asked: str = "") -> Iterator[str]:
    """What was found: counts, what is not verified and why, the profiles, and why the next one was missed.

    Args:
        report: the run.
        asked: name of the profile that it was made for; of no other it is told why it was missed.
    """
    counts = Counter(test.outcome for test in report.tests)
    yield ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    provisional = [test for test in report.tests if test.provisional and test.outcome is Outcome.FAILED]
    yield from (f"  failed, but provisional, so it does not count yet: {test.name}" for test in provisional)
    for outcome in (Outcome.NOT_VERIFIED, Outcome.KNOWN_FAILURE, Outcome.NOT_APPLICABLE):
        reasons = Counter(test.reason for test in report.tests if test.outcome is outcome)
        yield from (f"  {outcome.value}: {reason} ({counted(count)})" for reason, count in reasons.most_common())
    reached = [profile.name for profile in report.profiles if profile.reached]
    yield f"profiles reached: {', '.join(reached) or 'none'}"
    of_interest = (profile for profile in report.profiles if not profile.reached and asked in ("", profile.name))
    missed = next(of_interest, None)
    if missed is not None:
        yield f"not reached: {missed.name}, because of"
        yield from (f"  {line}" for line in missed.missing)


def counted(count: int) -> str:
    """So many tests."""
    return "1 test" if count == 1 else f"{count} tests"
