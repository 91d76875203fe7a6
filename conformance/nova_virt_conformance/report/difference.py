"""What tells two reports of one driver apart, times and wording aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nova_virt_conformance.report.model import Report


def differences(before: Report, after: Report) -> Iterator[str]:
    """One line for each answer, each outcome and each profile that is not the same in both."""
    yield from changed(answers(before), answers(after))
    yield from changed(outcomes(before), outcomes(after))
    yield from changed(profiles(before), profiles(after))


def answers(report: Report) -> dict[str, str]:
    """What the endpoint declares."""
    return {answer.key: "available" if answer.available else "not available" for answer in report.declared}


def outcomes(report: Report) -> dict[str, str]:
    """How each test ended."""
    return {test.name: test.outcome.value for test in report.tests}


def profiles(report: Report) -> dict[str, str]:
    """Which profiles were reached."""
    return {profile.name: "reached" if profile.reached else "not reached" for profile in report.profiles}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """One line for each name that has another value, or is only on one side."""
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, "not there"), after.get(name, "not there")
        if was != now:
            yield f"{name}: was {was}, is {now}"
