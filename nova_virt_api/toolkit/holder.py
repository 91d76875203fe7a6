"""Who holds a claim: this process in words that another process can check, on this machine at once."""

import os
import re
import socket
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Final

HOLDER: Final = re.compile(r"pid (?P<pid>[0-9]+) on .* \((?P<scope>[^:()]+):(?P<start>[0-9]*)\)")
PROC: Final = Path("/proc")


def this_process() -> str:
    """This process as a holder, e.g. ``pid 4711 on box (4f6c...-4026531836:123456)``.

    In parentheses: the machine's boot with the process namespace (process ids mean nothing outside it), and when the
    process started (ids are used again).
    """
    pid = os.getpid()
    return f"pid {pid} on {socket.gethostname()} ({scope(pid)}:{started(pid) or ''})"


def is_gone(holder: str) -> bool | None:
    """Whether a holder's process is gone for sure (True), runs for sure (False), or cannot be seen from here (None)."""
    found = HOLDER.fullmatch(holder)
    if found is None or found["scope"] != scope(os.getpid()) or not found["start"]:
        return None
    return started(int(found["pid"])) != found["start"]


@lru_cache(maxsize=1)
def scope(pid: int) -> str:
    """Where process ids are comparable: this boot of this machine, and in it the namespace of process ``pid``."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{(PROC / str(pid) / 'ns/pid').stat().st_ino}"
    except OSError:  # no Linux: nobody can compare, leases decide
        return uuid.uuid4().hex


def started(pid: int) -> str | None:
    """When a process started, in ticks since boot; None when there is none, or only its remains."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # proc_pid_stat(5): the command before it may hold anything
    return None if state in "ZX" else fields[18]
