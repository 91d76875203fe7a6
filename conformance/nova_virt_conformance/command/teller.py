"""Tells people how a run is going: a plug-in of the command's pytest session, in place of pytest's own terminal."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_conformance.command.screen import Bar
from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.plugin import RUNS

if TYPE_CHECKING:
    from nova_virt_conformance.command.screen import Screen
    from nova_virt_conformance.command.session import Quiet
    from nova_virt_conformance.report.model import Report, TestResult

LINES_OF_REASON: Final = 12
"""So much of what happened is shown where nobody asked for all of it."""


class Teller:
    """Tells of each test as it ends, and keeps what the end of the command wants to know.

    Args:
        screen: where to.
        quiet: has what pytest writes meanwhile.
        verbose: whether to show the traceback of what failed.
    """

    def __init__(self, screen: Screen, quiet: Quiet, *, verbose: bool) -> None:
        self._screen = screen
        self._quiet = quiet
        self._verbose = verbose
        self._items: dict[str, pytest.Function] = {}
        self._traces: list[str] = []
        self._began = time.monotonic()
        self._sentence = ""
        self._over = threading.Event()
        self.done = 0
        self.failed = 0
        self.report: Report | None = None
        self.problem: BaseException | None = None
        """Why the endpoint was not opened."""

        self.bug = ""
        """What went wrong in pytest or the kit itself."""

        self.unread = False
        """Whether nobody reads the output any more."""

    @property
    def total(self) -> int:
        """How many tests are to be run."""
        return len(self._items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what kept the tests from being found."""
        if report.failed:
            self.bug = report.longreprtext

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Now it is known how many there are."""
        self._items = {item.nodeid: item for item in session.items if isinstance(item, pytest.Function)}

    def pytest_runtestloop(self) -> None:
        """Let the time that goes by be seen."""
        if isinstance(self._screen, Bar):
            threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            self._draw()

    def _draw(self) -> None:
        failed = f"{self.failed} failed  " if self.failed else ""
        seconds = int(time.monotonic() - self._began)
        with self._screen.lock:
            if not self._over.is_set():
                self._screen.running(self.done, self.total, f"{failed}{seconds} s  {self._sentence}")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        item = self._items[nodeid]
        self._sentence = (item.function.__doc__ or item.name).strip().partition("\n")[0]
        self._traces.clear()
        self._quiet.forget()
        self._draw()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a developer may want to see."""
        if report.failed:
            self._traces += [report.longreprtext, *(f"{title}:\n{text}" for title, text in report.sections)]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test is over."""
        item = self._items[nodeid]
        run = item.config.stash[RUNS].run(item)
        if run.problem is not None:
            self.problem = run.problem
            item.session.shouldstop = "the endpoint was not opened"
            return
        self.done += 1
        try:
            self._tell(run.test(item).result())
        except BrokenPipeError:
            self.unread = True
            pytest.exit("nobody reads the output any more")

    def _tell(self, result: TestResult) -> None:
        self._screen.ended(f"[{self.done}/{self.total}] {result.outcome.value}: {result.name} ({result.seconds:.1f} s)")
        if result.outcome is Outcome.FAILED:
            self.failed += not result.provisional
            self._screen.result(f"FAILED  {result.name}{' (provisional)' if result.provisional else ''}", "red")
            self._screen.result(f"  {result.sentence}")
            self._screen.result(indented(result.reason, 1000 if self._verbose else LINES_OF_REASON))
            if self._verbose:
                self._screen.result("\n\n".join([*self._traces, self._quiet.stacks()]))

    def pytest_keyboard_interrupt(self) -> None:
        """Say why it goes on for a while."""
        self._over.set()
        if not self.unread and self.problem is None:
            self._screen.note("stopping; what the kit made is being removed")

    def pytest_internalerror(self, excrepr: object) -> None:
        """Keep what nobody foresaw."""
        self.bug = str(excrepr)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """The session is over."""
        self._over.set()
        if not self.unread:
            with self._screen.lock:
                self._screen.erase()
        if RUNS in config.stash:
            self.report = next(iter(config.stash[RUNS].reports()), None)


def indented(text: str, most: int) -> str:
    """The first lines of a text, moved to the right."""
    lines = text.splitlines()
    more = [f"({len(lines) - most} more lines; --verbose shows them)"] if len(lines) > most else []
    return "\n".join(f"  {line}" for line in [*lines[:most], *more])
