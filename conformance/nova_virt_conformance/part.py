"""The part of the kit that a session runs. Only the whole of it, or all that a profile needs, reaches a profile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_conformance.conformance import TESTS
from nova_virt_conformance.covers import coverage_of
from nova_virt_conformance.profile import PROFILES, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from nova_virt_conformance.profile import Profile
    from nova_virt_conformance.report.model import Declared, ProfileVerdict, TestResult


class Part:
    """What is to be run, and what that is called.

    Args:
        collected: all tests that pytest found, before any was left out.
        profile: the profile that was asked for; None runs all of the kit.
        config: what pytest was told.
    """

    def __init__(self, collected: Sequence[pytest.Function], profile: Profile | None, config: pytest.Config) -> None:
        self._collected = collected
        self._named = names_tests(config)
        self._profile = profile
        self._config = config

    def knows(self, test: str) -> bool:
        """Whether there is a test, or a case of one, of this name. Of tests that pytest did not look for, any case."""
        name = test.partition("[")[0]
        cases = {item.name for item in self._collected if item.originalname == name}
        return name in TESTS and (name == test or self._named or test in cases)

    def wanted(self) -> list[pytest.Function]:
        """All tests of the part, before others than the kit choose among them."""
        return [item for item in self._collected if self._profile is None or needed(item, self._profile)]

    def of(self, items: Sequence[pytest.Function]) -> str:
        """The name of the part that these tests of one class are; empty for the whole kit."""
        kind = items[0].cls
        wanted = {item.nodeid for item in self.wanted() if item.cls is kind}
        whole = TESTS.keys() <= {item.originalname for item in self._collected if item.cls is kind}
        return " ".join(self._said(whole and wanted <= {item.nodeid for item in items}))

    def _said(self, complete: bool) -> Iterator[str]:
        if self._profile is not None:
            yield f"--profile {self._profile.name}"
        if complete:
            return
        option = self._config.option
        said = [f"{name} {text}" for name, text in (("-k", option.keyword), ("-m", option.markexpr)) if text]
        yield from said or ["some of its tests only"]

    def verdicts(
        self, results: Sequence[TestResult], declared: Sequence[Declared], selection: str
    ) -> tuple[ProfileVerdict, ...]:
        """Which profiles were reached. A run for one profile says nothing of those that do not lie below it."""
        if self._profile is None or selection != f"--profile {self._profile.name}":
            return verdicts(results, declared, selection)
        asked = {profile.name for profile in PROFILES if profile.subjects <= self._profile.subjects}
        why = (f"only what the profile {self._profile.name} needs was run",)
        found = verdicts(results, declared)
        return tuple(one if one.name in asked else replace(one, reached=False, missing=why) for one in found)


def names_tests(config: pytest.Config) -> bool:
    """Whether tests were asked for by name, so that pytest did not look for the others."""
    return any("::test_" in argument for argument in config.args)


def needed(item: pytest.Function, profile: Profile) -> bool:
    """Whether a test is about something that a profile asks for."""
    return not profile.subjects.isdisjoint(coverage_of(item.iter_markers("covers")).subjects)
