"""Copies of running guests: of one moment, stopped in the middle, interrupted, left behind."""

import itertools
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import libvirt
import libvirt_qemu
import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Cancelled, GuestAgentUnavailable, InvalidState
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalTarget
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.units import MiB

OLD, NEW = 0xAB, 0x11
COPYING = "copy the disk"
FULL = 128
"""MiB with data on each of two disks."""

HMP = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP


def wanted_by(copy: UUID) -> CloneSpec:
    """What a process of these tests asks for."""
    return CloneSpec(uuid=copy, name=f"copy-{str(copy)[:8]}", cloud_init=CloudInit())


COPY = wanted_by(uuid.uuid4())


def qemu_io(path: Path, command: str) -> str:
    done = subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", command, str(path)], capture_output=True, text=True, check=True
    )
    assert "failed" not in done.stdout, done.stdout
    return done.stdout


class Slowly:
    """Makes a copy of a guest's disks slow, and does something in the middle of it."""

    def __init__(self, driver: Any, connect: Callable[[], Any], slow_copies: Any) -> None:
        self._driver = driver
        self._connect = connect
        self.slow_copies = slow_copies

    def domain(self, guest: Instance) -> Any:
        return self._connect().lookupByUUID(guest.uuid.bytes)

    def clone(self, guest: Instance, meanwhile: Callable[[Operation[Any]], object]) -> Instance:
        """Make a copy with this uuid."""
        done = itertools.count()
        slow = self.slow_copies(guest)

        def look(operation: Operation[Any]) -> None:
            if operation.stage == COPYING and not next(done):
                slow.keep("vda", "vdb")
                meanwhile(operation)
                slow.let_go("vda", "vdb")

        operation = Operation[Any]("clone", guest.uuid, timeout=60.0, on_progress=look)
        assert operation.begin()
        copy: Instance = self._driver.clone(guest.ref, COPY, DriverSide(operation))
        assert next(done), "nothing was done in the middle of it"
        return copy


@pytest.fixture
def slowly(driver: Any, raw: Callable[[], Any], run: Any, slow_copies: Any) -> Iterator[Slowly]:
    """Makes one copy slowly; removes it in the end."""
    yield Slowly(driver, raw, slow_copies)
    run(driver.destroy, InstanceRef(uuid=COPY.uuid))


@pytest.fixture
def full(spawn: Any, make_spec: Any, disk_of: Any, driver: Any, run: Any) -> Instance:
    """A running guest with two disks that take a while to copy."""
    guest: Instance = spawn(make_spec(disks=[Disk(source=Blank(), size_bytes=MiB(160))] * 2))
    for index in range(2):
        qemu_io(disk_of(guest, index), f"write -P {OLD} 0 {FULL}M")
    run(driver.power_on, guest.ref)
    return guest


def write(slowly: Slowly, guest: Instance) -> None:
    """Let the guest write to both of its disks."""
    for index in range(2):
        device = f"/machine/peripheral/virtio-disk{index}/virtio-backend"
        command = f'qemu-io -d {device} "write -P {NEW} 0 {FULL}M"'
        said = libvirt_qemu.qemuMonitorCommand(slowly.domain(guest), command, HMP)
        assert not said.strip(), said


@pytest.mark.parametrize("state", [PowerState.RUNNING, PowerState.PAUSED])
def test_disks_are_of_one_moment(
    state: PowerState, full: Instance, slowly: Slowly, disk_of: Any, run: Any, driver: Any, traces: Any
) -> None:
    """What is written while they are copied is on the guest's disks and not in the copies."""
    before = traces.volumes(full.uuid)
    if state is PowerState.PAUSED:
        run(driver.pause, full.ref)
    copy = slowly.clone(full, lambda _: write(slowly, full))
    assert driver.instance(full.ref, fresh=True).power_state is state
    assert traces.volumes(full.uuid) == before
    assert copy.power_state is PowerState.RUNNING
    run(driver.destroy, full.ref)
    run(driver.power_off, copy.ref, mode=PowerOff.HARD, grace_seconds=0.0)
    for index in range(2):
        qemu_io(disk_of(copy, index), f"read -P {OLD} 0 {FULL}M")


def test_cancelled_copy_leaves_nothing(full: Instance, slowly: Slowly, driver: Any, traces: Any) -> None:
    """Neither a volume nor a job, and the guest runs on."""
    before = traces.volumes(full.uuid)
    with pytest.raises(Cancelled):
        slowly.clone(full, lambda operation: operation.cancel())
    assert traces.of(COPY.uuid) == []
    assert traces.volumes(full.uuid) == before
    assert slowly.domain(full).jobStats()["type"] == libvirt.VIR_DOMAIN_JOB_NONE
    assert driver.instance(full.ref, fresh=True).power_state is PowerState.RUNNING


def test_guest_that_stops_meanwhile(full: Instance, slowly: Slowly, traces: Any) -> None:
    """Its copy fails, and leaves nothing."""
    with pytest.raises(InvalidState):
        slowly.clone(full, lambda _: slowly.domain(full).destroy())
    assert traces.of(COPY.uuid) == []


def test_killed_copy_keeps_nobody_from_the_next(
    full: Instance,
    slowly: Slowly,
    driver: Any,
    run: Any,
    processes: Any,
    traces: Any,
    tmp_path: Path,
    eventually: Any,
) -> None:
    """What QEMU goes on copying for somebody who is dead is ended by whoever copies the guest's disks next."""
    slow = slowly.slow_copies(full)
    dying = processes.start("clone", full.uuid, copy=str(COPY.uuid))
    processes.go(dying)
    domain = slowly.domain(full)
    eventually(lambda: domain.jobStats()["type"] != libvirt.VIR_DOMAIN_JOB_NONE, "it is copied", seconds=60.0)
    slow.keep("vda", "vdb")
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    assert {leftover.uuid for leftover in driver.leftovers()} == {COPY.uuid}
    run(driver.snapshot, full.ref, LocalTarget(tmp_path / "disk.qcow2"))
    copy = run(driver.clone, full.ref, COPY)
    assert copy.lifecycle is Lifecycle.READY
    assert driver.leftovers() == []
    run(driver.destroy, full.ref)
    run(driver.destroy, copy.ref)
    assert traces.of(copy.uuid) == []


def test_rest_that_cannot_be(full: Instance, clone: Any, traces: Any) -> None:
    """A guest without an agent is not copied where rest is required."""
    wanted = uuid.uuid4()
    with pytest.raises(GuestAgentUnavailable):
        clone(full, uuid=wanted, quiesce=Quiesce.REQUIRED)
    assert traces.of(wanted) == []
