"""Run every test, the groups of `GROUPS` three at a time: much of a test is waiting for a hypervisor.

Each group's output is shown as a whole when the group ends, or is interrupted. Arguments go to every pytest.
"""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from types import FrameType

OUTPUT = Path("build/test")
WORKERS = 3
MAIN = Path(sys.executable).with_name("pytest")
BESIDE_NOVA = Path("build/nova/venv/bin/pytest")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Tests start hundreds of processes, and each would compile the kit anew."""


@dataclass(frozen=True)
class Group:
    """Tests that run one after the other.

    Args:
        name: of the file with its output.
        paths: where its tests are.
        pytest: the pytest of the environment that it runs in.
    """

    name: str
    paths: tuple[str, ...]
    pytest: Path = MAIN

    def command(self, arguments: list[str]) -> list[str]:
        """What runs it; the kit has nothing to say of what runs beside Nova."""
        reports = [] if self.pytest == BESIDE_NOVA else ["--conformance-reports=build/reports"]
        slowest = ["--durations=12", "--durations-min=3"]
        return [str(self.pytest), *self.paths, *reports, *slowest, *arguments]


GROUPS = (  # the longest first
    Group("libvirt", ("drivers/libvirt/tests/unit", "drivers/libvirt/tests/backend")),
    Group("libvirt-kit", ("drivers/libvirt/tests/conformance",)),
    Group("ironic", ("drivers/ironic/tests",)),
    Group("conformance", ("conformance/tests",)),
    Group("vmware", ("drivers/vmware/tests",)),
    Group("nova", ("bridges/nova/tests",), BESIDE_NOVA),
    Group("common", ("tests",)),
)


class Run:
    """One run of all groups."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopped = Event()
        self._lock = Lock()

    def all(self) -> bool:
        """Whether all passed."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        with ThreadPoolExecutor(WORKERS) as workers:
            return all(list(workers.map(self._one, GROUPS)))

    def _one(self, group: Group) -> bool:
        output = OUTPUT / f"{group.name}.txt"
        began = time.monotonic()
        with self._lock:
            if self._stopped.is_set():
                return False
            say(f"{group.name}: begins, its output is in {output}")
            with output.open("wb") as file:
                process = subprocess.Popen(
                    group.command(self._arguments), env=ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT
                )
            self._running.append(process)
        passed = process.wait() == 0
        with self._lock:
            self._running.remove(process)
            say(output.read_text(errors="replace"))
            verdict = "passed" if passed else "FAILED"
            say(f"{group.name}: {verdict} after {time.monotonic() - began:.0f} s")
        return passed

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Let pytest say what it knows so far."""
        self._stopped.set()
        for process in list(self._running):
            process.send_signal(signal.SIGINT)


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


if __name__ == "__main__":
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for old in OUTPUT.iterdir():
        old.unlink()
    sys.exit(0 if Run(sys.argv[1:]).all() else 1)
