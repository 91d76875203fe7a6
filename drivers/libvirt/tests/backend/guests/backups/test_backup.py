"""Backups of real guests: read, and what becomes of them when something dies in between."""

import itertools
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import BackupChainBroken, Busy, InstanceNotFound, InvalidSpec, StorageError, Timeout
from nova_virt_api.model.backup import BackupSession, ExtentKind
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.units import KiB, MiB
from nova_virt_libvirt.backup import socket as backup_socket
from nova_virt_libvirt.rig.processes import process_of, standing_still

LENGTH = KiB(64)
PLACES = (MiB(1), MiB(2), MiB(3))


def changed(driver: Any, session: BackupSession) -> list[tuple[int, int, ExtentKind]]:
    """What a backup tells of the boot disk."""
    disk = session.disks[0]
    return [(one.offset, one.length, one.kind) for one in driver.backup_extents(session, disk.id, 0, disk.size_bytes)]


def data_at(*offsets: int) -> list[tuple[int, int, ExtentKind]]:
    return [(offset, LENGTH, ExtentKind.DATA) for offset in offsets]


def checkpoints(native: Any, guest: InstanceRef) -> list[str]:
    return [point.getName() for point in native.lookupByUUID(guest.uuid.bytes).listAllCheckpoints(0)]


def bitmaps(daemon: Any, guest: InstanceRef) -> list[str]:
    """What is noted in the boot disk of a guest that is off."""
    path = Path(daemon.directory) / "images" / f"{guest.uuid}.disk0.qcow2"
    told = subprocess.run(["qemu-img", "info", "--output=json", str(path)], capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)["format-specific"]["data"].get("bitmaps", [])
    return [bitmap["name"] for bitmap in found]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_independent_reader_sees_the_same(guest: Any, write: Any, begin: Any, backups: Any, sockets: Path) -> None:
    write(guest, PLACES[0], 7)
    session = begin(guest)
    write(guest, PLACES[0], 8)
    (socket,) = sockets.iterdir()
    assert socket.stat().st_mode & 0o002 == 0, "everybody may read the guest's disks"
    told = subprocess.run(
        ["nbdcopy", f"nbd+unix:///vda?socket={socket}", "-"], capture_output=True, timeout=60, check=True
    ).stdout
    assert told == backups.read_backup(session, "vda", 0, MiB(16))
    assert told[PLACES[0] : PLACES[0] + LENGTH] == b"\7" * LENGTH
    assert changed(backups, session) == data_at(PLACES[0])


def test_backup_outlives_a_restart_of_libvirtd(
    guest: Any, write: Any, begin: Any, finished: Any, backups: Any, run: Any, daemon: Any, raw: Any
) -> None:
    point = finished(guest)
    write(guest, PLACES[0], 1)
    session = begin(guest, point)
    daemon.do("restart")
    write(guest, PLACES[1], 2)
    assert changed(backups, session) == data_at(PLACES[0])
    assert backups.read_backup(session, "vda", PLACES[0], 2) == b"\1\1"
    run(backups.finish_backup, guest, session)
    assert backups.backup_points(guest) == [point, session.point]
    daemon.do("restart")
    last = begin(guest, session.point)
    assert changed(backups, last) == data_at(PLACES[1])
    run(backups.abort_backup, guest, last)
    kept = {str(each).rpartition(":")[2] for each in (point, session.point)}
    assert set(checkpoints(raw(), guest)) == kept  # libvirt tells of them in no order after a restart


