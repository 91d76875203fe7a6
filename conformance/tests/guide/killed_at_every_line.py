"""Runs a verb of the guide's driver again and again, each time killed one line later, and looks what is left.

    python killed_at_every_line.py VERB DIRECTORY

The guests are in DIRECTORY. Each run is a process of its own, forked from this one, which itself has no threads. Tells
the number of lines.
"""

import itertools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import nova_virt_api as virt
from nova_virt_api.compute.compute import Compute
from nova_virt_api.config import read_endpoint
from nova_virt_api.loading import load_driver

ROOT = Path(sys.argv[2]).resolve()
LOADED = load_driver("process")
ENDPOINT = read_endpoint(
    LOADED,
    values={
        "root": str(ROOT / "guests"),
        "owner": "me",
        "cache_dir": str(ROOT / "cache"),
        "state_dir": str(ROOT / "state"),
    },
)
LINGERING_SECONDS = 20.0
PACKAGE = f"/{LOADED.driver_class.__module__.partition('.')[0]}/"
SPEC = virt.InstanceSpec(
    uuid=virt.stable_uuid("killed"),
    name="killed",
    memory_bytes=virt.MiB(64),
    disks=[virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(1))],
)

VERBS: dict[str, tuple[Callable[[Compute], Any], ...]] = {
    "spawn": (lambda compute: compute.spawn(SPEC),),
    "destroy": (lambda compute: compute.destroy(SPEC.uuid), lambda compute: compute.spawn(SPEC)),
    "power_on": (
        lambda compute: compute.power_on(SPEC.uuid),
        lambda compute: compute.spawn(SPEC),
        lambda compute: compute.power_off(SPEC.uuid, mode=virt.PowerOff.HARD),
    ),
    "power_off": (
        lambda compute: compute.power_off(SPEC.uuid, mode=virt.PowerOff.HARD),
        lambda compute: compute.spawn(SPEC),
    ),
    "pause": (lambda compute: compute.pause(SPEC.uuid), lambda compute: compute.spawn(SPEC)),
}
"""Each verb, and what is done before it."""


def connected() -> Compute:
    driver = LOADED.driver_class(ENDPOINT)
    driver.open()
    return Compute(driver)


def in_a_process(work: Callable[[], object]) -> int:
    """Do this in a process of its own; how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - whatever it was, it must not go on in a second copy of this
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(verb: Callable[[Compute], Any], killed_at: int | None = None) -> None:
    """Do the verb; die at this line of the driver."""
    compute, lines = connected(), itertools.count(1)

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if PACKAGE not in frame.f_code.co_filename:
            return None
        if event == "line" and next(lines) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    if killed_at is not None:
        threading.settrace(trace)
    verb(compute)


def processes() -> list[str]:
    """Every process that was started for a guest."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"GUEST={ROOT}/".encode() in (path / "environ").read_bytes():
                found.append(path.name)
        except OSError:  # others' processes, and those that are ending
            continue
    return found


def few(most: int) -> bool:
    """Whether no more are left: one that was held back when its maker died ends by itself, a moment later."""
    late = time.monotonic() + LINGERING_SECONDS
    while len(processes()) > most and time.monotonic() < late:
        time.sleep(0.01)
    return len(processes()) <= most


def look(name: str, line: int) -> None:
    """What is there is a guest or a leftover; the verb can be said again; all of it can be removed."""
    verb = VERBS[name][0]
    with connected() as compute:
        guests, leftovers = compute.instances(), compute.leftovers()
        if any((ROOT / "guests").iterdir()) and not leftovers:
            assert [guest.lifecycle for guest in guests] == [virt.Lifecycle.READY], guests
        if name not in ("spawn", "destroy"):
            assert not leftovers
        (verb if line % 2 else VERBS["spawn"][0])(compute)
        there = 0 if name == "destroy" and line % 2 else 1
        assert len(compute.instances()) == there
        assert not compute.leftovers()
        assert few(there), "a second process, or one of a guest that is gone"
        compute.destroy(SPEC.uuid)
    assert not any((ROOT / "guests").iterdir())
    assert few(0)


def main(name: str) -> int:
    verb, *before = VERBS[name]
    (ROOT / "guests").mkdir()
    for line in itertools.count(1):
        for preparation in before:
            assert in_a_process(lambda done=preparation: run(done)) == 0  # type: ignore[misc]
        ended = in_a_process(lambda at=line: run(verb, at))  # type: ignore[misc]
        assert in_a_process(lambda at=line: look(name, at)) == 0, f"{name}, killed at its line {line}"  # type: ignore[misc]
        if ended != -signal.SIGKILL:
            assert ended == 0
            sys.stdout.write(f"{line - 1}\n")
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
