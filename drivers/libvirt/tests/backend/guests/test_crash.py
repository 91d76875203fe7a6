"""Processes that die half-way, and processes that want the same guest at once."""

import os
import random
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from nova_virt_api.model.identity import InstanceRef

SEED = int(os.environ.get("NOVA_VIRT_TEST_SEED", random.SystemRandom().randrange(2**32)))
MOMENTS = 24
EVERYTHING = ("claim", "console.log", "disk0.qcow2", "disk1.qcow2", "seed.iso")


def duration(processes: Any, verb: str, guest: UUID) -> float:
    """Seconds that the verb takes a process of its own."""
    process = processes.start(verb, guest)
    begin = time.monotonic()
    processes.go(process)
    assert processes.outcome(process) == (str(guest) if verb == "spawn" else "True")
    return time.monotonic() - begin


def kill_at(processes: Any, verb: str, guest: UUID, moment: float) -> None:
    """Start the verb in a process and kill that."""
    process = processes.start(verb, guest)
    processes.go(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    process.kill()
    process.wait()


def remove_base(native: Any) -> None:
    """Make the next spawn upload the image again."""
    pool = native.storagePoolLookupByName("nova-virt")
    pool.refresh(0)
    for name in pool.listVolumes():
        if name.startswith("nova-virt-base-"):
            pool.storageVolLookupByName(name).delete(0)


def left_of_guests(traces: Any) -> set[str]:
    return {name for name in traces.volumes() if not name.startswith("nova-virt-base-")}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("then", ["spawn", "destroy"])
def test_spawn_killed_at_any_moment(
    then: str, processes: Any, native: Any, traces: Any, driver: Any, run: Callable[..., Any]
) -> None:
    """Then the same spawn gives exactly one guest and nothing beside it; destroy instead leaves nothing."""
    print(f"NOVA_VIRT_TEST_SEED={SEED}")  # noqa: T201
    chance = random.Random(f"{SEED}/{then}")
    first = uuid.uuid4()
    whole = min(duration(processes, "spawn", first), 1.0)
    assert run(driver.destroy, InstanceRef(uuid=first))
    found = []
    for number in range(MOMENTS):
        guest = uuid.UUID(int=chance.getrandbits(128), version=4)
        if number % 2:
            remove_base(native)
        moment = whole * chance.random() ** 2  # most is done early, then QEMU starts
        kill_at(processes, "spawn", guest, moment)
        found.append(f"{moment:.3f} s: {len(traces.of(guest))}")
        if then == "spawn":
            assert processes.run("spawn", guest) == str(guest), found
            expected = {f"{guest}.{what}" for what in EVERYTHING}
            assert left_of_guests(traces) == expected, found
            assert traces.domains() == [f"killed-{str(guest)[:8]}"], found
            assert driver.leftovers() == []
        processes.run("destroy", guest)
        assert traces.of(guest) == [], found
        assert left_of_guests(traces) == set(), found
    print(f"objects found after each kill: {', '.join(found)}")  # noqa: T201


@pytest.mark.timeout(300)
def test_destroy_killed_at_any_moment_is_finished_by_the_next(
    processes: Any, traces: Any, run: Callable[..., Any], driver: Any
) -> None:
    print(f"NOVA_VIRT_TEST_SEED={SEED}")  # noqa: T201
    chance = random.Random(f"{SEED}/destroyed")
    first = uuid.uuid4()
    assert processes.run("spawn", first) == str(first)
    whole = duration(processes, "destroy", first)
    for _ in range(8):
        guest = uuid.UUID(int=chance.getrandbits(128), version=4)
        assert processes.run("spawn", guest) == str(guest)
        kill_at(processes, "destroy", guest, chance.uniform(0.0, whole))
        run(driver.destroy, InstanceRef(uuid=guest))
        assert traces.of(guest) == []
        assert left_of_guests(traces) == set()


def test_processes_that_spawn_the_same_at_once_get_one_guest(
    processes: Any, native: Any, traces: Any, driver: Any, run: Callable[..., Any]
) -> None:
    for number in range(4):
        guest = uuid.uuid4()
        if number % 2:
            remove_base(native)
        several = [processes.start("spawn", guest) for _ in range(3)]
        for process in several:
            processes.go(process)
        assert [processes.outcome(process) for process in several] == [str(guest)] * 3
        assert traces.domains() == [f"killed-{str(guest)[:8]}"]
        assert traces.volumes(guest) == {f"{guest}.{what}" for what in EVERYTHING}
        assert run(driver.destroy, InstanceRef(uuid=guest))


def test_spawn_and_destroy_at_once_leave_all_or_nothing(
    processes: Any, traces: Any, driver: Any, run: Callable[..., Any]
) -> None:
    for _ in range(4):
        guest = uuid.uuid4()
        both = [processes.start(verb, guest) for verb in ("spawn", "destroy")]
        for process in both:
            processes.go(process)
        spawned, destroyed = (processes.outcome(process) for process in both)
        assert spawned == str(guest) or spawned in {"instance-not-found", "instance-exists"}
        assert destroyed in {"True", "False"}
        there = traces.of(guest)
        assert there == [] or len(there) == len(EVERYTHING) + 1
        run(driver.destroy, InstanceRef(uuid=guest))
        assert traces.of(guest) == []


def test_leftovers_are_listed_until_they_are_removed(
    processes: Any, traces: Any, driver: Any, run: Callable[..., Any], eventually: Callable[..., None]
) -> None:
    guest = uuid.uuid4()
    process = processes.start("spawn", guest)
    processes.go(process)
    eventually(lambda: f"{guest}.disk0.qcow2" in traces.volumes(guest), "a disk is there")
    process.kill()
    process.wait()
    found = driver.leftovers()
    if not found:  # it was quicker than we
        assert driver.instance(InstanceRef(uuid=guest)).owned
    assert {leftover.uuid for leftover in found} <= {guest}
    run(driver.destroy, InstanceRef(uuid=guest))
    assert driver.leftovers() == []
