"""What pytest is told: how kit tests are marked, judged and counted. Does nothing where no class inherits the kit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_conformance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Generator

    from nova_virt_conformance.run import Run, Runs

RUNS: Final[pytest.StashKey[Runs]] = pytest.StashKey()
"""All that was found, for those who make something of it at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a pytest run; the command has its own."""
    group = parser.getgroup("nova-virt-conformance", "conformance of nova-virt-api drivers")
    group.addoption(
        "--conformance-reports", metavar="DIRECTORY", help="write a report of every driver tested: <driver>.json"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the mark."""
    config.addinivalue_line("markers", "covers(coverage): what a conformance test is about")


def pytest_report_header() -> str:
    """The kit's version."""
    return f"nova-virt-conformance {__version__}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a class that has taken a test of the kit away or changed one."""
    kits = [item for item in items if isinstance(item, pytest.Function) and is_kits(item)]
    if not kits:
        return
    from nova_virt_conformance.run import Runs, check_whole

    if not any("::test_" in argument for argument in config.args):
        check_whole(kits)
    config.stash[RUNS] = Runs(config.option.keyword or "")


def is_kits(item: pytest.Item) -> bool:
    """Whether it is a test of a class that inherits the kit."""
    kind = getattr(item, "cls", None)
    return kind is not None and any(base.__module__ == "nova_virt_conformance.conformance" for base in kind.__mro__)


def run_of(item: pytest.Item) -> Run | None:
    """The run of the kit that a test belongs to."""
    if not isinstance(item, pytest.Function) or not is_kits(item):
        return None
    return item.config.stash[RUNS].run(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None, None, None]:
    """Judge what was seen, once the test itself is done."""
    yield
    run = run_of(item)
    if run is not None:
        run.test(item).judge()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn pytest's outcome into one of the kit's."""
    report = yield
    run = run_of(item)
    if run is not None:
        run.phase(item, call, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports that were asked for."""
    directory = session.config.option.conformance_reports
    if RUNS in session.config.stash and directory:
        from nova_virt_conformance.report.file import write

        Path(directory).mkdir(parents=True, exist_ok=True)
        for report in session.config.stash[RUNS].reports():
            write(report, Path(directory) / f"{report.driver}.json")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which profiles were reached, why the next one was missed, and what was not verified."""
    if RUNS in config.stash:
        from nova_virt_conformance.summary import lines

        for report in config.stash[RUNS].reports():
            terminalreporter.section(f"conformance of {report.driver}")
            for line in lines(report):
                terminalreporter.write_line(line)