def test_guest_that_stops_during_a_backup(
    guest: Any, write: Any, begin: Any, finished: Any, backups: Any, run: Any, daemon: Any, traces: Any
) -> None:
    before = traces.volumes(guest.uuid)
    point = finished(guest)
    write(guest, PLACES[0], 1)
    session = begin(guest, point)
    run(backups.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    with pytest.raises(StorageError, match="cannot be read any more"):
        backups.read_backup(session, "vda", 0, 512)
    run(backups.abort_backup, guest, session)
    assert traces.volumes(guest.uuid) == before
    assert backups.backup_points(guest) == [point]
    assert len(bitmaps(daemon, guest)) == 2  # only a guest that runs can be rid of what was noted
    run(backups.power_on, guest)
    again = begin(guest, point)
    assert changed(backups, again) == data_at(PLACES[0])
    run(backups.finish_backup, guest, again)
    run(backups.forget_backup_point, guest, point)
    run(backups.forget_backup_point, guest, again.point)
    run(backups.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    assert bitmaps(daemon, guest) == []


def test_guest_that_stops_before_the_end_is_finished(
    guest: Any, write: Any, begin: Any, backups: Any, run: Any, native: Any
) -> None:
    session = begin(guest)
    native.lookupByUUID(guest.uuid.bytes).destroy()
    run(backups.finish_backup, guest, session)
    run(backups.power_on, guest)
    write(guest, PLACES[2], 1)
    assert changed(backups, begin(guest, session.point)) == data_at(PLACES[2])


def test_guest_destroyed_during_a_backup(guest: Any, begin: Any, backups: Any, run: Any, traces: Any) -> None:
    session = begin(guest)
    assert run(backups.destroy, guest)
    assert traces.of(guest.uuid) == []
    for end in (backups.finish_backup, backups.abort_backup):
        with pytest.raises(InstanceNotFound):
            run(end, guest, session)
    with pytest.raises(InvalidSpec):
        backups.read_backup(session, "vda", 0, 512)


def test_silent_qemu_holds_up_nobody_else(
    guest: Any, begin: Any, backups: Any, spawn: Any, make_spec: Any, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_socket, "PATIENCE", 0.5)
    session = begin(guest)
    with standing_still(guest.uuid):
        with pytest.raises(Timeout, match="does not answer"):
            backups.read_backup(session, "vda", 0, 512)
        other = spawn(make_spec(power_on=True), by=backups).ref
        assert begin(other).guest == other.uuid


# --- chains that break ------------------------------------------------------------------------------------------------


def test_lost_bitmap_breaks_the_chain(
    guest: Any, begin: Any, finished: Any, backups: Any, run: Any, native: Any, daemon: Any
) -> None:
    point = finished(guest)
    native.lookupByUUID(guest.uuid.bytes).destroy()
    path = Path(daemon.directory) / "images" / f"{guest.uuid}.disk0.qcow2"
    (name,) = bitmaps(daemon, guest)
    subprocess.run(["qemu-img", "bitmap", "--remove", str(path), name], check=True)
    run(backups.power_on, guest)
    with pytest.raises(BackupChainBroken) as caught:
        begin(guest, point)
    assert "full backup" in caught.value.hint
    assert not begin(guest).disks[0].incremental


def test_killed_qemu_breaks_the_chain(
    guest: Any, write: Any, begin: Any, finished: Any, backups: Any, run: Any
) -> None:
    """QEMU writes what it noted when it ends in order; one that was killed has not, and says so."""
    point = finished(guest)
    write(guest, PLACES[0], 1)
    os.kill(process_of(guest.uuid), signal.SIGKILL)
    run(backups.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(backups.power_on, guest)
    with pytest.raises(BackupChainBroken):
        begin(guest, point)


def test_new_disk_is_told_whole(guest: Any, begin: Any, finished: Any, backups: Any, run: Any, native: Any) -> None:
    point = finished(guest)
    pool = native.storagePoolLookupByName("nova-virt")
    name = f"{guest.uuid}.disk2.qcow2"
    volume = pool.createXML(
        etree.tostring(
            E.volume(E.name(name), E.capacity(str(MiB(4))), E.target(E.format(type="qcow2"), E.compat("1.1"))),
            encoding="unicode",
        ),
        0,
    )
    disk = E.disk(
        E.driver(name="qemu", type="qcow2"),
        E.source(file=volume.path()),
        E.target(dev="sdz", bus="usb"),
        type="file",
        device="disk",
    )
    domain = native.lookupByUUID(guest.uuid.bytes)
    domain.attachDeviceFlags(etree.tostring(disk, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    session = begin(guest, point)
    assert {disk.id: disk.incremental for disk in session.disks} == {"vda": True, "vdb": True, "sdz": False}
    run(backups.finish_backup, guest, session)
    assert all(disk.incremental for disk in begin(guest, session.point).disks)


# --- those who are gone -----------------------------------------------------------------------------------------------


def test_foreign_backup_is_left_alone(guest: Any, begin: Any, native: Any, sockets: Path, daemon: Any) -> None:
    domain = native.lookupByUUID(guest.uuid.bytes)
    foreign = E.domainbackup(E.server(transport="unix", socket=str(sockets / "other.sock")), mode="pull")
    domain.backupBegin(etree.tostring(foreign, encoding="unicode"), None, 0)
    with pytest.raises(Busy, match="another program"):
        begin(guest)
    assert domain.backupGetXMLDesc(0), "the other program's backup was ended"
    domain.abortJob()


@pytest.mark.timeout(300)
def test_backup_killed_anywhere_hinders_nobody(
    guest: Any, write: Any, begin: Any, backups: Any, run: Any, processes: Any, sockets: Path, traces: Any
) -> None:
    first = begin(guest)
    run(backups.finish_backup, guest, first)
    point = first.point
    before = traces.volumes(guest.uuid)
    for number in itertools.count(1):
        place = PLACES[number % 3]
        write(guest, place, number)
        died = processes.dies("back_up", guest.uuid, number, sockets=str(sockets), since=str(point))
        assert backups.backup_points(guest)[0] == point, number
        session = begin(guest, point)
        assert place in {one[0] for one in changed(backups, session)}, number
        assert backups.read_backup(session, "vda", place, 1) == bytes([number]), number
        run(backups.abort_backup, guest, session)
        for extra in backups.backup_points(guest)[1:]:  # it died after its backup counted
            run(backups.forget_backup_point, guest, extra)
        assert traces.volumes(guest.uuid) == before, number
        if not died:
            break
    assert number > 6
    run(backups.forget_backup_point, guest, point)


@pytest.mark.parametrize("on", [True, False])
def test_released_guest_keeps_no_points(
    on: bool, guest: Any, finished: Any, backups: Any, run: Any, native: Any, daemon: Any
) -> None:
    """Neither in its definition nor at libvirt, which would not let somebody else undefine it."""
    finished(guest, finished(guest))
    if not on:
        run(backups.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(backups.release, guest)
    domain = native.lookupByUUID(guest.uuid.bytes)
    for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE):
        assert "nova-virt.org" not in domain.XMLDesc(flags)
    assert checkpoints(native, guest) == []
    if on:
        domain.destroy()
        assert bitmaps(daemon, guest) == []
    run(backups.adopt, guest)  # destroyed by the fixture


def test_guest_that_is_backed_up_is_not_released(guest: Any, begin: Any, backups: Any, run: Any) -> None:
    session = begin(guest)
    with pytest.raises(Busy, match="backup of the guest is under way"):
        run(backups.release, guest)
    run(backups.finish_backup, guest, session)
    assert backups.backup_points(guest) == [session.point]


def test_points_that_libvirt_lost_do_not_count(
    guest: Any, begin: Any, finished: Any, backups: Any, run: Any, native: Any
) -> None:
    """As on the host that a guest has migrated to."""
    points = [finished(guest), finished(guest)]
    first = native.lookupByUUID(guest.uuid.bytes).checkpointLookupByName(str(points[0]).rpartition(":")[2], 0)
    first.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)
    assert backups.backup_points(guest) == points[1:]
    with pytest.raises(BackupChainBroken):
        begin(guest, points[0])
    run(backups.abort_backup, guest, begin(guest))
    assert str(points[0]).rpartition(":")[2] not in native.lookupByUUID(guest.uuid.bytes).XMLDesc(0)
    assert backups.backup_points(guest) == points[1:]
