"""Copies of running guests' disks: of one moment, stopped in the middle, interrupted, left behind."""

import itertools
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Busy, Cancelled, ConnectionLost, InvalidState
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import ImageFormat, LocalFile, LocalTarget, NativeTarget
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.rig.processes import standing_still
from nova_virt_libvirt.snapshot.live import LiveCopy

SIZE = MiB(224)
FULL = 200
"""MiB with data. QEMU copies 64 of them at once, whatever the speed."""

OLD, NEW = 0xAB, 0x11
COPYING = "copy the disk"
DISK = "/machine/peripheral/virtio-disk0/virtio-backend"
"""What the guest writes to its first disk with."""


@pytest.fixture
def full(spawn: Any, make_spec: Any, daemon: Any, driver: Any, run: Any) -> Instance:
    """A running guest whose disk takes a while to copy."""
    spec = make_spec(disks=[Disk(source=Blank(), size_bytes=SIZE), Disk(source=Blank(), size_bytes=MiB(8))])
    guest: Instance = spawn(spec)
    path = daemon.directory / "images" / f"{guest.uuid}.disk0.qcow2"
    qemu_io(path, f"write -P {OLD} 0 {FULL}M")
    run(driver.power_on, guest.ref)
    return guest


def qemu_io(path: Path, command: str) -> str:
    done = subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", command, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout


class Snapping:
    """Takes snapshots, and does something in the middle of one."""

    def __init__(self, driver: Any, connect: Callable[[], Any], slow_copies: Any, directory: Path) -> None:
        self._driver = driver
        self._connect = connect
        self._slow_copies = slow_copies
        self.target = LocalTarget(directory / "disk.qcow2")

    def domain(self, guest: Instance) -> Any:
        return self._connect().lookupByUUID(guest.uuid.bytes)

    def take(self, guest: Instance, on_progress: Callable[[Operation[Any]], None] | None = None) -> Any:
        """Take one."""
        operation = Operation[Any]("snapshot", guest.uuid, timeout=60.0, on_progress=on_progress)
        assert operation.begin()
        return self._driver.snapshot(guest.ref, self.target, DriverSide(operation))

    def take_slowly(self, guest: Instance, meanwhile: Callable[[Operation[Any]], object]) -> Any:
        """Take one, and do this in the middle of it."""
        done = itertools.count()
        slow = self._slow_copies(guest)

        def look(operation: Operation[Any]) -> None:
            if operation.stage == COPYING and not next(done):
                slow.keep("vda")
                meanwhile(operation)
                slow.let_go("vda")

        info = self.take(guest, look)
        assert next(done), "nothing was done in the middle of it"
        return info

    def job(self, guest: Instance) -> int:
        return int(self.domain(guest).jobStats()["type"])


@pytest.fixture
def snapping(driver: Any, raw: Callable[[], Any], slow_copies: Any, tmp_path: Path) -> Snapping:
    """Takes snapshots to one place."""
    return Snapping(driver, raw, slow_copies, tmp_path)


@pytest.fixture
def nothing_is_left(snapping: Snapping, full: Instance, traces: Any, driver: Any) -> Callable[[], None]:
    """Sees that the guest is as before, and that no copy is there."""
    before = traces.volumes(full.uuid)

    def check() -> None:
        assert traces.volumes(full.uuid) == before
        assert snapping.job(full) == libvirt.VIR_DOMAIN_JOB_NONE
        assert driver.instance(full.ref, fresh=True).power_state is PowerState.RUNNING
        assert driver.leftovers() == []

    return check


