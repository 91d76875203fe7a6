"""Counts what of the contract has tests: methods, roles, features, promises and documented errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Capability, Feature
from nova_virt_conformance.contract import documented_errors, methods
from nova_virt_conformance.covers import coverage_of
from nova_virt_conformance.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    import pytest

    from nova_virt_conformance.covers import Coverage


def members() -> tuple[str, ...]:
    """Everything in the contract as it is installed that a test can be about, in words."""
    errors = (
        error_member(name, kind.__name__) for name, method in methods().items() for kind in documented_errors(method)
    )
    subjects = (f"{type(member).__name__} {member.value}" for member in (*Capability, *Feature, *Promise))
    return (*(f"method {name}" for name in methods()), *subjects, *errors)


def untested(tests: Mapping[str, Callable[..., Any]]) -> tuple[str, ...]:
    """The members of the contract without a test: none, or those that came after this kit.

    Args:
        tests: the kit's tests by name.
    """
    tested = {member for test in tests.values() for member in tested_by(test)}
    return tuple(member for member in members() if member not in tested)


def tested_by(test: Callable[..., Any]) -> Iterator[str]:
    """What one test is about, in all of its cases."""
    marks: list[pytest.Mark] = list(getattr(test, "pytestmark", ()))
    own = [mark for mark in marks if mark.name == "covers"]
    yield from said(coverage_of(own))
    for mark in marks:
        if mark.name == "parametrize":
            for case in mark.args[1]:
                of_case = [one for one in getattr(case, "marks", ()) if one.name == "covers"]
                yield from said(coverage_of([*own, *(getattr(one, "mark", one) for one in of_case)]))


def said(coverage: Coverage) -> Iterable[str]:
    """What marks say, as members of the contract."""
    for method in coverage.methods:
        yield f"method {method}"
        yield from (error_member(method, kind.__name__) for kind in coverage.errors)
    for subject in coverage.subjects:
        yield f"{type(subject).__name__} {subject.value}"


def error_member(method: str, error: str) -> str:
    """A documented error of a method, in words."""
    return f"{error} of {method}"
