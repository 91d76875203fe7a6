"""A run in a few lines for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nova_virt_conformance.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_conformance.report.model import Report


def lines(report: Report) -> Iterator[str]:
    """What was found: counts, what is not verified and why, the profiles, and why the next one was missed."""
    counts = Counter(test.outcome for test in report.tests)
    yield ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    for outcome in (Outcome.NOT_VERIFIED, Outcome.KNOWN_FAILURE, Outcome.NOT_APPLICABLE):
        reasons = Counter(test.reason for test in report.tests if test.outcome is outcome)
        yield from (f"  {outcome.value}: {reason} ({count} tests)" for reason, count in reasons.most_common())
    reached = [profile.name for profile in report.profiles if profile.reached]
    yield f"profiles reached: {', '.join(reached) or 'none'}"
    missed = next((profile for profile in report.profiles if not profile.reached), None)
    if missed is not None:
        yield f"not reached: {missed.name}, because of"
        yield from (f"  {line}" for line in missed.missing)
