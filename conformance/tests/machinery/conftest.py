"""A kit of a few made-up tests, run by pytest in a process of its own on a driver that a test may have broken."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from nova_virt_conformance.outcome import Outcome
from nova_virt_conformance.report.file import read
from nova_virt_conformance.report.model import Report, TestResult

LONGEST = 60

TESTS_BEGIN = """
    import pytest
    from nova_virt_api import errors
    from nova_virt_api.capability import Capability, Feature
    from nova_virt_api.driver.driver import Driver
    from nova_virt_api.driver.pause import Pause
    from nova_virt_api.model.instance import PowerState
    from nova_virt_conformance.covers import covers, needs
    from nova_virt_conformance.outcome import NotApplicable, NotVerified
    from nova_virt_conformance.promise import Promise

"""

DRIVER_BEGIN = """
    import logging
    import threading
    import nova_virt_api.fake.driver as home
    from nova_virt_api import errors
    from nova_virt_api.fake.driver import FakeDriver

"""

CLASS_BEGIN = """
    import datetime
    import pytest
    from nova_virt_conformance import Conformance, Evidence, KnownFailure, Quota, Target
    from nova_virt_conformance.fake_rig import FakeRig

    def target(**more):
        given = {"owner": "conformance", "pools": ("default",), "networks": ("default",), "options": {"world": "it"}}
        return Target(driver="fake", evidence=Evidence.OWN_SIMULATION, **(given | more))

    class OnFake:
        @pytest.fixture(scope="class")
        @classmethod
        def rig(cls):
            return FakeRig(target())

"""

PLAIN_TESTS = '''
    def test_first(compute):
        """The first sentence."""
        compute.instances()

    def test_second(running):
        """The second sentence."""
        assert running.power_state is PowerState.RUNNING
'''

PLAIN_CLASS = """
    class TestIt(OnFake, Conformance):
        pass
"""

CONFTEST = """
    import sys
    import pytest
    sys.path.insert(0, {folder!r})
    pytest.register_assert_rewrite("made_up")
    import made_up_driver
    import made_up
    import nova_virt_conformance.suite as suite
    suite.gathered = lambda: {{name: made for name, made in vars(made_up).items() if name.startswith("test_")}}
"""


@dataclass(frozen=True)
class Ended:
    """What came of a session.

    Args:
        code: pytest's exit code.
        output: all that it said.
        reports: the reports, by name.
    """

    code: int
    output: str
    reports: dict[str, Report]

    @property
    def report(self) -> Report:
        """The only report."""
        assert list(self.reports) == ["fake"], self.output
        return self.reports["fake"]

    def result(self, name: str) -> TestResult:
        """How one test ended."""
        return next(test for test in self.report.tests if test.name == name)

    def outcome(self, name: str) -> Outcome:
        return self.result(name).outcome


class Sessions:
    """Makes sessions in a folder.

    Args:
        folder: the folder, empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self,
        *arguments: str,
        tests: str = PLAIN_TESTS,
        kind: str = PLAIN_CLASS,
        driver: str = "",
        conftest: str = "",
        python: tuple[str, ...] = (),
    ) -> Ended:
        """Run the kit.

        Args:
            arguments: pytest's.
            tests: the tests that the kit has.
            kind: the module of the driver's author; ``target(...)`` and the mixin ``OnFake`` are there.
            driver: changes the driver: a class ``Broken`` takes the place of the fake one.
            conftest: more hooks for the session.
            python: arguments of Python.
        """
        self.write("made_up.py", TESTS_BEGIN, tests)
        put = "\nhome.FakeDriver = Broken\n" if driver else ""
        self.write("made_up_driver.py", DRIVER_BEGIN, driver, put)
        self.write("conftest.py", CONFTEST.format(folder=str(self.folder)), conftest)
        self.write("test_it.py", CLASS_BEGIN, kind)
        return self.again(*arguments, python=python)

    def again(self, *arguments: str, python: tuple[str, ...] = ()) -> Ended:
        """Run what is in the folder."""
        reports = self.folder / "reports"
        named = any(argument.startswith("test_it.py") for argument in arguments)
        done = subprocess.run(
            [
                *(sys.executable, *python, "-m", "pytest", "-c", os.devnull, f"--rootdir={self.folder}"),
                *("-p", "no:cacheprovider", "-ra", f"--conformance-reports={reports}"),
                *arguments,
                *(() if named else ("test_it.py",)),
            ],
            cwd=self.folder,
            env={**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )
        found = {path.stem: read(path) for path in reports.glob("*.json")}
        return Ended(done.returncode, done.stdout + done.stderr, found)

    def write(self, name: str, *parts: str) -> None:
        (self.folder / name).write_text("".join(textwrap.dedent(part) for part in parts))


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path)
