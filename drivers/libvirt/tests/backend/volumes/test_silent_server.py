"""Servers of volumes that take connections and say nothing: QEMU stands still, and nobody else does."""

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest

import nova_virt_api
from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Cancelled, StateAfter, Timeout, VirtError
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import IscsiVolume, NbdVolume
from nova_virt_libvirt import native_call

WORKERS = 20
"""Of libvirtd, for what is not urgent."""

STARTING = {Stage.START.value, "wait until others have started"}

SILENT = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
taken = []
while True:
    taken.append(listening.accept())
"""


@pytest.fixture
def port(daemon: Any) -> Iterator[int]:
    """Where a server in the guests' network takes connections and says nothing."""
    enter = ["nsenter", "--target", str(daemon.process_id), "--net"]
    server = subprocess.Popen([*enter, sys.executable, "-c", SILENT], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield int(server.stdout.readline())
    server.kill()
    server.wait()


def nbd(port: int) -> Volume:
    return Volume(id=str(uuid.uuid4()), connection=NbdVolume(host="127.0.0.1", port=port, export="data"))


def iscsi(port: int) -> Volume:
    reached = IscsiVolume(portal=f"127.0.0.1:{port}", iqn="iqn.2026-11.org.nova-virt:silent", lun=1)
    return Volume(id=str(uuid.uuid4()), connection=reached)


@pytest.mark.parametrize("silent", [nbd, iscsi])
def test_attaching_is_given_up_and_the_guest_can_be_stopped(
    silent: Any, port: int, spawn: Any, daemon: Any, seen: Any
) -> None:
    """Also by the same connection, which lets one verb at a time change a guest."""
    guest = spawn().ref
    with nova_virt_api.connect("libvirt", uri=daemon.uri, pool="nova-virt", owner="nova-virt-tests") as compute:
        with pytest.raises(Timeout):
            compute.attach_volume(guest, silent(port), timeout=3.0)
        assert [one.power_state for one in compute.instances()] == [PowerState.RUNNING]
        compute.power_off(guest, mode=PowerOff.HARD, timeout=120.0)
        assert compute.volumes(guest) == ()
        compute.power_on(guest, timeout=120.0)
        assert len(seen.disks(guest)) == 1


def test_attaching_can_be_cancelled(port: int, spawn: Any, driver: Any, run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(native_call, "GRACE", 0.1)
    guest = spawn().ref

    def cancel_the_call(operation: Operation[Any]) -> None:
        while all(thread.name != "nova-virt-libvirt-call" for thread in threading.enumerate()):
            time.sleep(0.01)
        operation.cancel()

    def cancel(operation: Operation[Any]) -> None:
        if operation.stage == "attach the volume":
            threading.Thread(target=cancel_the_call, args=(operation,)).start()

    operation: Operation[Any] = Operation("attach_volume", guest.uuid, timeout=120.0, on_progress=cancel)
    operation.begin()
    with pytest.raises(Cancelled) as caught:
        driver.attach_volume(guest, nbd(port), DriverSide(operation))
    assert caught.value.state_after is StateAfter.UNKNOWN
    assert "cut its power" in caught.value.hint
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)


def test_a_start_is_given_up(port: int, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    guest = spawn(power_on=False).ref
    volume = nbd(port)
    run(driver.attach_volume, guest, volume)
    operation: Operation[Any] = Operation("power_on", guest.uuid, timeout=2.0)
    operation.begin()
    with pytest.raises(Timeout):
        driver.power_on(guest, DriverSide(operation))
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.detach_volume, guest, volume.id)
    run(driver.power_on, guest)
    assert len(seen.disks(guest)) == 1


def test_starts_that_hang_hold_up_no_other_verb(port: int, spawn: Any, driver: Any, run: Any, native: Any) -> None:
    """As many as libvirtd has workers: with none left, not even the guests that hang could be destroyed."""
    specs = [
        InstanceSpec(
            uuid=uuid.uuid4(),
            name=f"hung-{number}",
            memory_bytes=MiB(16),
            disks=[Disk(source=Blank(), size_bytes=MiB(1))],
            volumes=[nbd(port)],
        )
        for number in range(WORKERS)
    ]
    operations = [Operation[Any]("spawn", spec.uuid, timeout=200.0) for spec in specs]

    def make(spec: InstanceSpec, operation: Operation[Any]) -> None:
        operation.begin()
        driver.spawn(spec, DriverSide(operation))

    with ThreadPoolExecutor(WORKERS + 2) as threads:
        hung = [threads.submit(make, *one) for one in zip(specs, operations, strict=True)]
        while not {operation.stage for operation in operations} <= STARTING:
            assert not any(one.done() for one in hung)
            time.sleep(0.05)
        try:
            threads.submit(spawn, power_on=False).result(60.0)
            first = next(number for number, one in enumerate(operations) if one.stage == Stage.START.value)
            assert threads.submit(run, driver.destroy, InstanceRef(uuid=specs[first].uuid)).result(60.0)
        finally:
            for operation in operations:
                operation.cancel()
            for spec in specs:
                with suppress(libvirt.libvirtError):  # one that waited has no QEMU
                    native.lookupByName(spec.name).destroy()
        assert all(isinstance(one.exception(), VirtError) for one in hung)


def test_a_resized_guest_that_may_still_start_keeps_its_layers_until_a_revert(
    port: int, spawn: Any, driver: Any, run: Any, seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hurry(operation: Operation[Any]) -> None:
        if operation.stage == Stage.START.value:
            monkeypatch.setattr(operation, "deadline", time.monotonic() + 4.0)

    made = spawn(power_on=False)
    guest, before = made.ref, seen.disks(made.ref)
    ticket = run(driver.prepare_resize, guest, Size())
    spec = InstanceSpec(
        uuid=guest.uuid,
        name=made.name,
        memory_bytes=MiB(24),
        disks=[Disk(source=Blank(), size_bytes=MiB(8))],
        volumes=[nbd(port)],
        power_on=True,
    )
    operation: Operation[Any] = Operation("finish_resize", guest.uuid, timeout=120.0, on_progress=hurry)
    operation.begin()
    with pytest.raises(Timeout) as caught:
        driver.finish_resize(ticket, DriverSide(operation), spec=spec)
    assert (caught.value.state_after, "revert" in caught.value.hint) == (StateAfter.UNKNOWN, True)
    layer = Path(seen.disks(guest)[0].find("source").get("file"))
    assert layer.exists()
    run(driver.revert_resize, guest)
    after = driver.instance(guest, fresh=True)
    assert (after.lifecycle, after.power_state) == (Lifecycle.READY, PowerState.SHUTDOWN)
    assert not layer.exists()
    assert len(seen.disks(guest)) == len(before)


def test_a_guest_that_cannot_be_made_in_time_is_taken_back(port: int, driver: Any, native: Any) -> None:
    spec = InstanceSpec(
        uuid=uuid.uuid4(), name=f"guest-{uuid.uuid4().hex[:8]}", memory_bytes=16 << 20, volumes=[nbd(port)]
    )
    operation: Operation[Any] = Operation("spawn", spec.uuid, timeout=5.0)
    operation.begin()
    with pytest.raises(VirtError):
        driver.spawn(spec, DriverSide(operation))
    assert spec.name not in [domain.name() for domain in native.listAllDomains(0)]
    assert driver.leftovers() == []
