"""Nothing is left, however the one who started it ends; and what did not start says why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tools.ironic import Ironic, Settings, StartError

ROOT: Final = Path(__file__).parents[4]
BEGUN: Final = "# configuration and logs: "


@pytest.fixture
def run() -> Iterator[Callable[..., tuple[subprocess.Popen[str], Path]]]:
    """Runs the command until it is up; gives its process and its scratch directory."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> tuple[subprocess.Popen[str], Path]:
        command = [sys.executable, "-m", "tools.ironic", "run", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(BEGUN):
                return process, Path(line.removeprefix(BEGUN).partition(";")[0])
        pytest.fail("the command ended before Ironic was up")

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def processes_of(directory: Path) -> list[str]:
    """The command lines that name a directory."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_text()
        except OSError:  # it ended meanwhile
            continue
        if str(directory) in line:
            lines.append(line)
    return lines


def wait_until_gone(directory: Path) -> None:
    end = time.monotonic() + 60
    while directory.exists() or processes_of(directory):
        assert time.monotonic() < end, f"left: {directory}, {processes_of(directory)}"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("kind", ["--basic", "--mariadb"])
def test_nothing_is_left(run: Callable[..., tuple[subprocess.Popen[str], Path]], how: int, kind: str) -> None:
    process, directory = run("--nodes", "2", kind)
    assert processes_of(directory)
    os.kill(process.pid, how)
    process.wait(60)
    wait_until_gone(directory)


def test_closing_leaves_nothing() -> None:
    with Ironic() as ironic:
        assert processes_of(ironic.directory)
    assert not ironic.directory.exists()
    assert processes_of(ironic.directory) == []


def test_a_failed_start_shows_the_end_of_the_log_and_leaves_nothing() -> None:
    ironic = Ironic(Settings(extra={"api": {"port": "none"}}))
    with pytest.raises(StartError, match=r"(?s)ironic ended with status 1; its log ends:.*port"):
        ironic.open()
    assert not ironic.directory.exists()