@pytest.mark.parametrize("state", [PowerState.RUNNING, PowerState.PAUSED])
def test_copy_is_of_one_moment(
    state: PowerState, full: Instance, snapping: Snapping, run: Any, driver: Any, traces: Any
) -> None:
    """What is written while it is copied is on the guest's disk and not in the copy."""
    before = traces.volumes(full.uuid)
    if state is PowerState.PAUSED:
        run(driver.pause, full.ref)

    said: list[str] = []

    def write(_: Operation[Any]) -> None:
        command = f'qemu-io -d {DISK} "write -P {NEW} 0 {FULL}M"'
        hmp = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
        said.append(libvirt_qemu.qemuMonitorCommand(snapping.domain(full), command, hmp))

    info = snapping.take_slowly(full, write)
    assert said == [""]
    path = Path(info.ref)
    assert "Pattern verification failed" not in qemu_io(path, f"read -P {OLD} 0 {FULL}M")
    assert (info.format, info.virtual_size_bytes) == (ImageFormat.QCOW2, SIZE)
    assert driver.instance(full.ref, fresh=True).power_state is state
    run(driver.power_off, full.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    assert traces.volumes(full.uuid) == before


def test_copy_can_be_read_at_once(
    spawn: Any, make_spec: Any, image: Path, driver: Any, run: Any, native: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libvirt says that a copy is complete a moment before QEMU has closed it; who looks all the time sees that."""

    def over(copying: LiveCopy) -> bool:
        while copying._target() is not None:
            pass
        return True

    monkeypatch.setattr(LiveCopy, "_is_over", over)
    guest = spawn(make_spec(disks=[Disk(source=LocalFile(image))], power_on=True))
    try:
        for _ in range(4):
            assert run(driver.snapshot, guest.ref, NativeTarget("closed")).ref == "nova-virt/closed"
    finally:
        native.storagePoolLookupByName("nova-virt").storageVolLookupByName("closed").delete(0)


def test_cancelled_copy_ends_at_once(full: Instance, snapping: Snapping, nothing_is_left: Callable[[], None]) -> None:
    """QEMU gives the copy up, nothing is left of it, and the next snapshot is whole."""
    with pytest.raises(Cancelled):
        snapping.take_slowly(full, lambda operation: operation.cancel())
    assert not Path(snapping.target.path).exists()
    nothing_is_left()
    assert snapping.take(full).virtual_size_bytes == SIZE
    nothing_is_left()


def test_guest_that_stops_meanwhile_cannot_be_copied(
    full: Instance, snapping: Snapping, traces: Any, driver: Any
) -> None:
    before = traces.volumes(full.uuid)
    with pytest.raises(InvalidState):
        snapping.take_slowly(full, lambda _: snapping.domain(full).destroy())
    assert traces.volumes(full.uuid) == before
    assert driver.instance(full.ref, fresh=True).power_state is PowerState.SHUTDOWN


def test_backup_by_another_program_goes_on(
    full: Instance, snapping: Snapping, slow_copies: Any, traces: Any, daemon: Any
) -> None:
    """A guest that another program copies is busy; its copy is not touched."""
    before = traces.volumes(full.uuid)
    slow = slow_copies(full)
    theirs = daemon.directory / "images" / "theirs.qcow2"
    domain = snapping.domain(full)
    domain.backupBegin(
        f"<domainbackup mode='push'><disks><disk name='vda' type='file'><target file='{theirs}'/></disk></disks>"
        "</domainbackup>",
        None,
    )
    slow.keep("vda")
    with pytest.raises(Busy):
        snapping.take(full)
    assert snapping.job(full) != libvirt.VIR_DOMAIN_JOB_NONE
    domain.abortJob()
    theirs.unlink()
    assert traces.volumes(full.uuid) == before


def test_hung_guest_holds_up_nobody_else(
    full: Instance, snapping: Snapping, spawn: Any, make_spec: Any, driver: Any, run: Any
) -> None:
    """While the QEMU of a guest that is being copied hangs, others' verbs are done; then it goes on."""
    other: Instance = spawn(make_spec(power_on=True))
    done: list[PowerState] = []

    def hang(_: Operation[Any]) -> None:
        with standing_still(full.uuid):
            run(driver.pause, other.ref, timeout=20.0)
            done.append(driver.instance(other.ref, fresh=True).power_state)

    snapping.take_slowly(full, hang)
    assert done == [PowerState.PAUSED]


def test_daemon_restarted_in_the_middle(
    full: Instance, snapping: Snapping, daemon: Any, nothing_is_left: Callable[[], None]
) -> None:
    """QEMU goes on with the copy meanwhile: the snapshot is done, or ends and the next one takes away what it left."""

    with suppress(ConnectionLost):
        assert snapping.take_slowly(full, lambda _: daemon.do("restart")).virtual_size_bytes == SIZE
    assert snapping.take(full).virtual_size_bytes == SIZE
    nothing_is_left()


@pytest.mark.timeout(300)
def test_killed_anywhere_the_next_one_clears_up(
    processes: Any, full: Instance, snapping: Snapping, nothing_is_left: Callable[[], None], tmp_path: Path
) -> None:
    """Whoever takes the next snapshot ends the copy of who is dead, and nothing of that is left."""
    target = str(tmp_path / "killed.qcow2")
    for number in itertools.count(1):
        if not processes.dies("snapshot", full.uuid, number, target=target):
            break
        assert snapping.take(full).virtual_size_bytes == SIZE
        nothing_is_left()
    assert number > 4, "it changed nothing"
    nothing_is_left()


def test_destroyed_with_the_copy_of_a_dead_process(
    processes: Any, full: Instance, traces: Any, driver: Any, run: Any, tmp_path: Path, eventually: Any, snapping: Any
) -> None:
    """A destroy takes the copy that a dead process has begun."""
    process = processes.start("snapshot", full.uuid, target=str(tmp_path / "killed.qcow2"))
    processes.go(process)
    copy = f"{full.uuid}.snapshot.live.qcow2"
    eventually(lambda: copy in traces.volumes(full.uuid) or process.poll() is not None, "the copy is there")
    process.kill()
    process.wait()
    assert run(driver.destroy, full.ref)
    assert traces.of(full.uuid) == []
