"""Runs of the kit: what was collected, how each test ended, and the reports of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_api.loading import load_driver
from nova_virt_api.version import API_VERSION
from nova_virt_conformance.conformance import FIXTURES, GIVEN, TESTS, Conformance
from nova_virt_conformance.judged import Judged
from nova_virt_conformance.profile import verdicts
from nova_virt_conformance.report.model import Declared, Report
from nova_virt_conformance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.model.capabilities import Capabilities
    from nova_virt_conformance.lab import Lab

KIT: Final = dict(vars(Conformance))
"""The kit's class as it was made."""


class Run:
    """The kit on one endpoint: the tests of one class that inherits the kit.

    Args:
        selection: what was selected by ``-k``.
    """

    def __init__(self, selection: str) -> None:
        self._selection = selection
        self._tests: dict[str, Judged] = {}
        self._began = time.monotonic()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._capabilities: Capabilities | None = None
        self._lab: Lab | None = None

    def test(self, item: pytest.Function) -> Judged:
        """The state of one test."""
        return self._tests.setdefault(item.nodeid, Judged(item))

    def phase(self, item: pytest.Function, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        """One of a test's set-up, the test and its clean-up is over."""
        test = self.test(item)
        test.phase(call, report)
        if self._lab is None and test.lab is not None:
            self._lab, self._capabilities = test.lab, test.lab.compute.capabilities()

    def report(self) -> Report | None:
        """What was found; None when the endpoint was never reached."""
        if self._lab is None or self._capabilities is None:
            return None
        said, target = self._capabilities, self._lab.target
        declared = tuple(Declared(key=c.value, available=a.available, reason=a.reason) for c, a in said.answers.items())
        results = tuple(test.result() for test in self._tests.values())
        return Report(
            kit_version=__version__,
            api_version=".".join(map(str, API_VERSION)),
            driver=target.driver,
            distribution=load_driver(target.driver).distribution,
            driver_version=said.driver_version,
            backend=said.backend,
            backend_version=said.backend_version,
            evidence=target.evidence,
            note=target.note,
            started=self._started,
            seconds=round(time.monotonic() - self._began, 1),
            selection=self._selection,
            declared=declared,
            tests=results,
            profiles=verdicts(results, declared, self._selection),
        )


class Runs:
    """All runs of one pytest session, one for each class that inherits the kit.

    Args:
        selection: what was selected by ``-k``.
    """

    def __init__(self, selection: str) -> None:
        self._selection = selection
        self._runs: dict[str, Run] = {}

    def run(self, item: pytest.Function) -> Run:
        """The run that a test belongs to."""
        return self._runs.setdefault(class_id(item), Run(self._selection))

    def reports(self) -> list[Report]:
        """The reports of all runs that reached their endpoint."""
        return [report for run in self._runs.values() if (report := run.report()) is not None]


def class_id(item: pytest.Function) -> str:
    """What tells the classes of a session apart."""
    return item.nodeid.rpartition("::")[0]


def check_whole(items: Sequence[pytest.Function]) -> None:
    """Refuse a class that lost a test of the kit or has another in its place, set after it was made.

    Raises:
        pytest.UsageError: names what is missing or changed.
    """
    kinds = {class_id(item): item.cls for item in items}
    for name, kind in kinds.items():
        of_kind = {item.originalname: item.function for item in items if item.cls is kind}
        missing = sorted(TESTS.keys() - of_kind.keys())
        if missing:
            raise pytest.UsageError(f"{name}: tests of the kit are missing: {', '.join(missing)}")
        changed = sorted(test for test, function in of_kind.items() if function is not TESTS.get(test, function))
        changed += sorted(fixture for fixture in FIXTURES - GIVEN if of_class(kind, fixture) is not KIT[fixture])
        if changed:
            raise pytest.UsageError(f"{name}: the kit's own are changed: {', '.join(changed)}")


def of_class(kind: type, name: str) -> object:
    """What a class has under a name, as it was written."""
    return next(vars(base)[name] for base in kind.__mro__ if name in vars(base))
