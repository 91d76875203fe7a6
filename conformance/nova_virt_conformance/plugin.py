"""What pytest is told: how kit tests are marked, judged and counted. Does nothing where no class inherits the kit."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_conformance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Generator

    from nova_virt_conformance.part import Part
    from nova_virt_conformance.profile import Profile
    from nova_virt_conformance.run import Run, Runs

pytest.register_assert_rewrite("nova_virt_conformance.suite")

PART: Final[pytest.StashKey[Part]] = pytest.StashKey()
"""The part of the kit that the session runs."""

RUNS: Final[pytest.StashKey[Runs]] = pytest.StashKey()
"""All that was found, for those who make something of it at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a pytest run; the command has its own."""
    group = parser.getgroup("nova-virt-conformance", "conformance of nova-virt-api drivers")
    group.addoption(
        "--conformance-reports",
        metavar="DIRECTORY",
        help="write a report of each class: <driver>.json, <driver>-2.json",
    )
    group.addoption(
        "--conformance-loopback",
        action="store_true",
        help="let only copies, encoded and decoded, pass between Compute and the driver",
    )
    group.addoption(
        "--conformance-profile",
        metavar="PROFILE",
        type=profile,
        help="run what this profile needs, and fail unless it is reached",
    )


def profile(name: str) -> Profile:
    """The profile that an option names."""
    from nova_virt_conformance.profile import profile_called

    try:
        return profile_called(name)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the mark."""
    config.addinivalue_line("markers", "covers(coverage): what a conformance test is about")


def pytest_report_header() -> str:
    """The kit's version."""
    return f"nova-virt-conformance {__version__}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a class that has taken a test of the kit away or changed one; leave out what a profile does not need."""
    kits = [item for item in items if isinstance(item, pytest.Function) and is_kits(item)]
    if not kits:
        return
    from nova_virt_conformance.part import Part, names_tests
    from nova_virt_conformance.run import check_whole

    check_whole(kits, named=names_tests(config))
    part = Part(kits, config.option.conformance_profile, config)
    wanted = part.wanted()
    left_out = [item for item in kits if item not in wanted]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    config.stash[PART] = part


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin the runs, with the tests that nobody has left out."""
    if PART in session.config.stash:
        from nova_virt_conformance.run import Runs

        kits = [item for item in session.items if isinstance(item, pytest.Function) and is_kits(item)]
        session.config.stash[RUNS] = Runs(session.config.stash[PART], kits)


def is_kits(item: pytest.Item) -> bool:
    """Whether it is a test of a class that inherits the kit."""
    kind = getattr(item, "cls", None)
    return kind is not None and any(base.__module__ == "nova_virt_conformance.conformance" for base in kind.__mro__)


def run_of(item: pytest.Item) -> Run | None:
    """The run of the kit that a test belongs to."""
    if not isinstance(item, pytest.Function) or not is_kits(item):
        return None
    return item.config.stash[RUNS].run(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give each test its time, before pytest-timeout looks."""
    run = run_of(item)
    if run is not None:
        from nova_virt_conformance.time_limit import limit

        limit(item, run.target)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Do not try an endpoint again that could not be opened, nor open one several times at once."""
    run = run_of(item)
    if run is None:
        return
    if run.problem is not None:
        pytest.skip("the endpoint was not opened")
    if hasattr(item.config, "workerinput"):
        pytest.fail(
            "workers of pytest-xdist cannot share an endpoint: run the kit without -n, or with -n 0", pytrace=False
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None, None, None]:
    """Judge what was seen, once the test itself is done."""
    run = run_of(item)
    with run.test(item).judging() if run is not None else nullcontext():
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Give the clean-up its own time: pytest-timeout's ends with a test that has failed."""
    if run_of(item) is not None:
        from nova_virt_conformance.time_limit import limit_again

        limit_again(item)
    yield


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
    """Write the reports that were asked for, and fail a session that missed the profile it was for."""
    if RUNS not in session.config.stash or session.config.option.collectonly:
        return
    reports = session.config.stash[RUNS].reports()
    option = session.config.option
    if option.conformance_reports:
        from nova_virt_conformance.report.file import write

        directory = Path(option.conformance_reports)
        directory.mkdir(parents=True, exist_ok=True)
        drivers = Counter[str]()
        for report in reports:
            drivers[report.driver] += 1
            number = f"-{drivers[report.driver]}" if drivers[report.driver] > 1 else ""
            write(report, directory / f"{report.driver}{number}.json")
    if option.conformance_profile and session.exitstatus == pytest.ExitCode.OK:
        name = option.conformance_profile.name
        if not all(profile.reached for report in reports for profile in report.profiles if profile.name == name):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which profiles were reached, why the next one was missed, and what was not verified."""
    if RUNS not in config.stash or config.option.collectonly:
        return
    from nova_virt_conformance.summary import lines

    asked = config.option.conformance_profile
    for report in config.stash[RUNS].reports():
        terminalreporter.section(f"conformance of {report.driver}")
        for line in lines(report, asked.name if asked else ""):
            terminalreporter.write_line(line)
    for name, problem in config.stash[RUNS].problems().items():
        terminalreporter.section(f"conformance of {name}")
        terminalreporter.write_line(f"the endpoint was not opened: {problem}")
