"""The kit in a pytest session of this process: nothing of the user's pytest set-up has a say in it."""

from __future__ import annotations

import io
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_conformance.rig import Rig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from nova_virt_conformance.command.teller import Teller

RIG: Final[pytest.StashKey[Rig]] = pytest.StashKey()
"""The rig of the target."""

HERE: Final = Path(__file__).parent
STACKS: Final = re.compile(r"^\++ Timeout \++$.*^\++ Timeout \++$", re.MULTILINE | re.DOTALL)
SETTINGS: Final = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_TIMEOUT")
"""Environment variables by which pytest would take further orders."""


class Quiet:
    """Lets pytest's own terminal write where nobody looks; other plug-ins want it to be there."""

    def __init__(self) -> None:
        self._written = io.StringIO()

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Put another in its place."""
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(pytest.TerminalReporter(config, self._written), "terminalreporter")

    def forget(self) -> None:
        """What was written so far is of no use."""
        self._written.seek(0)
        self._written.truncate()

    def stacks(self) -> str:
        """Where all threads were when a test's time was over, as pytest-timeout wrote it; empty if it was not."""
        found = STACKS.search(self._written.getvalue())
        return found.group() if found else ""


class Found:
    """Keeps the tests that are selected."""

    def __init__(self) -> None:
        self.tests: list[pytest.Function] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take them as they would be run."""
        self.tests = [item for item in session.items if isinstance(item, pytest.Function)]


class Given:
    """Hands the rig to the tests.

    Args:
        rig: the rig.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def pytest_configure(self, config: pytest.Config) -> None:
        """Put it where they look."""
        config.stash[RIG] = self._rig


def run(given: argparse.Namespace, rig: Rig, quiet: Quiet, teller: Teller) -> int:
    """Run what the arguments select.

    Args:
        given: the command's arguments.
        rig: the rig.
        quiet: takes what pytest writes.
        teller: tells people.

    Returns:
        pytest's exit code.
    """
    with undisturbed():
        return int(pytest.main(arguments(given), plugins=[quiet, Given(rig), teller]))


def find(given: argparse.Namespace) -> list[pytest.Function]:
    """The tests that the arguments select."""
    found = Found()
    with undisturbed():
        pytest.main([*arguments(given), "--collect-only"], plugins=[Quiet(), found])
    return found.tests


def arguments(given: argparse.Namespace) -> list[str]:
    """What pytest is told for the arguments of the command."""
    chosen = [
        str(HERE / "on_target.py"),
        f"--rootdir={HERE}",
        f"--config-file={os.devnull}",
        "--import-mode=importlib",
        "--disable-plugin-autoload",
        "-pnova_virt_conformance.plugin",
        "-ppytest_timeout",
        "-pno:cacheprovider",
        "--tb=short",
    ]
    if given.keyword:
        chosen += ["-k", given.keyword]
    if given.profile:
        chosen += [f"--conformance-profile={given.profile.name}"]
    if given.loopback:
        chosen += ["--conformance-loopback"]
    if given.junit:
        chosen += [f"--junit-xml={given.junit}"]
    return chosen


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without the variables of the environment that pytest obeys."""
    kept = {name: os.environ.pop(name) for name in SETTINGS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
