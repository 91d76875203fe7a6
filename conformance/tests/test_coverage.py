"""The kit counts: nothing in the contract is without a test."""

import pytest

from nova_virt_api.driver.pause import Pause
from nova_virt_api.errors import Busy
from nova_virt_conformance import coverage
from nova_virt_conformance.conformance import TESTS
from nova_virt_conformance.suite import errors


def test_every_member_of_the_contract_has_a_test() -> None:
    missing = coverage.untested(TESTS)
    assert not missing, f"without a test: {', '.join(missing)}"


def test_members_without_a_test_are_named() -> None:
    others = {name: test for name, test in TESTS.items() if "method Pause.pause" not in set(coverage.tested_by(test))}
    assert others.keys() < TESTS.keys()
    missing = coverage.untested(others)
    assert "method Pause.pause" in missing
    assert "Busy of Pause.pause" in missing


def test_every_documented_error_is_a_member() -> None:
    found = coverage.members()
    for error in ("NoCapacity of Driver.spawn", "Ambiguous of Driver.instance", "Unavailable of Driver.open"):
        assert error in found
    assert len(found) == len(set(found))


def test_the_matrix_of_errors_is_complete() -> None:
    cases = {tuple(case.values) for case in errors.documented()}
    assert (Pause.pause.__qualname__, Busy) in cases
    assert len(cases) == sum(" of " in member for member in coverage.members())


def test_members_of_a_newer_contract_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        """One of a contract that came after this kit."""

        def levitate(self) -> None:
            """Leave the ground.

            Raises:
                NoCapacity: too heavy.
            """

    monkeypatch.setattr(coverage, "methods", lambda: {"Driver.levitate": Driver.levitate})
    assert set(coverage.untested(TESTS)) == {"method Driver.levitate", "NoCapacity of Driver.levitate"}
