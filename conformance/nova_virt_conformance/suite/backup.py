"""Backups: what was on a guest's disks at one moment, whole, or what changed since another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from nova_virt_api.backups import restore_backup, write_backup
from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.backup import Backup
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import BackupChainBroken, GuestAgentUnavailable, InvalidSpec, InvalidState
from nova_virt_api.model.backup import BackupPoint, BackupSession, ExtentKind
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.units import KiB, MiB
from nova_virt_conformance.aftermath import leaving_as_is, leaving_nothing
from nova_virt_conformance.backup_provocations import under_way
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.inhabited import left_writing
from nova_virt_conformance.lab import SMALL_DISK, Lab
from nova_virt_conformance.verb import SHUTDOWN, shown

if TYPE_CHECKING:
    from nova_virt_api.compute.compute import Compute

EARLY, LATE, OTHER = KiB(512), KiB(1536), KiB(1024)
"""Places on a disk that are far apart."""

LENGTH: Final = KiB(64)
CHUNK: Final = MiB(1)
LITTLE: Final = MiB(1)
"""The most that a backend may tell of when :func:`write` was called twice."""


def write(lab: Lab, guest: Instance, offset: int, byte: int) -> None:
    """Let the guest write to its boot disk."""
    lab.rig.fill(guest, offset, LENGTH, byte)


def begin(lab: Lab, guest: Instance, since: BackupPoint | None = None) -> BackupSession:
    """Begin a backup."""
    return lab.compute.begin_backup(guest, since=since, quiesce=Quiesce.NO, timeout=lab.patience)


def finished(lab: Lab, guest: Instance, since: BackupPoint | None = None) -> BackupPoint:
    """Make a backup of which nothing is read; its point."""
    session = begin(lab, guest, since)
    lab.compute.finish_backup(session, timeout=lab.patience)
    return session.point


def content(compute: Compute, session: BackupSession, base: bytes = b"") -> bytes:
    """The boot disk as a backup tells of it, put upon an older content if it tells only what changed."""
    disk = session.disks[0]
    found = bytearray(base[: disk.size_bytes].ljust(disk.size_bytes, b"\0"))
    end = 0
    for extent in compute.backup_extents(session, disk.id, 0, disk.size_bytes):
        assert extent.offset >= end, "extents overlap or are out of order"
        end = extent.offset + extent.length
        assert end <= disk.size_bytes, "an extent lies beyond the disk"
        for offset in range(extent.offset, end, CHUNK):
            length = min(CHUNK, end - offset)
            data = compute.read_backup(session, disk.id, offset, length)
            assert len(data) == length
            assert extent.kind is ExtentKind.DATA or not any(data), "an extent of zeros holds something else"
            found[offset : offset + length] = data
    return bytes(found)


def told_bytes(compute: Compute, session: BackupSession) -> int:
    """How much of the boot disk a backup tells of."""
    disk = session.disks[0]
    return sum(extent.length for extent in compute.backup_extents(session, disk.id, 0, disk.size_bytes))


def is_filled(data: bytes, offset: int, byte: int) -> bool:
    """Whether a disk's content has what :func:`write` wrote."""
    return data[offset : offset + LENGTH] == bytes([byte]) * LENGTH


# --- what is read -----------------------------------------------------------------------------------------------------


@needs(Feature.BLANK_DISK)
@covers(Capability.BACKUP, Backup.begin_backup, Backup.backup_extents, Backup.read_backup, Backup.finish_backup)
def test_full_backup_is_the_disk(lab: Lab, running: Instance) -> None:
    """A full backup tells all that is on the disk, of its real size; the guest does not notice."""
    write(lab, running, EARLY, 0x11)
    write(lab, running, LATE, 0x22)
    session = begin(lab, running)
    assert session.guest == running.uuid
    assert not any(disk.incremental for disk in session.disks)
    assert not session.quiesced
    data = content(lab.compute, session)
    assert len(data) == SMALL_DISK
    assert is_filled(data, EARLY, 0x11)
    assert is_filled(data, LATE, 0x22)
    lab.compute.finish_backup(session, timeout=lab.patience)
    assert list(lab.compute.backup_points(running)) == [session.point]
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


