"""Volumes that grow and are swapped under running guests; what a guest's end, a restart and a dead caller leave."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Cancelled, InvalidSpec, VolumeError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.devices.volume_disk import Label, label_of
from nova_virt_libvirt.volumes import swap as volume_swap

CONFIG = libvirt.VIR_DOMAIN_XML_INACTIVE
SIZE = MiB(8)
DATA = b"what was on the volume before" * 20


def size(native: Any, guest: InstanceRef, target: str) -> int:
    """How large a guest sees a disk."""
    return int(native.lookupByUUID(guest.uuid.bytes).blockInfo(target)[0])


# --- extend -----------------------------------------------------------------------------------------------------------


def test_a_running_guest_sees_a_volume_grow(files: Any, spawn: Any, driver: Any, run: Any, native: Any) -> None:
    plain, luks = files.volume(), files.luks()
    guest = spawn(volumes=[plain, luks]).ref
    for _ in range(2):
        run(driver.extend_volume, guest, plain.id, SIZE * 2)
    assert size(native, guest, "vdb") == SIZE * 2
    header = Path(luks.connection.path).stat().st_size - SIZE
    run(driver.extend_volume, guest, luks.id, header + SIZE * 3)
    assert size(native, guest, "vdc") == SIZE * 3
    with pytest.raises(InvalidSpec, match="only grows"):
        run(driver.extend_volume, guest, plain.id, SIZE)
    assert size(native, guest, "vdb") == Path(plain.connection.path).stat().st_size == SIZE * 2
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.extend_volume, guest, plain.id, SIZE * 4)  # it sees that when it starts


def test_a_size_that_is_no_multiple_of_a_sector(files: Any, spawn: Any, driver: Any, run: Any, native: Any) -> None:
    """The guest sees whole sectors; who asks twice for the same gets the same."""
    volume = files.volume()
    guest = spawn(volumes=[volume]).ref
    for _ in range(2):
        run(driver.extend_volume, guest, volume.id, SIZE + 700)
    assert size(native, guest, "vdb") == SIZE + 1024


def test_a_volume_that_is_gone_is_named_when_its_guest_is_started(
    files: Any, spawn: Any, driver: Any, run: Any
) -> None:
    volume = files.volume()
    guest = spawn(volumes=[volume], power_on=False).ref
    Path(volume.connection.path).unlink()
    with pytest.raises(VolumeError, match="path is there on the hypervisor's host") as caught:
        run(driver.power_on, guest)
    assert volume.connection.path in caught.value.message


def test_a_volume_that_did_not_grow_cannot_be_seen_larger(
    target: Any, spawn: Any, driver: Any, run: Any, native: Any
) -> None:
    volume = target.volume()
    guest = spawn(volumes=[volume]).ref
    with pytest.raises(VolumeError, match="storage service"):
        run(driver.extend_volume, guest, volume.id, SIZE * 2)
    assert size(native, guest, "vdb") == SIZE


# --- swap -------------------------------------------------------------------------------------------------------------


def test_a_volume_is_swapped(files: Any, target: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    old, new = files.volume(data=DATA), target.volume()
    guest = spawn(volumes=[old]).ref
    (before,) = driver.volumes(guest)
    for _ in range(2):
        after = run(driver.swap_volume, guest, old.id, new)
        assert after == replace(before, id=new.id)
    assert driver.volumes(guest) == (after,)
    assert target.content(new).startswith(DATA)
    assert len(seen.secrets()) == 1
    assert seen.disks(guest)[-1].find("source").get("protocol") == "iscsi"
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.power_on, guest)
    assert driver.volumes(guest) == (after,)
    run(driver.swap_volume, guest, new.id, luks := files.luks())
    assert (driver.volumes(guest)[0].id, driver.volumes(guest)[0].encrypted) == (luks.id, True)
    assert [name.split("/")[-1] for name in seen.secrets()] == [luks.id]


def test_a_volume_of_another_size_is_not_swapped_to(files: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    old, small = files.volume(), files.volume(SIZE // 2)
    guest = spawn(volumes=[old]).ref
    with pytest.raises(VolumeError, match="as large as the old one"):
        run(driver.swap_volume, guest, old.id, small)
    with pytest.raises(VolumeError):
        run(driver.swap_volume, guest, old.id, replace(small, connection=replace(small.connection, path="/nowhere/x")))
    assert [one.id for one in driver.volumes(guest)] == [old.id]
    assert label_of(seen.disks(guest, CONFIG)[-1]) == Label(id=old.id)


@pytest.mark.parametrize("settled", [True, False])
def test_a_larger_volume_is_seen_whole_after_a_start(
    settled: bool, files: Any, target: Any, spawn: Any, driver: Any, run: Any, native: Any, monkeypatch: Any
) -> None:
    """Also if who swapped died right after the guest went over to the new volume."""
    old, new = files.volume(data=DATA), target.volume(SIZE * 2)
    guest = spawn(volumes=[old]).ref
    with monkeypatch.context() as patch:
        if not settled:
            patch.setattr(volume_swap, "end_swap", lambda *_: None)
        assert run(driver.swap_volume, guest, old.id, new).id == new.id
    assert target.content(new).startswith(DATA)
    assert size(native, guest, "vdb") == SIZE
    with pytest.raises(VolumeError, match="stopped and started"):
        run(driver.extend_volume, guest, new.id, SIZE * 2)
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.power_on, guest)
    assert size(native, guest, "vdb") == SIZE * 2
    assert [one.id for one in driver.volumes(guest)] == [new.id]


def test_a_cancelled_swap_stays_on_the_old_volume(
    files: Any, spawn: Any, driver: Any, seen: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(volume_swap, "SPEED", {libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: 1})  # a byte a second
    old, new = files.volume(data=DATA * 10000), files.luks()
    guest = spawn(volumes=[old]).ref
    operation: Operation[Any] = Operation("swap_volume", guest.uuid, timeout=120.0)
    operation.begin()
    op = DriverSide(operation)
    monkeypatch.setattr(op, "progress", lambda done, total: operation.cancel(), raising=False)
    with pytest.raises(Cancelled):
        driver.swap_volume(guest, old.id, new, op)
    assert [one.id for one in driver.volumes(guest)] == [old.id]
    assert seen.disks(guest)[-1].find("mirror") is None
    assert label_of(seen.disks(guest, CONFIG)[-1]) == Label(id=old.id)
    assert seen.secrets() == []
