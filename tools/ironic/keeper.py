"""Run processes for whoever started this, and end them all, with their scratch directory, when that one is gone.

One request is one line of JSON on standard input, answered by one line on standard output: the exit status of the
process that it names, `null` while it runs. The end of standard input ends everything, so nothing outlives a killed
test run. Standard library only; nothing of it is imported by anybody.

    keeper.py DIRECTORY
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

PR_SET_CHILD_SUBREAPER: Final = 36  # prctl(2): orphaned descendants become children of this process
SESSION_FIELD: Final = 3
"""Of /proc/PID/stat, counted from the state, which follows the command's closing parenthesis."""


class Keeper:
    """The processes by name; each leads a session of its own, to which its workers belong."""

    def __init__(self) -> None:
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: list[str], log: str, environment: dict[str, str]) -> int | None:
        """Start a process whose output is added to a file."""
        with Path(log).open("ab") as output:
            self.processes[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        return self.poll(name)

    def poll(self, name: str) -> int | None:
        """Tell whether it runs."""
        return self.processes[name].poll()

    def stop(self, name: str, grace_s: float) -> int | None:
        """Ask it to end, and kill what is left after its time."""
        self.processes[name].terminate()
        with suppress(subprocess.TimeoutExpired):
            self.processes[name].wait(grace_s)
        return self.kill(name)

    def kill(self, name: str) -> int | None:
        """End it and its workers at once."""
        process = self.processes[name]
        while members := in_session(process.pid):
            for member in members:
                with suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            process.poll()
            collect_orphans({kept.pid for kept in self.processes.values()})
            time.sleep(0.01)
        return process.wait()

    def close(self) -> None:
        """End all."""
        for name in self.processes:
            self.kill(name)


def in_session(leader: int) -> list[int]:
    """Give the processes of a session that have not ended."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it ended meanwhile
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[SESSION_FIELD]) == leader and fields[0] not in "ZX":
                    members.append(int(entry.name))
    return members


def collect_orphans(known: set[int]) -> None:
    """Take the remains of workers whose leader has ended, and leave the leaders to those who hold them."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in known:
                return
            os.waitpid(ended.si_pid, 0)


def main() -> int:
    """Do what standard input says until it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper = Keeper()
    actions: dict[str, Callable[..., int | None]] = {
        "start": keeper.start,
        "stop": keeper.stop,
        "kill": keeper.kill,
        "poll": keeper.poll,
    }
    try:
        for line in sys.stdin:
            request = json.loads(line)
            answer = actions[request.pop("do")](**request)
            sys.stdout.write(f"{json.dumps(answer)}\n")
            sys.stdout.flush()
    finally:
        keeper.close()
        shutil.rmtree(sys.argv[1], ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
