"""What is told of two reports that are not the same."""

from dataclasses import replace

import pytest

from nova_virt_conformance.outcome import Evidence, Outcome
from nova_virt_conformance.report.difference import differences
from nova_virt_conformance.report.model import Declared, ProfileVerdict, Report, TestResult


@pytest.fixture
def report() -> Report:
    test = TestResult(
        name="test_a",
        sentence="A.",
        module="suite.a",
        subjects=("spawn",),
        methods=(),
        outcome=Outcome.PASSED,
        seconds=1,
    )
    return Report(
        kit_version="1.0.0",
        api_version="1.0",
        driver="some",
        distribution="some-driver",
        driver_version="1",
        backend="B",
        backend_version="2",
        evidence=Evidence.REAL_BACKEND,
        started="2026-01-01T00:00:00+00:00",
        seconds=1,
        declared=(Declared(key="pause", available=True),),
        tests=(test,),
        profiles=(ProfileVerdict(name="Core", reached=True),),
    )


def test_times_and_wording_do_not_matter(report: Report) -> None:
    later = replace(report, seconds=9, started="2027-01-01T00:00:00+00:00", backend_version="3")
    later = replace(later, tests=tuple(replace(test, seconds=5, sentence="Other.") for test in report.tests))
    assert list(differences(report, later)) == []


def test_answers_outcomes_and_profiles_do(report: Report) -> None:
    failed = replace(report.tests[0], outcome=Outcome.FAILED)
    other = replace(failed, name="test_b")
    later = replace(
        report,
        declared=(Declared(key="pause", available=False, reason="no"),),
        tests=(failed, other),
        profiles=(ProfileVerdict(name="Core", reached=False),),
    )
    assert list(differences(report, later)) == [
        "pause: was available, is not available",
        "test_a: was passed, is failed",
        "test_b: was not there, is failed",
        "Core: was reached, is not reached",
    ]