@covers(Capability.BACKUP, Backup.begin_backup, Backup.read_backup)
def test_backup_is_of_one_moment(lab: Lab, running: Instance) -> None:
    """What the guest writes after a backup began is not in it, but in the next."""
    write(lab, running, EARLY, 0x11)
    with under_way(lab, lab.compute, running) as session:
        write(lab, running, EARLY, 0x33)
        write(lab, running, OTHER, 0x44)
        data = content(lab.compute, session)
        assert is_filled(data, EARLY, 0x11)
        assert is_filled(lab.compute.read_backup(session, session.disks[0].id, OTHER, LENGTH), 0, 0)
    with under_way(lab, lab.compute, running) as session:
        data = content(lab.compute, session)
        assert is_filled(data, EARLY, 0x33)
        assert is_filled(data, OTHER, 0x44)


@covers(Capability.BACKUP, Backup.begin_backup, Backup.backup_extents, Backup.read_backup)
def test_incremental_backup_is_what_changed(lab: Lab, running: Instance) -> None:
    """A backup since a point tells what changed since, zeros too, and little more; both together are the disk."""
    for place, byte in ((EARLY, 0x11), (LATE, 0x22), (OTHER, 0x33)):
        write(lab, running, place, byte)
    first = begin(lab, running)
    base = content(lab.compute, first)
    write(lab, running, LATE, 0x44)
    lab.compute.finish_backup(first, timeout=lab.patience)
    write(lab, running, OTHER, 0)
    second = begin(lab, running, first.point)
    assert all(disk.incremental for disk in second.disks)
    assert 2 * LENGTH <= told_bytes(lab.compute, second) <= LITTLE, "that is not what changed"
    data = content(lab.compute, second, base)
    assert is_filled(data, EARLY, 0x11), "what did not change is lost"
    assert is_filled(data, LATE, 0x44), "what was written during the earlier backup is lost"
    assert is_filled(data, OTHER, 0), "what was overwritten with zeros is still there"
    lab.compute.abort_backup(second, timeout=lab.patience)
    with under_way(lab, lab.compute, running) as whole:
        assert content(lab.compute, whole) == data


@covers(Capability.BACKUP, Backup.begin_backup, Backup.backup_extents)
def test_nothing_changed(lab: Lab, running: Instance) -> None:
    """A guest that wrote nothing since a point has nothing to tell."""
    write(lab, running, EARLY, 0x11)
    point = finished(lab, running)
    session = begin(lab, running, point)
    assert told_bytes(lab.compute, session) == 0
    lab.compute.finish_backup(session, timeout=lab.patience)


@covers(Capability.BACKUP, Backup.begin_backup, Driver.power_off, Driver.power_on)
def test_changes_are_known_after_a_restart(lab: Lab, running: Instance) -> None:
    """A guest that was stopped and started since a point still knows what changed, before and after."""
    point = finished(lab, running)
    write(lab, running, EARLY, 0x11)
    lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
    assert list(lab.second.backup_points(running)) == [point]
    lab.compute.power_on(running, timeout=lab.patience)
    write(lab, running, LATE, 0x22)
    with_changes = begin(lab, running, point)
    data = content(lab.compute, with_changes)
    assert is_filled(data, EARLY, 0x11)
    assert is_filled(data, LATE, 0x22)
    assert told_bytes(lab.compute, with_changes) <= LITTLE
    lab.compute.finish_backup(with_changes, timeout=lab.patience)


@covers(Capability.BACKUP, Backup.begin_backup, Backup.finish_backup)
def test_backup_is_written_and_restored(lab: Lab, running: Instance, tmp_path: Path) -> None:
    """A full and an incremental backup in a directory give back the disk as it was at each of them."""
    write(lab, running, EARLY, 0x11)
    write(lab, running, LATE, 0x22)
    full = write_backup(lab.compute, running, tmp_path / "backups", quiesce=Quiesce.NO, timeout=lab.patience)
    write(lab, running, LATE, 0x33)
    write(lab, running, OTHER, 0x44)
    with under_way(lab, lab.compute, running) as whole:
        now = content(lab.compute, whole)
    changed = write_backup(lab.compute, running, tmp_path / "backups", quiesce=Quiesce.NO, timeout=lab.patience)
    assert (full.manifest.kind, changed.manifest.kind) == ("full", "incremental")
    assert list(lab.compute.backup_points(running)) == [changed.manifest.point], "older points are not forgotten"
    then = restored(tmp_path, 1)
    assert is_filled(then, EARLY, 0x11)
    assert is_filled(then, LATE, 0x22)
    assert is_filled(then, OTHER, 0)
    assert restored(tmp_path, 2) == now


