"""What a terminal sees: a bar in one line, Ctrl-C that cancels, and plain lines where nobody looks."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""

SLOW = """
import sys
from nova_virt_api.compute import connect as connection
from nova_virt_api.cli.main import main
from nova_virt_api.fake.steps import Step


connect = connection.connect

def connect_slowly(**options):
    compute = connect(**options)
    with compute.native() as switches:
        switches.latency({seconds}, Step.SPAWN_DISK)
        if {deaf}:
            switches.hang_at(Step.SPAWN_DISK, deaf=True)
    return compute

connection.connect = connect_slowly
sys.exit(main())
"""


class Terminal:
    """The command with a terminal around it."""

    def __init__(self, words: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            words,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def wait_for(self, text: str, timeout: float = 30.0) -> None:
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            chunk = self._read(deadline)
            assert chunk, f"{text!r} did not come; seen was {self.seen!r}"
            self.seen += chunk

    def end(self, timeout: float = 30.0) -> int:
        deadline = time.monotonic() + timeout
        while chunk := self._read(deadline):
            self.seen += chunk
        return self.process.wait(timeout)

    def _read(self, deadline: float) -> str:
        """What was written next; nothing when nobody holds the terminal any more."""
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing came in time; seen was {self.seen!r}"
        try:
            return os.read(self._ours, 65536).decode()
        except OSError:  # how Linux says that the other side is closed
            return ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


Start = Callable[..., Terminal]


@pytest.fixture
def start() -> Iterator[Start]:
    terminals: list[Terminal] = []

    def run(*words: str, seconds: float = 60.0, deaf: bool = False) -> Terminal:
        program = SLOW.format(seconds=seconds, deaf=deaf)
        terminals.append(Terminal([sys.executable, "-c", program, "--driver", "fake", *words]))
        return terminals[-1]

    yield run
    for terminal in terminals:
        terminal.close()


CREATE = ("create", "web", "--image", "native:cirros")


def test_a_terminal_sees_a_bar_in_one_line(start: Start) -> None:
    terminal = start(*CREATE, "-f", "value", "-c", "name", seconds=0.5)
    terminal.wait_for("disks")
    assert terminal.end() == 0
    assert re.search(r"\r\x1b\[Kcreate web  \[\.*=+\.+\](\s+\d+%)?  disks  \d+ s", terminal.seen)
    assert " 0%" not in terminal.seen  # nothing was counted yet: the bar moves, and claims nothing
    before_result = terminal.seen[: terminal.seen.rindex("web\r\n")]
    assert "\n" not in before_result
    assert before_result.endswith("\r\x1b[K")


def test_a_log_sees_one_line_per_stage(command: Run) -> None:
    ran = command("--driver fake create web --image native:cirros")
    lines = ran.err.splitlines()
    assert "create web: disks" in lines
    assert len(lines) == len(set(lines))
    assert "\x1b" not in ran.err


def test_ctrl_c_cancels_and_tells_what_became_of_it(start: Start, command: Run) -> None:
    terminal = start(*CREATE)
    terminal.wait_for("disks")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "create web: cancelling; Ctrl-C again leaves it as it is" in terminal.seen
    assert "cancelled while: disks; all is as it was before" in terminal.seen
    assert command("--driver fake list -f json").json == []
    assert command("--driver fake leftover list -f json").json == []


def test_being_told_to_terminate_is_ctrl_c(start: Start) -> None:
    terminal = start(*CREATE)
    terminal.wait_for("disks")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.end() == 130
    assert "cancelled while: disks" in terminal.seen


def test_a_second_ctrl_c_leaves(start: Start) -> None:
    terminal = start(*CREATE, deaf=True)
    terminal.wait_for("disks")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for("cancelling")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "left while: disks; look at the guest" in terminal.seen


def test_ctrl_c_ends_a_watch_well(start: Start, command: Run) -> None:
    command("--driver fake create db")
    terminal = start("watch", "-f", "json")
    terminal.wait_for('"present"')
    command("--driver fake create web")
    terminal.wait_for('"appeared"')
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0


def test_ctrl_c_ends_a_wait(start: Start, command: Run) -> None:
    command("--driver fake create web")
    terminal = start("wait", "web", "stopped")
    terminal.wait_for("waiting for state shutdown")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130


def test_a_narrow_terminal_spares_columns_and_says_so(
    start: Start, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("--driver fake create web")
    monkeypatch.setenv("COLUMNS", "80")
    terminal = start("list")
    assert terminal.end() == 0
    assert "not shown for lack of room: uuid" in terminal.seen
    assert "power state" in terminal.seen
    assert all(len(line) <= 80 for line in terminal.seen.splitlines() if line.startswith(("|", "+")))


LOGS_EVIL = """
import sys
import nova_virt_api.compute.compute as compute
from nova_virt_api.cli.main import main
compute.Compute.console_log = lambda self, guest, max_bytes: b"\\x1b]0;evil\\x07\\r\\nlogin: \\xff"
sys.exit(main())
"""


def test_a_guest_cannot_command_the_terminal_that_shows_its_log(command: Run) -> None:
    command("--driver fake create web")
    words = [sys.executable, "-c", LOGS_EVIL, "--driver", "fake", "console", "log", "web"]
    terminal = Terminal(words)
    assert terminal.end() == 0
    terminal.close()
    assert "\x07" not in terminal.seen
    assert "\\x1b]0;evil" in terminal.seen
    assert subprocess.run(words, check=True, capture_output=True).stdout == b"\x1b]0;evil\x07\r\nlogin: \xff"
