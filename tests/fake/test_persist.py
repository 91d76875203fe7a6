"""A world that is kept in a file: later processes find it, several change it, and a killed one leaves no riddle."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.fake.options import OPTIONS
from nova_virt_api.fake.persist import FileStore
from nova_virt_api.fake.shape import Shape
from nova_virt_api.fake.steps import SPAWN_STEPS, Step
from nova_virt_api.fake.switches import Switches
from nova_virt_api.fake.world import World

Connect = Callable[..., virt.Compute]
SwitchesOf = Callable[[virt.Compute], Switches]

PROGRAM = """
import sys
import nova_virt_api as virt
from nova_virt_api.fake.steps import Step

state_dir, action, name, *rest = sys.argv[1:]
compute = virt.connect("fake", persist=True, state_dir=state_dir, cache_dir=state_dir + "/cache")
spec = virt.InstanceSpec(
    uuid=virt.stable_uuid(name), name=name, vcpus=2, memory_bytes=virt.GiB(2),
    disks=[virt.Disk(source=virt.Native("debian-13"), size_bytes=virt.GiB(20))],
    nics=[virt.Nic(network="default")],
    cloud_init=virt.CloudInit(user_data="#cloud-config\\n"), firmware=virt.Firmware.UEFI, labels={"tier": "front"},
)
with compute.native() as switches:
    pass
if action == "hang":
    hang = switches.hang_at(Step[rest[0]])
    operation = compute.submit.spawn(spec)
    assert hang.wait_reached()
    print("hanging", flush=True)
    sys.stdin.readline()
    hang.release()
    try:
        operation.result()
        print("spawned", flush=True)
    except virt.Busy:
        print("busy", flush=True)
elif action == "rebuild":
    guest = compute.spawn(spec)
    hang = switches.hang_at(Step[rest[0]])
    compute.submit.rebuild(guest)
    assert hang.wait_reached()
    print("hanging", flush=True)
    sys.stdin.readline()
elif action == "spawn":
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        compute.spawn(spec)
        print("spawned", flush=True)
    except virt.Busy:
        print("busy", flush=True)
elif action == "many":
    for number in range(int(rest[0])):
        guest = compute.spawn(virt.InstanceSpec(uuid=virt.stable_uuid(f"{name}{number}"), name=f"{name}{number}",
            vcpus=1, memory_bytes=virt.MiB(64), nics=[virt.Nic()]))
        if number % 2:
            compute.destroy(guest)
