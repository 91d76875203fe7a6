"""Who runs a verb: a text for the guest's record by which other processes can tell whether that one still lives."""

import itertools
import os
import re
from pathlib import Path
from typing import Final

COUNTER: Final = itertools.count(1)
HOLDER: Final = re.compile(r"process (\d+) \((\d*)\), connection \d+")


def new_holder() -> str:
    """The text for a new connection of this process."""
    pid = os.getpid()
    return f"process {pid} ({started(pid)}), connection {next(COUNTER)}"


def lives_elsewhere(holder: str) -> bool:
    """Whether the text names another process, and that one is alive."""
    match = HOLDER.fullmatch(holder)
    if match is None:
        return False
    pid, start = int(match[1]), match[2]
    return pid != os.getpid() and exists(pid) and started(pid) == start


def exists(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def started(pid: int) -> str:
    """When a process was started, in clock ticks since the machine was; empty where /proc does not tell.

    A number that was given to a new process must not make a dead holder live: see proc(5), field 22 of ``stat``.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
