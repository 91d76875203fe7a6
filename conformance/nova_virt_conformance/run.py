"""Runs of the kit: what was collected, how each test ended, and the reports of it."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_api.errors import VirtError
from nova_virt_api.loading import load_driver
from nova_virt_api.version import API_VERSION
from nova_virt_conformance.conformance import FIXTURES, GIVEN, TESTS, Conformance
from nova_virt_conformance.coverage import untested
from nova_virt_conformance.judged import Judged
from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.report.commit import commit_of
from nova_virt_conformance.report.model import Declared, Report
from nova_virt_conformance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_conformance.lab import Lab
    from nova_virt_conformance.part import Part
    from nova_virt_conformance.target import Target

KIT: Final = dict(vars(Conformance))
"""The kit's class as it was made."""


class Run:
    """The kit on one endpoint: the tests of one class that inherits the kit.

    Args:
        part: the part of the kit that is run.
        items: the tests that are to be run.
    """

    def __init__(self, part: Part, items: Sequence[pytest.Function]) -> None:
        self._part = part
        self._selection = part.of(items)
        self._tests = {item.nodeid: Judged(item) for item in items}
        self._began = math.inf
        self._ended = 0.0
        self._lab: Lab | None = None
        self.problem: BaseException | None = None
        """Why the endpoint was not opened."""

    def test(self, item: pytest.Function) -> Judged:
        """The state of one test."""
        return self._tests[item.nodeid]

    @property
    def target(self) -> Target | None:
        """The target, once it is open."""
        return self._lab.target if self._lab is not None else None

    def phase(self, item: pytest.Function, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """One of a test's set-up, the test and its clean-up is over."""
        test = self.test(item)
        test.phase(call, report)
        self._began = min(self._began, call.start)
        self._ended = max(self._ended, call.stop)
        if self._lab is None and test.lab is not None:
            self._lab = test.lab
        if self._lab is None and call.excinfo is not None and test.outcome is Outcome.FAILED:
            self.problem = call.excinfo.value
            if isinstance(self.problem, VirtError):  # it says all that there is to say
                report.longrepr = f"the endpoint was not opened: {test.reason}"

    def report(self) -> Report | None:
        """What was found; None when the endpoint was never reached."""
        if self._lab is None:
            return None
        said, target = self._lab.declared, self._lab.target
        loaded = load_driver(target.driver)
        declared = tuple(Declared(key=c.value, available=a.available, reason=a.reason) for c, a in said.answers.items())
        results = tuple(test.result() for test in self._tests.values())
        return Report(
            kit_version=__version__,
            api_version=".".join(map(str, API_VERSION)),
            driver=target.driver,
            distribution=loaded.distribution,
            driver_version=said.driver_version,
            backend=said.backend,
            backend_version=said.backend_version,
            evidence=target.evidence,
            note=target.note,
            commit=commit_of(loaded.driver_class),
            started=datetime.fromtimestamp(self._began, UTC).isoformat(timespec="seconds"),
            seconds=round(self._ended - self._began, 1),
            selection=self._selection,
            loopback=self._lab.loopback,
            declared=declared,
            tests=results,
            profiles=self._part.verdicts(results, declared, self._selection),
            untested=untested(TESTS),
        )


class Runs:
    """All runs of one pytest session, one for each class that inherits the kit.

    Args:
        part: the part of the kit that is run.
        items: the tests that are to be run.
    """

    def __init__(self, part: Part, items: Sequence[pytest.Function]) -> None:
        names = dict.fromkeys(class_id(item) for item in items)
        self._runs = {name: Run(part, [item for item in items if class_id(item) == name]) for name in names}

    def run(self, item: pytest.Function) -> Run:
        """The run that a test belongs to."""
        return self._runs[class_id(item)]

    def reports(self) -> list[Report]:
        """The reports of all runs that reached their endpoint."""
        return [report for run in self._runs.values() if (report := run.report()) is not None]

    def problems(self) -> dict[str, BaseException]:
        """By class: why its endpoint was not opened."""
        return {name: run.problem for name, run in self._runs.items() if run.problem is not None}


def class_id(item: pytest.Function) -> str:
    """What tells the classes of a session apart."""
    kind = item.getparent(pytest.Class)
    return kind.nodeid if kind is not None else item.nodeid


def check_whole(items: Sequence[pytest.Function], *, named: bool) -> None:
    """Refuse a class that lost a test of the kit or has another in its place, set after it was made.

    Args:
        items: the tests that pytest found.
        named: whether some were asked for by name, so that pytest did not look for the others.

    Raises:
        pytest.UsageError: names what is missing or changed.
    """
    kinds = {class_id(item): item.cls for item in items}
    for name, kind in kinds.items():
        of_kind = {item.originalname: item.function for item in items if item.cls is kind}
        missing = sorted(TESTS.keys() - of_kind.keys())
        if missing and not named:
            raise pytest.UsageError(f"{name}: tests of the kit are missing: {', '.join(missing)}")
        changed = sorted(test for test, function in of_kind.items() if function is not TESTS.get(test, function))
        changed += sorted(fixture for fixture in FIXTURES - GIVEN if of_class(kind, fixture) is not KIT[fixture])
        if changed:
            raise pytest.UsageError(f"{name}: the kit's own are changed: {', '.join(changed)}")


def of_class(kind: type, name: str) -> object:
    """What a class has under a name, as it was written."""
    return next(vars(base)[name] for base in kind.__mro__ if name in vars(base))
