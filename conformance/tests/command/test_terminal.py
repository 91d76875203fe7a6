"""On a terminal, and when somebody stops it."""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

SLOW = '''
    def test_first(compute):
        """The first sentence."""

    def test_bad(compute):
        """Something is so."""
        assert False, "it is not"

    def test_slow(running, lab):
        """It takes its time."""
        (HERE / "reached").touch()
        threading.Event().wait(30)

    def test_never(compute):
        """Never reached."""
'''


def on_terminal(shell: Any, *arguments: str, tests: str) -> tuple[int, str]:
    """Run it on a terminal; its exit code and all that the terminal was told."""
    control, terminal = pty.openpty()
    shell.environment["TERM"] = "xterm"
    process = shell.start(*arguments, tests=tests, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    seen = b""
    while True:
        try:
            part = os.read(control, 4096)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        seen += part
    os.close(control)
    return process.wait(30), seen.decode()


def until(condition: Path) -> None:
    deadline = time.monotonic() + 30
    while not condition.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


FAILING = '''
    def test_first(compute):
        """The first sentence."""

    def test_bad(compute):
        """Something is so."""
        assert False, "it is \\x1b[2Jnot"
'''


def test_a_bar_on_a_terminal(shell: Any) -> None:
    code, seen = on_terminal(shell, tests=FAILING)
    assert code == 1
    assert "\r\x1b[K[............" in seen
    assert "0/2  0 s  The first sentence." in seen
    assert "[============............] 1/2  0 s  Something is so." in seen
    assert "\x1b[31mFAILED  test_bad\x1b[0m" in seen
    assert "passed: test_first" not in seen, "the bar says it"
    assert "\x1b[2J" not in seen, "nothing from outside gives orders to the terminal"
    lines = seen.split("\r\n")
    assert lines[-1] == ""
    assert not any("1/2" in line.rpartition("\x1b[K")[2] for line in lines), "the bar is gone before each line"


def test_no_colour(shell: Any) -> None:
    shell.environment["NO_COLOR"] = "1"
    _, seen = on_terminal(shell, tests=FAILING)
    assert "\x1b[31m" not in seen
    assert "FAILED  test_bad" in seen


def test_a_narrow_terminal(shell: Any) -> None:
    shell.environment["COLUMNS"] = "40"
    _, seen = on_terminal(shell, tests=FAILING)
    drawn = [line for line in seen.split("\x1b[K") if line.startswith("[")]
    assert drawn
    assert all(len(line.rstrip("\r\n")) <= 40 for line in drawn)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_removes_what_it_made(shell: Any, number: int) -> None:
    shell.keep_the_world()
    process = shell.start("--report", "r.json", tests=SLOW, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(shell.folder / "reached")
    assert len(shell.guests()) == 1
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "stopping; what the kit made is being removed" in err
    assert "stopped after 2 of 4 tests; what the kit made is removed, and no report is written" in err
    assert "FAILED  test_bad" in out
    assert "Traceback" not in out + err
    assert shell.guests() == []
    assert not (shell.folder / "r.json").exists()
    assert not list((shell.folder / "state").rglob("*.lock"))


def test_nobody_reads_the_output(shell: Any) -> None:
    shell.keep_the_world()
    process = shell.start(tests=SLOW, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(30) == 141, err
    assert "Traceback" not in err
    assert not (shell.folder / "reached").exists(), "it stops as soon as it notices"
    assert shell.guests() == []
