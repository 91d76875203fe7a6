"""Backups of running guests, whole or what changed since another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.backup import Backup
from nova_virt_api.errors import BackupChainBroken, InstanceNotFound
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_libvirt.backup.points import Points, name_of, point_of
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.backup import BackupPoint, BackupSession, Extent
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_libvirt.backup.sessions import BackupSessions
    from nova_virt_libvirt.domain import Domain


class LibvirtBackup(OnDomains, Backup):
    """The role Backup: libvirt's backups in pull mode, its checkpoints for what changes."""

    backups: BackupSessions

    def begin_backup(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        since: BackupPoint | None = None,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
    ) -> BackupSession:
        domain = self.domains.owned(guest)
        domain.require(PowerState.RUNNING, PowerState.PAUSED)
        return self.backups.begin(domain, op, since, quiesce)

    def backup_extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Sequence[Extent]:
        return self.backups.extents(session, disk_id, offset, length)

    def read_backup(self, session: BackupSession, disk_id: str, offset: int, length: int) -> bytes:
        return self.backups.read(session, disk_id, offset, length)

    def finish_backup(self, guest: InstanceRef, session: BackupSession, op: Operation) -> None:
        self.backups.finish(self._backed_up(guest, session), session)

    def abort_backup(self, guest: InstanceRef, session: BackupSession, op: Operation) -> None:
        self.backups.abort(self._backed_up(guest, session), session, op)

    def backup_points(self, guest: InstanceRef) -> Sequence[BackupPoint]:
        domain = self.domains.owned(guest, *Lifecycle)
        return [point_of(domain.uuid, name) for name in Points(domain.urgent).usable()]

    def forget_backup_point(self, guest: InstanceRef, point: BackupPoint, op: Operation) -> None:
        domain = self.domains.owned(guest, *Lifecycle)
        try:
            name = name_of(domain.uuid, point)
        except BackupChainBroken:  # it is none of this guest, so there is nothing to forget
            return
        with self.backups.alone(domain, op):
            points = Points(domain.native)
            points.discard(name)
            points.sweep()

    def _backed_up(self, guest: InstanceRef, session: BackupSession) -> Domain:
        try:
            return self.domains.owned(guest, *Lifecycle)
        except InstanceNotFound:
            self.backups.drop(session)
            raise
