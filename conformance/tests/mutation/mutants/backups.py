"""Drivers that are wrong about backups."""

from collections.abc import Sequence
from dataclasses import replace

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.backup import READERS
from nova_virt_api.fake.disk_content import content, held, pieces_of
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.backup import BackupPoint, BackupSession, Extent, ExtentKind
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle


class ZerosAreNotTold(FakeDriver):
    """A backup does not tell of what was overwritten with zeros."""

    caught_by = "test_incremental_backup_is_what_changed"

    def backup_extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Sequence[Extent]:
        found = super().backup_extents(session, disk_id, offset, length)
        return [extent for extent in found if extent.kind is ExtentKind.DATA]


class IncrementalTellsEverything(FakeDriver):
    """A backup since a point tells the whole disk."""

    caught_by = "test_incremental_backup_is_what_changed"

    def backup_extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Sequence[Extent]:
        super().backup_extents(session, disk_id, offset, length)
        return [Extent(offset=offset, length=length, kind=ExtentKind.DATA)] if length else []


class BackupGoesWithTheGuest(FakeDriver):
    """A backup reads what is on the disk now, not what was there when it began."""

    caught_by = "test_backup_is_of_one_moment"

    def read_backup(self, session: BackupSession, disk_id: str, offset: int, length: int) -> bytes:
        super().read_backup(session, disk_id, offset, length)
        with self.connection.world.reading() as state:
            _, volume = self._read(state, session, disk_id, offset, length)
            return content(pieces_of(held(volume), volume), offset, length)


class AbortedPointCounts(FakeDriver):
    """The point of an aborted backup counts as if it had been finished."""

    caught_by = "test_aborted_backup_changes_nothing"

    def abort_backup(self, guest: InstanceRef, session: BackupSession, op: Operation) -> None:
        if READERS.get(session.id) is self.connection:
            self.finish_backup(guest, session, op)
        else:
            super().abort_backup(guest, session, op)


class ForgettingOnePointForgetsAll(FakeDriver):
    """Who forgets one point loses the others too."""

    caught_by = "test_forgotten_point_is_gone_and_no_other"

    def forget_backup_point(self, guest: InstanceRef, point: BackupPoint, op: Operation) -> None:
        super().forget_backup_point(guest, point, op)
        with self.connection.world.changing() as state:
            found = self.connection.ready(state, guest, *Lifecycle)
            state.put(replace(found, backups=replace(found.backups, moments=())))
