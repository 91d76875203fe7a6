"""Reports made up for tests: whole ones that pass, from which a test takes away what it is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.outcome import Evidence, Outcome
from nova_virt_conformance.profile import verdicts
from nova_virt_conformance.promise import Promise
from nova_virt_conformance.report.model import Declared, Report, TestResult

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECTS = (*Promise, *Capability, *Feature)


@dataclass(frozen=True)
class Maker:
    """Makes results and reports."""

    def result(self, name: str, *subjects: str, outcome: Outcome = Outcome.PASSED, **more: Any) -> TestResult:
        given: dict[str, Any] = {
            "sentence": f"What {name} shows.",
            "module": "suite.made_up",
            "methods": (),
            "seconds": 0.25,
        }
        return TestResult(name=name, subjects=subjects, outcome=outcome, **(given | more))

    def passing(self) -> tuple[TestResult, ...]:
        """One passed test for each promise, role and feature."""
        return tuple(self.result(f"test_{subject.value}", subject.value) for subject in SUBJECTS)

    def results(self, *changed: TestResult) -> tuple[TestResult, ...]:
        """As :meth:`passing`, with these instead of those of the same names, or beside them."""
        return tuple({result.name: result for result in (*self.passing(), *changed)}.values())

    def declared(self, unavailable: Mapping[str, str] | None = None) -> tuple[Declared, ...]:
        """All roles and features are there, but for these, with their reasons."""
        reasons = unavailable or {}
        return tuple(
            Declared(key=member.value, available=member.value not in reasons, reason=reasons.get(member.value, ""))
            for member in (*Capability, *Feature)
        )

    def report(
        self, *changed: TestResult, unavailable: Mapping[str, str] | None = None, selection: str = "", **more: Any
    ) -> Report:
        """A report in which all is well, but for what is said here."""
        tests, declared = self.results(*changed), self.declared(unavailable)
        whole = Report(
            kit_version="1.0.0",
            api_version="1.0",
            driver="fake",
            distribution="nova-virt-api",
            driver_version="1.0.0",
            backend="memory",
            backend_version="1",
            evidence=Evidence.REAL_BACKEND,
            started="2026-11-22T20:15:00Z",
            seconds=12.5,
            selection=selection,
            declared=declared,
            tests=tests,
            profiles=verdicts(tests, declared, selection),
        )
        return replace(whole, **more)


@pytest.fixture(scope="session")
def make() -> Maker:
    return Maker()
