"""The kit's tests by the rows that they count for."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_virt_conformance.covers import coverage_of
from nova_virt_conformance.suite import gathered

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_conformance.covers import Coverage
    from nova_virt_conformance.matrix.row import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class KitTest:
    """One test of the kit, as it is written.

    Args:
        name: its name.
        sentence: what it shows.
        module: the module that it is in.
        coverage: what it is about.
    """

    name: str
    sentence: str
    module: str
    coverage: Coverage


def kit_tests() -> tuple[KitTest, ...]:
    """All tests of this kit, by name."""
    return tuple(as_written(name, test) for name, test in sorted(gathered().items()))


def as_written(name: str, test: Callable[..., object]) -> KitTest:
    """One test from its function."""
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "covers"]
    return KitTest(
        name=name,
        sentence=(inspect.getdoc(test) or name).partition("\n")[0],
        module=test.__module__.removeprefix("nova_virt_conformance."),
        coverage=coverage_of(marks),
    )


def behind(row: Row, tests: tuple[KitTest, ...]) -> tuple[KitTest, ...]:
    """Those of the tests that count for a row."""
    return tuple(test for test in tests if row.subject in test.coverage.subjects)