compute.close()
"""


class Process:
    """Another process that works on the same world."""

    def __init__(self, state_dir: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(state_dir), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> int:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        return self._process.wait(30)


def options_of() -> SimpleNamespace:
    return SimpleNamespace(**{option.dest: option.default for option in OPTIONS})


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_later_process_finds_the_guests(connect: Connect, state_dir: Path, make_spec: Any) -> None:
    process = Process(state_dir, "spawn", "web")
    assert process.line() == "ready"
    process.go()
    assert process.line() == "spawned"
    assert process.end() == 0
    compute = connect(persist=True)
    guest = compute.find("web")
    assert guest.owned
    assert guest.labels == {"tier": "front"}
    assert [str(address) for address in guest.addresses or ()] == ["192.0.2.1"]
    assert b"boot 1" in compute.console_log(guest)
    assert compute.spawn(make_spec()) is guest
    assert compute.leftovers() == []
    assert compute.destroy(guest) is True


def test_the_file_and_its_directories_are_private(connect: Connect, state_dir: Path, make_spec: Any) -> None:
    secret = "PASSWORD-5aZ"
    compute = connect(persist=True, world="lab")
    compute.spawn(make_spec(cloud_init=virt.CloudInit(user_data=f"#cloud-config\npassword: {secret}\n")))
    for path in (state_dir, *state_dir.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    names = sorted(path.name for path in (state_dir / "fake").iterdir())
    assert names == ["lab.json", "lab.lock"]
    assert secret not in (state_dir / "fake" / "lab.json").read_text()


@pytest.mark.parametrize("step", SPAWN_STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize("then", ["spawn", "destroy"])
def test_a_killed_spawn_is_finished_or_undone_by_the_next(
    then: str, step: Step, connect: Connect, switches: SwitchesOf, state_dir: Path, make_spec: Any
) -> None:
    process = Process(state_dir, "hang", "web", step.name)
    assert process.line() == "hanging"
    compute = connect(persist=True)
    if step is not Step.SPAWN_CLAIM:
        assert compute.leftovers() == []
        with pytest.raises(virt.Busy, match="process"):
            compute.spawn(make_spec())
        with pytest.raises(virt.Busy):
            compute.destroy(make_spec().uuid)
    process.kill()
    if step is not Step.SPAWN_CLAIM:
        assert compute.leftovers()
    if then == "spawn":
        guest = compute.spawn(make_spec())
        assert compute.instances() == (guest,)
        assert compute.leftovers() == []
        assert compute.destroy(guest) is True
    else:
        assert compute.destroy(make_spec().uuid) is (step is not Step.SPAWN_CLAIM)
    assert switches(compute).outside.objects() == ()


def test_a_killed_rebuild_is_done_again_by_the_next(
    connect: Connect, switches: SwitchesOf, state_dir: Path, make_spec: Any
) -> None:
    process = Process(state_dir, "rebuild", "web", "REBUILD_WRITE")
    assert process.line() == "hanging"
    compute = connect(persist=True)
    guest = compute.find("web")
    assert guest.lifecycle is virt.Lifecycle.ERROR
    for call in (compute.rebuild, compute.destroy):
        with pytest.raises(virt.Busy, match="process"):
            call(guest)
    process.kill()
    assert compute.rebuild(guest).lifecycle is virt.Lifecycle.READY
    assert compute.spawn(make_spec()).uuid == guest.uuid
    compute.destroy(guest)
    assert switches(compute).outside.objects() == ()


def test_two_processes_that_spawn_the_same_make_one_guest(
    connect: Connect, switches: SwitchesOf, state_dir: Path, make_spec: Any
) -> None:
    processes = [Process(state_dir, "spawn", "web") for _ in range(2)]
    assert [process.line() for process in processes] == ["ready", "ready"]
    for process in processes:
        process.go()
    outcomes = [process.line() for process in processes]
    assert [process.end() for process in processes] == [0, 0]
    assert "spawned" in outcomes
    assert set(outcomes) <= {"spawned", "busy"}
    compute = connect(persist=True)
    (guest,) = compute.instances()
    assert guest.lifecycle is virt.Lifecycle.READY
    assert compute.spawn(make_spec()) is guest
    compute.destroy(guest)
    assert switches(compute).outside.objects() == ()


def test_of_two_processes_that_claim_at_once_one_is_busy(
    connect: Connect, switches: SwitchesOf, state_dir: Path, make_spec: Any
) -> None:
    late = Process(state_dir, "hang", "web", "SPAWN_CLAIM")
    assert late.line() == "hanging"
    compute = connect(persist=True)
    with switches(compute).hang_at(Step.SPAWN_START) as hang:
        operation = compute.submit.spawn(make_spec())
        assert hang.wait_reached()
        late.go()
        assert late.line() == "busy"
    assert operation.result().lifecycle is virt.Lifecycle.READY
    assert late.end() == 0


def test_no_change_of_another_process_is_lost(connect: Connect, state_dir: Path) -> None:
    processes = [Process(state_dir, "many", name, "6") for name in ("a", "b", "c")]
    assert [process.end() for process in processes] == [0, 0, 0]
    compute = connect(persist=True)
    guests = compute.instances()
    assert sorted(guest.name for guest in guests) == [f"{name}{number}" for name in "abc" for number in (0, 2, 4)]
    addresses = [str(address) for guest in guests for address in guest.addresses or ()]
    assert len(addresses) == len(set(addresses)) == 9


def test_a_change_of_another_process_reaches_watchers(connect: Connect, state_dir: Path) -> None:
    compute = connect(persist=True)
    assert not compute.capabilities().has(virt.Feature.EVERY_TRANSITION)
    with compute.watch() as watch:
        events = iter(watch)
        process = Process(state_dir, "spawn", "web")
        assert process.line() == "ready"
        process.go()
        event = next(events)
        assert isinstance(event, virt.InstanceEvent)
        assert event.instance.name == "web"
        assert process.end() == 0


def test_a_boot_goes_on_while_no_process_looks(
    connect: Connect, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = connect(persist=True, boot_seconds=60.0)
    guest = first.spawn(make_spec())
    first.close()
    second = connect(persist=True, boot_seconds=60.0)
    assert second.instance(guest).addresses == ()
    second.close()
    later = time.time() + 61.0
    monkeypatch.setattr(time, "time", lambda: later)
    third = connect(persist=True, boot_seconds=60.0)
    assert [str(address) for address in third.instance(guest).addresses or ()] == ["192.0.2.1"]
    assert third.console_log(guest).endswith(b"login: \n")


def test_what_a_killed_process_was_writing_is_overwritten(connect: Connect, state_dir: Path, make_spec: Any) -> None:
    compute = connect(persist=True)
    (state_dir / "fake" / "default.new").write_text('{"half')
    guest = compute.spawn(make_spec())
    compute.close()
    assert sorted(path.name for path in (state_dir / "fake").iterdir()) == ["default.json", "default.lock"]
    assert connect(persist=True).instances() == (guest,)


def test_a_file_that_was_removed_is_an_empty_world(connect: Connect, state_dir: Path, make_spec: Any) -> None:
    compute = connect(persist=True)
    compute.spawn(make_spec())
    (state_dir / "fake" / "default.json").unlink()
    assert compute.instances() == ()
    compute.spawn(make_spec())


def test_quick_changes_of_another_are_not_missed(connect: Connect, state_dir: Path, make_spec: Any) -> None:
    """Versions of one size within one tick of the clock, whose inode numbers may be those of removed ones."""
    compute = connect(persist=True)
    guest = compute.spawn(make_spec(labels={"turn": "0"}))
    path = state_dir / "fake" / "default.json"
    other = World("default", Shape.of(options_of()), FileStore(path, ()))
    for turn in range(40):
        label = str(turn % 10)
        compute.update(guest, virt.InstanceUpdate(labels={"turn": label}))
        os.utime(path, ns=(0, 0))
        if turn % 2:  # look at every second version only: the number of the one seen before may be in use again
            with other.reading() as state:
                assert state.claimants(guest.uuid)[0].labels == {"turn": label}
    other.end()


def test_unchanged_guests_are_the_same_objects(connect: Connect, make_spec: Any) -> None:
    compute, other = connect(persist=True), connect(persist=True)
    web = compute.spawn(make_spec())
    assert other.instances() == (web,)
    first = other.instances()
    assert other.instances() is first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', "\0\0", '{"version": "one"}'])
def test_a_file_that_is_no_world_is_refused_and_left_alone(text: str, connect: Connect, state_dir: Path) -> None:
    path = state_dir / "fake" / "default.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(virt.Unavailable, match="does not hold a fake world") as caught:
        connect(persist=True)
    assert str(path) in caught.value.public_message
    assert caught.value.hint
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["default.json", "default.lock"])
def test_a_directory_in_the_way_is_named(name: str, connect: Connect, state_dir: Path, make_spec: Any) -> None:
    (state_dir / "fake" / name).mkdir(parents=True)
    with pytest.raises(virt.Unavailable, match=r"default\.json"):
        connect(persist=True).spawn(make_spec())


def test_a_file_of_another_version_is_refused(connect: Connect, state_dir: Path, make_spec: Any) -> None:
    first = connect(persist=True)
    first.spawn(make_spec())
    first.close()
    path = state_dir / "fake" / "default.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(virt.Unavailable, match="version 2"):
        connect(persist=True)


def test_a_directory_that_cannot_be_made_is_named(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    with pytest.raises(virt.Unavailable, match="state"):
        connect(persist=True)


def test_a_change_that_cannot_be_stored_is_not_shown(
    connect: Connect, state_dir: Path, make_spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = connect(persist=True)
    guest = compute.spawn(make_spec())

    def full(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(virt.StorageError, match="No space left"):
            compute.pause(guest)
    assert compute.instance(guest).power_state is virt.PowerState.RUNNING
    assert sorted(path.name for path in (state_dir / "fake").iterdir()) == ["default.json", "default.lock"]
    compute.pause(guest)
