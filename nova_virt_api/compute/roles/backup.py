"""Reading guests' disks as they were at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.capability import Feature
from nova_virt_api.compute import admission
from nova_virt_api.compute.face import AsyncFace, ComputeFace, SubmitFace, reference
from nova_virt_api.compute.guard import guarded
from nova_virt_api.compute.operation import Operation, outcome_of
from nova_virt_api.driver.backup import Backup
from nova_virt_api.model.backup import LARGEST_DISK, LONGEST_LOOK, LONGEST_READ, BackupPoint, BackupSession
from nova_virt_api.model.check import check_integer, check_text
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.face import GuestLike, OnProgress
    from nova_virt_api.model.backup import Extent


class SubmitBackup(SubmitFace):
    """Begin and end backups."""

    def begin_backup(
        self,
        guest: GuestLike,
        *,
        since: BackupPoint | None = None,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[BackupSession]:
        """See :meth:`nova_virt_api.driver.backup.Backup.begin_backup`."""
        ref = reference(guest)
        if since is not None:
            admission.check_kind("since", since, BackupPoint)
        admission.check_kind("quiesce", quiesce, Quiesce)
        role = self._role("begin_backup", ref, Backup)
        if quiesce is Quiesce.REQUIRED:
            feature = Feature.BACKUP_QUIESCE
            guarded("begin_backup", ref, lambda: admission.admit_feature(self._driver, feature, "quiesce"))
        operation = Operation[BackupSession]("begin_backup", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.begin_backup(ref, op, since=since, quiesce=quiesce))

    def finish_backup(
        self, session: BackupSession, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.backup.Backup.finish_backup`."""
        ref = guest_of(session)
        role = self._role("finish_backup", ref, Backup)
        operation = Operation[None]("finish_backup", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.finish_backup(ref, session, op))

    def abort_backup(
        self, session: BackupSession, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.backup.Backup.abort_backup`."""
        ref = guest_of(session)
        role = self._role("abort_backup", ref, Backup)
        operation = Operation[None]("abort_backup", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.abort_backup(ref, session, op))

    def forget_backup_point(
        self,
        guest: GuestLike,
        point: BackupPoint,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Operation[None]:
        """See :meth:`nova_virt_api.driver.backup.Backup.forget_backup_point`."""
        ref = reference(guest)
        admission.check_kind("point", point, BackupPoint)
        role = self._role("forget_backup_point", ref, Backup)
        operation = Operation[None]("forget_backup_point", ref.uuid, timeout=timeout, on_progress=on_progress)
        return self._start(operation, lambda op: role.forget_backup_point(ref, point, op))


class ComputeBackup(ComputeFace):
    """Read guests' disks as they were at one moment, whole or what changed since another."""

    def begin_backup(
        self,
        guest: GuestLike,
        *,
        since: BackupPoint | None = None,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> BackupSession:
        """Hold on to the state of all of a guest's disks at one moment, until the backup is finished or aborted.

        Args:
            guest: the guest.
            since: tell only what changed since this point; None for everything.
            quiesce: whether its file systems are brought to rest for that moment.
            timeout: seconds until the deadline.
            on_progress: called whenever stage or progress changed.
        """
        operation = self.submit.begin_backup(
            guest, since=since, quiesce=quiesce, timeout=timeout, on_progress=on_progress
        )
        return outcome_of(operation)

    def backup_extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Sequence[Extent]:
        """What of this range of a disk belongs into the backup; what is not told of did not change, or is zeros.

        Args:
            session: the backup.
            disk_id: the id of one of its disks.
            offset: where the range begins, in bytes.
            length: how many bytes it has.
        """
        check_range(disk_id, offset, length, LONGEST_LOOK)
        return self._read_role(
            "backup_extents",
            guest_of(session),
            Backup,
            lambda role: role.backup_extents(session, disk_id, offset, length),
        )

    def read_backup(self, session: BackupSession, disk_id: str, offset: int, length: int) -> bytes:
        """Bytes of a disk as they were at the moment of the backup.

        Args:
            session: the backup.
            disk_id: the id of one of its disks.
            offset: where to begin, in bytes.
            length: how many bytes.
        """
        check_range(disk_id, offset, length, LONGEST_READ)
        return self._read_role(
            "read_backup", guest_of(session), Backup, lambda role: role.read_backup(session, disk_id, offset, length)
        )

    def finish_backup(
        self, session: BackupSession, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """End a backup that was read to its end: from now on its point counts."""
        outcome_of(self.submit.finish_backup(session, timeout=timeout, on_progress=on_progress))

    def abort_backup(
        self, session: BackupSession, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """End a backup that is of no use: its point never counts."""
        outcome_of(self.submit.abort_backup(session, timeout=timeout, on_progress=on_progress))

    def backup_points(self, guest: GuestLike) -> Sequence[BackupPoint]:
        """The points that later backups of a guest can be the difference to, the oldest first."""
        ref = reference(guest)
        return self._read_role("backup_points", ref, Backup, lambda role: role.backup_points(ref))

    def forget_backup_point(
        self,
        guest: GuestLike,
        point: BackupPoint,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Keep account no more of what changed since a point."""
        outcome_of(self.submit.forget_backup_point(guest, point, timeout=timeout, on_progress=on_progress))


class AsyncBackup(AsyncFace):
    """Read guests' disks as they were at one moment, awaitable."""

    async def begin_backup(
        self,
        guest: GuestLike,
        *,
        since: BackupPoint | None = None,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> BackupSession:
        """See :meth:`Compute.begin_backup`."""
        submit = self.compute.submit
        return await self._outcome(
            lambda: submit.begin_backup(guest, since=since, quiesce=quiesce, timeout=timeout, on_progress=on_progress)
        )

    async def backup_extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Sequence[Extent]:
        """See :meth:`Compute.backup_extents`."""
        return await self._read(lambda: self.compute.backup_extents(session, disk_id, offset, length))

    async def read_backup(self, session: BackupSession, disk_id: str, offset: int, length: int) -> bytes:
        """See :meth:`Compute.read_backup`."""
        return await self._read(lambda: self.compute.read_backup(session, disk_id, offset, length))

    async def finish_backup(
        self, session: BackupSession, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.finish_backup`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.finish_backup(session, timeout=timeout, on_progress=on_progress))

    async def abort_backup(
        self, session: BackupSession, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """See :meth:`Compute.abort_backup`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.abort_backup(session, timeout=timeout, on_progress=on_progress))

    async def backup_points(self, guest: GuestLike) -> Sequence[BackupPoint]:
        """See :meth:`Compute.backup_points`."""
        return await self._read(lambda: self.compute.backup_points(guest))

    async def forget_backup_point(
        self,
        guest: GuestLike,
        point: BackupPoint,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """See :meth:`Compute.forget_backup_point`."""
        submit = self.compute.submit
        await self._outcome(lambda: submit.forget_backup_point(guest, point, timeout=timeout, on_progress=on_progress))


def guest_of(session: BackupSession) -> InstanceRef:
    """The guest that is backed up.

    Raises:
        InvalidSpec: this is no backup.
    """
    admission.check_kind("session", session, BackupSession)
    return InstanceRef(uuid=session.guest)


def check_range(disk_id: str, offset: int, length: int, longest: int) -> None:
    """Refuse what is no range of a disk.

    Raises:
        InvalidSpec: one of them is no number, or negative, or too large.
    """
    check_text("disk_id", disk_id, 255)
    check_integer("offset", offset, 0, LARGEST_DISK, "bytes")
    check_integer("length", length, 0, longest, "bytes")
