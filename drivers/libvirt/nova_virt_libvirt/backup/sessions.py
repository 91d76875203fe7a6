"""The backups that this process reads: begun, read, ended."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import Busy, InvalidSpec, StateAfter, StorageError, Timeout, VirtError
from nova_virt_api.model.backup import BackupSession, Extent, ExtentKind
from nova_virt_api.model.record import Record
from nova_virt_api.toolkit.nbd import NbdError, NbdSilence
from nova_virt_libvirt.backup.begin import Beginning
from nova_virt_libvirt.backup.job import clear_up, refuse_foreign
from nova_virt_libvirt.backup.points import Points
from nova_virt_libvirt.claims.records import UNKNOWN_HOLDER, Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import backup_key
from nova_virt_libvirt.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.backup import BackupPoint
    from nova_virt_api.model.quiesce import Quiesce
    from nova_virt_api.toolkit.nbd import Export, Stretch
    from nova_virt_libvirt.agent.guest_agent import GuestAgent
    from nova_virt_libvirt.backup.begin import OpenBackup
    from nova_virt_libvirt.backup.socket import BackupSockets
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site

UNUSABLE: Final = "abort this backup and begin another; if the guest was stopped, start it first"
ZERO: Final = 2
"""The flag of ``base:allocation`` for what reads as zeros."""


class BackupSessions:
    """All backups that one driver has begun and not ended. Thread-safe.

    Args:
        site: the endpoint.
        sockets: where QEMU may be read.
        agent: gives a guest's agent.
    """

    def __init__(self, site: Site, sockets: BackupSockets, agent: Callable[[Domain], GuestAgent]) -> None:
        self._site = site
        self._agent = agent
        self._sockets = sockets
        self._open: dict[str, OpenBackup] = {}
        self._lock = threading.Lock()

    def begin(self, domain: Domain, op: Operation, since: BackupPoint | None, quiesce: Quiesce) -> BackupSession:
        """See ``Backup.begin_backup``; the guest runs."""
        connection = self._site.connection()
        places = Places(connection, self._site.pool)
        hold = self._take(domain.uuid, op)
        try:
            beginning = Beginning(connection, places, self._sockets, domain, self._agent(domain), hold, op)
            opened = beginning.run(since, quiesce)
        except BaseException:
            self._let_go(hold)
            raise
        with self._lock:
            self._open[opened.session.id] = opened
        return opened.session

    def finish(self, domain: Domain, session: BackupSession) -> None:
        """See ``Backup.finish_backup``. Killed before the point is written it has not happened, after that it has."""
        opened = self._opened(session)
        opened.hold.verify()
        Points(domain.native).add(opened.checkpoint)
        self._end(opened, domain)

    def abort(self, domain: Domain, session: BackupSession, op: Operation) -> None:
        """See ``Backup.abort_backup``."""
        with self._lock:
            opened = self._open.get(session.id)
        if opened is not None:
            Points(domain.native).discard(opened.checkpoint)  # a finish may have failed after writing it
            self._end(opened, domain)
        elif self._records().read(backup_key(domain.uuid)) is not None:
            with self.alone(domain, op):
                pass

    def extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> list[Extent]:
        """See ``Backup.backup_extents``."""
        export = self._export(session, disk_id, offset, length)
        incremental = next(disk.incremental for disk in session.disks if disk.id == disk_id)
        try:
            return list(joined(export.status(offset, length), incremental=incremental))
        except NbdError as error:
            raise unreadable(error) from error

    def read(self, session: BackupSession, disk_id: str, offset: int, length: int) -> bytes:
        """See ``Backup.read_backup``."""
        export = self._export(session, disk_id, offset, length)
        try:
            return export.read(offset, length)
        except NbdError as error:
            raise unreadable(error) from error

    @contextmanager
    def alone(self, domain: Domain, op: Operation) -> Iterator[None]:
        """Be the only one who has to do with backups of a guest; what a dead holder left is removed first.

        Raises:
            Busy: somebody is at it.
        """
        hold = self._take(domain.uuid, op)
        try:
            refuse_foreign(domain.native, self._sockets)
            self._clear_up(domain.native, domain.uuid, agent=self._agent(domain) if hold.before else None)
            yield
        finally:
            self._let_go(hold)

    def drop(self, session: BackupSession) -> None:
        """Forget a backup of a guest that is gone, with all that was made for it."""
        with self._lock:
            opened = self._open.pop(session.id, None)
        if opened is not None:
            opened.close()
            opened.hold.end()

    def close(self) -> None:
        """Abort what is open; what cannot be is ended by whoever begins the next."""
        with self._lock:
            open_now, self._open = list(self._open.values()), {}
        for opened in open_now:
            opened.close()
            with suppress(VirtError):
                with translated("look for the guest"):
                    native = self._site.connection().lookupByUUID(opened.session.guest.bytes)
                self._clear_up(native, opened.session.guest, agent=None)
            self._let_go(opened.hold)

    # --- the claim ------------------------------------------------------------------------------------------------

    def _records(self) -> Records:
        return Records(Places(self._site.connection(), self._site.pool).records_pool(), self._site.host())

    def _take(self, uuid: UUID, op: Operation) -> Hold:
        """The claim on backups of a guest.

        Raises:
            Busy: somebody else has it.
        """
        records, key = self._records(), backup_key(uuid)
        record = Record(uuid=uuid, owner=self._site.owner, fingerprint="")
        while True:
            chain = records.read(key)
            if chain is None:
                hold = records.create(key, record)
                if hold is not None:
                    hold.begin()
                    return hold
            elif (holder := records.holder(chain)) == UNKNOWN_HOLDER:
                op.wait_until(lambda: not is_beginning(records, key))
            elif holder is not None:
                raise Busy("a backup of the guest is under way", holder, hint="finish it or abort it first")
            elif (hold := records.succeed(chain, record)) is not None:
                return hold

    def _let_go(self, hold: Hold) -> None:
        """Give the claim up; on a connection that works, whatever became of the one that it was made with."""
        with suppress(VirtError):  # otherwise whoever wants it next sees that we are gone, or have ended it
            hold.remove(self._records().pool)
        hold.end()

    # --- what is open ---------------------------------------------------------------------------------------------

    def _end(self, opened: OpenBackup, domain: Domain) -> None:
        opened.close()
        self._clear_up(domain.native, domain.uuid, agent=None)
        with self._lock:
            self._open.pop(opened.session.id, None)
        self._let_go(opened.hold)

    def _clear_up(self, native: Any, uuid: UUID, *, agent: GuestAgent | None) -> None:
        places = Places(self._site.connection(), self._site.pool)
        clear_up(native, places, self._sockets, uuid, agent=agent)

    def _opened(self, session: BackupSession) -> OpenBackup:
        with self._lock:
            opened = self._open.get(session.id)
        if opened is None:
            allowed = "a backup that this connection has begun and neither finished nor aborted"
            raise InvalidSpec("session", session.id, allowed)
        self._keep_claim(opened.hold)
        return opened

    def _keep_claim(self, hold: Hold) -> None:
        """Renew the claim over the connection that works now: the daemon may have been restarted."""
        connection = self._site.connection()
        if hold.volume.pool.connection is not connection:
            volume = self._records().pool.find(hold.volume.name)
            if volume is not None:
                hold.volume = volume

    def _export(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Export:
        exports = self._opened(session).exports
        if disk_id not in exports:
            raise InvalidSpec("disk_id", disk_id, f"one of: {', '.join(exports)}")
        export = exports[disk_id]
        if offset < 0 or length < 0 or offset + length > export.size_bytes:
            raise InvalidSpec("offset", (offset, length), f"a range within {export.size_bytes} bytes")
        return export


def is_beginning(records: Records, key: str) -> bool:
    """Whether somebody has made a claim just now and not written it yet; he may be dead."""
    chain = records.read(key)
    return chain is not None and records.holder(chain) == UNKNOWN_HOLDER


def joined(stretches: Iterator[Stretch], *, incremental: bool) -> Iterator[Extent]:
    """What has to be told of stretches; neighbours of the same kind are one extent."""
    last: Extent | None = None
    for stretch in stretches:
        zero = bool(stretch.flags[0] & ZERO)
        if zero if not incremental else not stretch.flags[1]:
            continue
        kind = ExtentKind.ZERO if zero else ExtentKind.DATA
        if last is not None and last.kind is kind and last.offset + last.length == stretch.offset:
            last = Extent(offset=last.offset, length=last.length + stretch.length, kind=kind)
            continue
        if last is not None:
            yield last
        last = Extent(offset=stretch.offset, length=stretch.length, kind=kind)
    if last is not None:
        yield last


def unreadable(error: NbdError) -> VirtError:
    """Our error for a disk that cannot be read any more."""
    if isinstance(error, NbdSilence):
        message = f"the guest's QEMU does not answer: {error}"
        return Timeout("read the guest's disk", message, hint=UNUSABLE, state_after=StateAfter.UNCHANGED)
    return StorageError(f"the guest's disk cannot be read any more: {error}", hint=UNUSABLE)
