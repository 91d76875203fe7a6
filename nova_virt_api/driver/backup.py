"""The role of reading a guest's disks as they were at one moment, whole or what changed since another."""

from abc import abstractmethod
from collections.abc import Sequence

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.role import Role
from nova_virt_api.model.backup import BackupPoint, BackupSession, Extent
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.quiesce import Quiesce


class Backup(Role, capability=Capability.BACKUP):
    """Read a guest's disks as they were at one moment, while it goes on. Experimental.

    A backup is begun, read, and finished or aborted. Its point counts from :meth:`finish_backup` on, and later backups
    may be the difference to it until it is forgotten. A backup that is aborted, or whose process dies, changes nothing:
    the points that there were remain as good as before. One that was left behind is ended by whoever begins or aborts
    the next, or destroys the guest.
    """

    @abstractmethod
    def begin_backup(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        since: BackupPoint | None = None,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
    ) -> BackupSession:
        """Hold on to the state of all disks that are the guest's own, at one moment.

        States: READY, RUNNING and PAUSED; also SHUTDOWN with ``Feature.BACKUP_STOPPED``. The guest's state does not
        change. Not idempotent: each call begins another one, and a guest has one at a time. A failed call leaves
        nothing.

        Args:
            guest: the guest.
            op: the operation worked for.
            since: tell only what changed since this point; None for everything. Disks that the guest did not have at
                the point are told whole.
            quiesce: whether its file systems are brought to rest for that moment; REQUIRED needs
                ``Feature.BACKUP_QUIESCE``.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidState: the guest's state does not allow it here.
            BackupChainBroken: what changed since the point is not known, or not any more.
            GuestAgentUnavailable: the file systems must be quiesced, and the agent does not answer.
            StorageError: the guest has no disk that can be backed up, or its storage failed.
            NoCapacity: there is no room for what is overwritten meanwhile.
            Busy: a backup of the guest is under way, or the hypervisor is doing something else with it.
        """

    @abstractmethod
    def backup_extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Sequence[Extent]:
        """What of this range of a disk belongs into the backup, in order and without overlaps.

        What is not told of is as it was at ``since``, or zeros if the disk is told whole. Ends may lie where the
        backend likes, but never beyond the range.

        Args:
            session: the backup, as :meth:`begin_backup` of this connection gave it.
            disk_id: the disk.
            offset: where the range begins, in bytes.
            length: how many bytes it has, at most :data:`~nova_virt_api.model.backup.LONGEST_LOOK`.

        Raises:
            InvalidSpec: no such backup is under way here, it has no such disk, or the range is not in the disk.
            StorageError: it cannot be read any more, e.g. since the guest was stopped; abort it and begin another.
            Timeout: the hypervisor does not answer.
        """

    @abstractmethod
    def read_backup(self, session: BackupSession, disk_id: str, offset: int, length: int) -> bytes:
        """Bytes of a disk as they were at the moment of the backup; exactly as many as asked for.

        Args:
            session: the backup, as :meth:`begin_backup` of this connection gave it.
            disk_id: the disk.
            offset: where to begin, in bytes; any range of the disk may be read, changed or not.
            length: how many bytes, at most :data:`~nova_virt_api.model.backup.LONGEST_READ`.

        Raises:
            InvalidSpec: no such backup is under way here, it has no such disk, or the range is not in the disk.
            StorageError: it cannot be read any more, e.g. since the guest was stopped; abort it and begin another.
            Timeout: the hypervisor does not answer.
        """

    @abstractmethod
    def finish_backup(self, guest: InstanceRef, session: BackupSession, op: Operation) -> None:
        """End a backup that was read to its end: from now on its point counts.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            InvalidSpec: no such backup is under way here.
            StorageError: its storage failed.
            Busy: the hypervisor is doing something else with it.
        """

    @abstractmethod
    def abort_backup(self, guest: InstanceRef, session: BackupSession, op: Operation) -> None:
        """End a backup that is of no use: its point never counts. Idempotent.

        Also ends one whose process is gone.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            StorageError: its storage failed.
            Busy: another process reads it, or the hypervisor is doing something else with the guest.
        """

    @abstractmethod
    def backup_points(self, guest: InstanceRef) -> Sequence[BackupPoint]:
        """The points of this guest that count and are not forgotten, the oldest first.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
        """

    @abstractmethod
    def forget_backup_point(self, guest: InstanceRef, point: BackupPoint, op: Operation) -> None:
        """Keep account no more of what changed since this point. Idempotent; other points stay as good as they were.

        Keeping account costs the endpoint something for each point, so who has a newer one forgets the older.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: the guest is not owned by this connection.
            StorageError: its storage failed.
            Busy: a backup of the guest is under way, or the hypervisor is doing something else with it.
        """