def restored(directory: Path, number: int) -> bytes:
    """The boot disk of a backup."""
    target = directory / f"restored-{number}"
    return Path(
        restore_backup(directory / "backups", target, number=number, image_format=ImageFormat.RAW)[0].ref
    ).read_bytes()


# --- points -----------------------------------------------------------------------------------------------------------


@covers(Capability.BACKUP, Backup.abort_backup, Backup.backup_points)
def test_aborted_backup_changes_nothing(lab: Lab, running: Instance) -> None:
    """The point of an aborted backup never counts, and what changed since the one before is as well known as it was."""
    write(lab, running, EARLY, 0x11)
    point = finished(lab, running)
    write(lab, running, LATE, 0x22)
    aborted = begin(lab, running, point)
    write(lab, running, OTHER, 0x33)
    for _ in range(2):
        lab.compute.abort_backup(aborted, timeout=lab.patience)
    assert list(lab.compute.backup_points(running)) == [point]
    with pytest.raises(BackupChainBroken):
        begin(lab, running, aborted.point)
    with pytest.raises(InvalidSpec):
        lab.compute.finish_backup(aborted, timeout=lab.patience)
    session = begin(lab, running, point)
    data = content(lab.compute, session)
    assert is_filled(data, LATE, 0x22)
    assert is_filled(data, OTHER, 0x33)
    lab.compute.finish_backup(session, timeout=lab.patience)


@covers(Capability.BACKUP, Backup.forget_backup_point, Backup.backup_points)
def test_forgotten_point_is_gone_and_no_other(lab: Lab, running: Instance) -> None:
    """A forgotten point is good for nothing; those before and after it are as good as they were."""
    points: list[BackupPoint] = []
    for place, byte in ((EARLY, 0x11), (LATE, 0x22), (OTHER, 0x33)):
        points.append(finished(lab, running))
        write(lab, running, place, byte)
    assert list(lab.second.backup_points(running)) == points
    for _ in range(2):
        lab.compute.forget_backup_point(running, points[1], timeout=lab.patience)
    assert list(lab.second.backup_points(running)) == [points[0], points[2]]
    with pytest.raises(BackupChainBroken):
        begin(lab, running, points[1])
    for point, places in ((points[0], {EARLY: 0x11, LATE: 0x22, OTHER: 0x33}), (points[2], {EARLY: 0, OTHER: 0x33})):
        session = begin(lab, running, point)
        data = content(lab.compute, session)
        assert all(is_filled(data, *place) for place in places.items()), f"what changed since {point} is lost"
        lab.compute.abort_backup(session, timeout=lab.patience)
    for point in points:
        lab.compute.forget_backup_point(running, point, timeout=lab.patience)
    assert not lab.compute.backup_points(running)


@covers(Capability.BACKUP, Backup.begin_backup)
def test_point_is_good_for_its_guest_only(lab: Lab, running: Instance) -> None:
    """Another guest's point is no point of this guest."""
    point = finished(lab, lab.guest(PowerState.RUNNING))
    with pytest.raises(BackupChainBroken):
        begin(lab, running, point)
    lab.compute.forget_backup_point(running, point, timeout=lab.patience)
    assert not lab.compute.backup_points(running)


# --- what is left -----------------------------------------------------------------------------------------------------


@covers(Capability.BACKUP, Backup.begin_backup, Backup.finish_backup, Backup.abort_backup, Backup.forget_backup_point)
def test_backups_leave_nothing(lab: Lab, running: Instance) -> None:
    """A backup that is over, and whose point is forgotten, leaves nothing and has changed nothing of the guest."""
    with leaving_nothing(lab, "the backups"), leaving_as_is(lab, running.uuid, "the backups"):
        lab.compute.forget_backup_point(running, finished(lab, running), timeout=lab.patience)
        lab.compute.abort_backup(begin(lab, running), timeout=lab.patience)
        with pytest.raises(BackupChainBroken):
            begin(lab, running, BackupPoint("conformance-not-there"))


@covers(Capability.BACKUP, Backup.begin_backup, Driver.destroy)
def test_guest_is_destroyed_during_a_backup(lab: Lab) -> None:
    """A guest that is destroyed while it is backed up takes all of the backup along."""
    with leaving_nothing(lab, "a guest's life"):
        guest = lab.guest(PowerState.RUNNING)
        finished(lab, guest)
        with under_way(lab, lab.compute, guest):
            lab.second.destroy(guest, timeout=lab.patience)


