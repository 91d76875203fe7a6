"""What holds for every test beside Nova: it runs on native threads, and the mapping's page says what to expect."""

import os

os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"  # for the processes that tests start, too

import subprocess
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nova import monkey_patch

monkey_patch.patch()  # before anything else of Nova is imported, which brings eventlet in

PAGE = Path(__file__).parents[3] / "doc" / "nova-mapping.md"

Row = dict[str, str]
"""A row of a table: its cells by the names of their columns."""


def pytest_configure(config: pytest.Config) -> None:
    """Show of Nova's log what helps; what its libraries think of each other's age is not ours to mend."""
    config.option.log_level = config.option.log_level or "INFO"
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning")


@pytest.fixture(scope="session", autouse=True)
def _own_directory_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have pytest make its directory before a test case of Nova's moves the place of temporary files and removes it."""
    tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session", autouse=True)
def _threads_for_the_next_test() -> Iterator[None]:
    """Let no service that stops keep later ones of this process from having threads.

    Nova's own fixture sees to that until its test has ended. A service may stop later: it does so in a thread.
    """
    from nova import thread_pool_factory

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thread_pool_factory, "shutdown_all_executors", lambda: None)
        yield


# --- the page ---------------------------------------------------------------------------------------------------------


class Page:
    """The tables of doc/nova-mapping.md."""

    def __init__(self, text: str) -> None:
        self._rows = list(rows_of(text.splitlines()))

    def rows(self, *columns: str) -> list[Row]:
        """The rows of all tables with exactly these columns; a test that asks for none would prove nothing."""
        found = [row for row in self._rows if tuple(row) == columns]
        assert found, f"{PAGE} has no table with the columns {columns}"
        return found

    def names(self, *columns: str) -> dict[str, Row]:
        """The same by what stands in code quotes in the first column."""
        named = [(row[columns[0]].strip("`"), row) for row in self.rows(*columns)]
        twice = {name for name, _ in named if [other for other, _ in named].count(name) > 1}
        assert not twice, f"{PAGE} has more than one row for {twice}"
        return dict(named)


def rows_of(lines: list[str]) -> Iterator[Row]:
    """The rows of all tables of a Markdown text."""
    header: list[str] = []
    for line in lines:
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells(line)
        elif not set(line) <= set("|-: "):
            yield dict(zip(header, cells(line), strict=True))


def cells(line: str) -> list[str]:
    """The cells of a row of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


@pytest.fixture(scope="session")
def page() -> Page:
    """What doc/nova-mapping.md says."""
    return Page(PAGE.read_text())


# --- Nova's own tests -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a test of Nova's ended.

    Args:
        trace: what went wrong, as Nova's runner shows it; empty where nothing did.
        skipped: why it did not run; None where it did.
    """

    trace: str
    skipped: str | None

    @property
    def passed(self) -> bool:
        """Whether it ran to its end and found all in order."""
        return not self.trace and self.skipped is None


@pytest.fixture
def run_nova_test() -> Callable[[unittest.TestCase], Outcome]:
    """Run one test of Nova's by unittest; they clear their own attributes at the end, which pytest cannot stand."""
    from nova import thread_pool_factory

    def run(case: unittest.TestCase) -> Outcome:
        thread_pool_factory.reset_all_executors()  # a service of the test before may have stopped late
        result = unittest.TestResult()
        case.run(result)
        assert result.testsRun == 1, f"{case.id()} did not run"
        broken = [
            *result.errors,
            *result.failures,
            *((each, "passed unexpectedly") for each in result.unexpectedSuccesses),
        ]
        return Outcome(
            trace="\n".join(trace for _, trace in broken),
            skipped=result.skipped[0][1] if result.skipped else None,
        )

    return run


@pytest.fixture(scope="session")
def disk_images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of an empty disk in each of the formats that images of Nova's tests have."""
    path = tmp_path_factory.mktemp("images") / "empty.vhd"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vpc", str(path), "1M"], check=True)
    return {"raw": bytes(1024**2), "vhd": path.read_bytes()}


@pytest.fixture
def stocked_glance(monkeypatch: pytest.MonkeyPatch, disk_images: dict[str, bytes]) -> None:
    """Let Nova's stand-in for Glance keep what it is given, and its images be disks that can be started."""
    from nova.tests.fixtures import GlanceFixture

    set_up, update = GlanceFixture.setUp, GlanceFixture.update

    def keep(glance: Any, image_id: str, content: bytes) -> None:
        glance.images[image_id]["size"] = len(content)
        glance._imagedata[image_id] = content

    def stocked(glance: Any) -> None:
        set_up(glance)
        for image_id, image in glance.images.items():
            if image["disk_format"] not in disk_images:
                image["disk_format"] = "raw"
            keep(glance, image_id, disk_images[image["disk_format"]])

    def updated(
        glance: Any, context: Any, image_id: str, metadata: Any, data: Any = None, purge_props: bool = False
    ) -> Any:
        found = update(glance, context, image_id, metadata, data, purge_props)
        if data is not None:
            keep(glance, image_id, data.read())
        return found

    monkeypatch.setattr(GlanceFixture, "setUp", stocked)
    monkeypatch.setattr(GlanceFixture, "update", updated)


@pytest.fixture
def judge() -> Callable[[Outcome, Row | None], None]:
    """Hold the outcome of a test of Nova's against the page's row that says how and why it fails, None without one.

    It has to fail as the row says: in the last line of its trace, which names what was raised.
    """

    def judge(outcome: Outcome, row: Row | None) -> None:
        assert outcome.skipped is None, f"it was skipped, so it shows nothing: {outcome.skipped}"
        if row is None:
            assert outcome.passed, f"{PAGE.name} does not explain this:\n{outcome.trace}"
        else:
            assert not outcome.passed, f"it passes; take its row out of {PAGE.name}: {row['Why']}"
            raised = outcome.trace.strip().splitlines()[-1]
            assert row["Fails with"].strip("`") in raised, f"{PAGE.name} explains another failure:\n{outcome.trace}"

    return judge
