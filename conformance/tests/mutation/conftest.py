"""Every mutant through the kit, some at a time since tests wait more than they work, and what caught each first."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from nova_virt_api.fake.driver import FakeDriver
from nova_virt_conformance.conformance import TESTS
from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.report.file import read
from nova_virt_conformance.report.model import TestResult

HERE = Path(__file__).parent
LONGEST = 240
CAUGHT = pytest.StashKey[dict[str, set[str]]]()

Catchers = Callable[[type[FakeDriver]], set[str]]


def mutants() -> Iterator[type[FakeDriver]]:
    """All mutants: the drivers below ``mutants`` that name a test."""
    sys.path.insert(0, str(HERE))
    try:
        for info in iter_modules([str(HERE / "mutants")]):
            module = import_module(f"mutants.{info.name}")
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if "caught_by" in vars(kind) and issubclass(kind, FakeDriver):
                    yield kind
    finally:
        sys.path.remove(str(HERE))


@pytest.fixture(scope="session")
def every_mutant() -> list[type[FakeDriver]]:
    """All of them, whatever was selected."""
    return list(mutants())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One case for each mutant."""
    if "mutant" in metafunc.fixturenames:
        metafunc.parametrize("mutant", list(mutants()), ids=lambda kind: kind.__name__)


def names_of_failed_tests(mutant: type[FakeDriver], reports: Path) -> set[str]:
    """Run the kit on a mutant; the names of the tests that failed, without their cases."""
    where = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / "run_on_mutant.py"), f"{mutant.__module__}:{mutant.__qualname__}", str(reports)],
        env={**os.environ, "PYTHONPATH": where},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    path = reports / "fake.json"
    assert path.exists(), f"no report of {mutant.__name__}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    tests = read(path).tests
    assert {name(test) for test in tests} == TESTS.keys(), "the kit did not run whole"
    return {name(test) for test in tests if test.outcome is Outcome.FAILED}


def name(test: TestResult) -> str:
    """A test's name without its case."""
    return test.name.partition("[")[0]


@pytest.fixture(scope="session")
def catchers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catchers]:
    """What caught a mutant; the others of the session are run meanwhile."""
    caught = request.config.stash.setdefault(CAUGHT, {})
    wanted = {item.callspec.params["mutant"] for item in request.session.items if "mutant" in item.fixturenames}  # type: ignore[attr-defined]
    folder = tmp_path_factory.mktemp("mutants")
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        runs: dict[type[FakeDriver], Future[set[str]]] = {
            mutant: pool.submit(names_of_failed_tests, mutant, folder / mutant.__name__) for mutant in wanted
        }

        def ask(mutant: type[FakeDriver]) -> set[str]:
            caught[mutant.__name__] = runs[mutant].result()
            return caught[mutant.__name__]

        yield ask
        pool.shutdown(cancel_futures=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Which tests caught which mutant."""
    caught = config.stash.get(CAUGHT, {})
    if caught:
        terminalreporter.section("mutants and the tests that caught them")
    for mutant, tests in caught.items():
        terminalreporter.write_line(f"{mutant}: {', '.join(sorted(tests)) or 'nothing'}")