@covers(Capability.BACKUP, Backup.begin_backup)
def test_backup_of_a_closed_connection_is_over(lab: Lab, running: Instance) -> None:
    """A backup that was left behind hinders nobody: the next one ends it, and the point before is as good as it was."""
    point = finished(lab, running)
    write(lab, running, EARLY, 0x11)
    leaving = lab.connect()
    left = leaving.begin_backup(running, since=point, quiesce=Quiesce.NO, timeout=lab.patience)
    lab.disconnect(leaving)
    session = begin(lab, running, point)
    assert is_filled(content(lab.compute, session), EARLY, 0x11)
    lab.compute.finish_backup(session, timeout=lab.patience)
    assert list(lab.compute.backup_points(running)) == [point, session.point]
    with pytest.raises(InvalidSpec):
        lab.compute.finish_backup(left, timeout=lab.patience)


@covers(Capability.BACKUP, Backup.backup_extents, Backup.read_backup)
def test_only_who_began_a_backup_reads_it(lab: Lab, running: Instance) -> None:
    """A backup is read by the connection that began it, while it is under way, within its disks."""
    with under_way(lab, lab.compute, running) as session:
        disk = session.disks[0]
        for compute, offset in ((lab.second, 0), (lab.compute, disk.size_bytes)):
            with pytest.raises(InvalidSpec):
                compute.read_backup(session, disk.id, offset, 512)
            with pytest.raises(InvalidSpec):
                compute.backup_extents(session, disk.id, offset, 512)
        assert not lab.compute.backup_extents(session, disk.id, disk.size_bytes, 0)
    with pytest.raises(InvalidSpec):
        lab.compute.read_backup(session, disk.id, 0, 512)


# --- rest and power ---------------------------------------------------------------------------------------------------


@covers(Capability.BACKUP, Feature.BACKUP_STOPPED, Backup.begin_backup)
def test_backup_of_a_stopped_guest(lab: Lab, stopped: Instance) -> None:
    """Where it is declared, a guest that is off is backed up as well, and stays off."""
    point = finished(lab, stopped)
    session = begin(lab, stopped, point)
    assert told_bytes(lab.compute, session) == 0
    lab.compute.finish_backup(session, timeout=lab.patience)
    assert shown(lab.compute.instance(stopped, fresh=True)) == shown(stopped)


@covers(Capability.BACKUP, Backup.begin_backup)
def test_stopped_guest_is_refused_or_backed_up(lab: Lab, stopped: Instance) -> None:
    """A guest that is off can be backed up where that is declared, and nowhere else."""
    if lab.compute.capabilities().has(Feature.BACKUP_STOPPED):
        lab.compute.abort_backup(begin(lab, stopped), timeout=lab.patience)
        return
    with pytest.raises(InvalidState):
        begin(lab, stopped)
    assert lab.compute.instance(stopped, fresh=True).power_state is SHUTDOWN


@covers(Capability.BACKUP, Feature.BACKUP_QUIESCE, Backup.begin_backup)
@needs(Feature.GUEST_QUIESCE)
def test_guest_writes_on_after_a_quiesced_backup(lab: Lab) -> None:
    """A guest is at rest for the moment of a backup only, and the backup says that it was."""
    with left_writing(lab) as living:
        session = lab.compute.begin_backup(living.guest, quiesce=Quiesce.REQUIRED, timeout=lab.patience)
        assert session.quiesced
        living.check_writes()
        lab.compute.finish_backup(session, timeout=lab.patience)
        lab.compute.forget_backup_point(living.guest, session.point, timeout=lab.patience)


@covers(Capability.BACKUP, Feature.BACKUP_QUIESCE, Backup.begin_backup)
def test_backup_that_cannot_be_at_rest(lab: Lab, running: Instance) -> None:
    """Without an agent a backup is begun if rest is not required, and says so; if it is, nothing is left."""
    with lab.rig.without_agent(running), leaving_nothing(lab, "the backups"):
        with pytest.raises(GuestAgentUnavailable):
            lab.compute.begin_backup(running, quiesce=Quiesce.REQUIRED, timeout=lab.patience)
        session = lab.compute.begin_backup(running, timeout=lab.patience)
        assert not session.quiesced
        lab.compute.abort_backup(session, timeout=lab.patience)
