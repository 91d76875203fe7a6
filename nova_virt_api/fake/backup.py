"""Reading fake guests' disks as they were at one moment."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.backup import Backup
from nova_virt_api.driver.operation import CancelMode, Operation
from nova_virt_api.errors import BackupChainBroken, Busy, InvalidSpec, InvalidState, StorageError, Unavailable
from nova_virt_api.fake.backed_up import HeldDisk, Moment, UnderWay
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.disk_content import content, extents, held, pieces_of
from nova_virt_api.fake.guest import Guest, Volume
from nova_virt_api.fake.guest_agent import answering, has_agent
from nova_virt_api.fake.holder import lives_elsewhere
from nova_virt_api.fake.state import State
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.model.backup import BackupDisk, BackupPoint, BackupSession, Extent
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.quiesce import Quiesce

PREFIX: Final = "fake:"
UNUSABLE: Final = "abort this backup and begin another"
FULL_INSTEAD: Final = "make a full backup: it begins a new chain"

READERS: Final[dict[str, Connection]] = {}
"""The backups that connections of this process read."""


class FakeBackup(Backup):
    """The role ``Backup`` of the fake driver: a disk's content is what it was made from, and what was written since."""

    connection: Connection

    def begin_backup(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        since: BackupPoint | None = None,
        quiesce: Quiesce = Quiesce.IF_POSSIBLE,
    ) -> BackupSession:
        connection = self.connection
        connection.require(Capability.BACKUP)
        with connection.hold(guest.uuid, "begin backup"):
            with connection.world.reading() as state:
                self._base(state, self._able(state, guest, quiesce), since)
            connection.step(Step.BEGIN_BACKUP, op)
            with connection.world.changing() as state:
                return self._begun(state, self._able(state, guest, quiesce), since, quiesce)

    def backup_extents(self, session: BackupSession, disk_id: str, offset: int, length: int) -> Sequence[Extent]:
        with self.connection.world.reading() as state:
            pieces = pieces_of(*self._read(state, session, disk_id, offset, length))
            incremental = next(disk.incremental for disk in session.disks if disk.id == disk_id)
            known = self._known(state, session, disk_id) if incremental else 0
            return extents(pieces, pieces[known:], offset, length)

    def read_backup(self, session: BackupSession, disk_id: str, offset: int, length: int) -> bytes:
        with self.connection.world.reading() as state:
            return content(pieces_of(*self._read(state, session, disk_id, offset, length)), offset, length)

    def finish_backup(self, guest: InstanceRef, session: BackupSession, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.BACKUP)
        with connection.hold(guest.uuid, "finish backup"):
            with connection.world.reading() as state:
                self._session(connection.ready(state, guest, *Lifecycle), session)
            op.stage(STAGES[Step.FINISH_BACKUP], CancelMode.NONE)
            connection.switches.reach(Step.FINISH_BACKUP, op)
            with connection.world.changing() as state:
                found = connection.ready(state, guest, *Lifecycle)
                moment = self._session(found, session).moment
                backups = replace(found.backups, under_way=None, moments=(*found.backups.moments, moment))
                state.put(replace(found, backups=backups))
        READERS.pop(session.id, None)

    def abort_backup(self, guest: InstanceRef, session: BackupSession, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.BACKUP)
        with connection.hold(guest.uuid, "abort backup"):
            with connection.world.reading() as state:
                found = connection.ready(state, guest, *Lifecycle)
                if found.backups.under_way is None:
                    return
                self._check_reader(found, mine=session.id)
            op.stage(STAGES[Step.ABORT_BACKUP], CancelMode.NONE)
            connection.switches.reach(Step.ABORT_BACKUP, op)
            with connection.world.changing() as state:
                found = connection.ready(state, guest, *Lifecycle)
                self._check_reader(found, mine=session.id)
                state.put(replace(found, backups=replace(found.backups, under_way=None)))
        READERS.pop(session.id, None)

    def backup_points(self, guest: InstanceRef) -> Sequence[BackupPoint]:
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            return [point_of(moment) for moment in self.connection.owned(state, guest).backups.moments]

    def forget_backup_point(self, guest: InstanceRef, point: BackupPoint, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.BACKUP)
        with connection.hold(guest.uuid, "forget backup point"):
            with connection.world.reading() as state:
                found = connection.ready(state, guest, *Lifecycle)
                self._check_reader(found)
            connection.step(Step.FORGET_BACKUP_POINT, op)
            with connection.world.changing() as state:
                found = connection.ready(state, guest, *Lifecycle)
                self._check_reader(found)
                rest = tuple(moment for moment in found.backups.moments if point_of(moment) != point)
                if rest != found.backups.moments:
                    state.put(replace(found, backups=replace(found.backups, under_way=None, moments=rest)))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _able(self, state: State, ref: InstanceRef, quiesce: Quiesce) -> Guest:
        """The guest, a backup of which can begin."""
        guest = self.connection.ready(state, ref)
        stopped = Feature.BACKUP_STOPPED not in self.connection.switches.withdrawn
        allowed = [PowerState.RUNNING, PowerState.PAUSED, *([PowerState.SHUTDOWN] if stopped else [])]
        if guest.power_state not in allowed:
            raise InvalidState(guest.power_state, allowed)
        if not guest.own_disks:
            raise StorageError(f"guest {guest.name} has no disk", hint="there is nothing to back up")
        self._check_reader(guest)
        if quiesce is Quiesce.REQUIRED:
            self.connection.require(Feature.BACKUP_QUIESCE)
            if guest.power_state is not PowerState.SHUTDOWN:
                answering(guest)
        return guest

    def _base(self, state: State, guest: Guest, since: BackupPoint | None) -> Moment | None:
        """What is known of the disks at that point.

        Raises:
            BackupChainBroken: too little.
        """
        if since is None:
            return None
        moments = {point_of(moment): moment for moment in guest.backups.moments}
        if since not in moments:
            raise BackupChainBroken(f"backup point {since} was forgotten, or is none of the guest", hint=FULL_INSTEAD)
        for key in guest.own_disks:
            now = held(state.volumes[key])
            then = moments[since].disks.get(id_of(guest, key))
            if then is not None and (then.text != now.text or then.written > now.written):
                raise BackupChainBroken(f"disk {key[1]} was written anew since", hint=FULL_INSTEAD)
        return moments[since]

    def _begun(self, state: State, guest: Guest, since: BackupPoint | None, quiesce: Quiesce) -> BackupSession:
        base = self._base(state, guest, since)
        disks = {id_of(guest, key): held(state.volumes[key]) for key in guest.own_disks}
        name = uuid.uuid4().hex
        moment = Moment(name=name, disks=disks, since=None if base is None else base.name)
        under_way = UnderWay(id=name, holder=self.connection.holder, moment=moment)
        state.put(replace(guest, backups=replace(guest.backups, under_way=under_way)))
        READERS[name] = self.connection
        return BackupSession(
            id=name,
            guest=guest.uuid,
            point=point_of(moment),
            disks=tuple(
                BackupDisk(id=key, size_bytes=disk.size_bytes, incremental=base is not None and key in base.disks)
                for key, disk in disks.items()
            ),
            quiesced=quiesce is not Quiesce.NO and has_agent(guest),
        )

    def _check_reader(self, guest: Guest, mine: str = "") -> None:
        """Refuse a guest of which somebody reads a backup.

        Raises:
            Busy: somebody does.
        """
        under_way = guest.backups.under_way
        ours = under_way is not None and under_way.id == mine and READERS.get(mine) is self.connection
        if under_way is not None and not ours and is_read(under_way):
            raise Busy("a backup of the guest is under way", under_way.holder, hint="finish it or abort it first")

    def _session(self, guest: Guest, session: BackupSession) -> UnderWay:
        """The backup that is meant, begun by this connection.

        Raises:
            InvalidSpec: it is over, or another connection's.
        """
        under_way = guest.backups.under_way
        if under_way is None or under_way.id != session.id or READERS.get(session.id) is not self.connection:
            allowed = "a backup that this connection has begun and neither finished nor aborted"
            raise InvalidSpec("session", session.id, allowed)
        return under_way

    def _read(
        self, state: State, session: BackupSession, disk_id: str, offset: int, length: int
    ) -> tuple[HeldDisk, Volume]:
        """A disk of a backup, and the volume as it is now."""
        self.connection.require(Capability.BACKUP)
        self.connection.switches.reach(Step.READ)
        claimants = state.claimants(session.guest)
        if READERS.get(session.id) is self.connection and not claimants:
            raise StorageError("the guest is gone", hint=UNUSABLE)
        allowed = "a backup that this connection has begun and neither finished nor aborted"
        if not claimants:
            raise InvalidSpec("session", session.id, allowed)
        disks = self._session(claimants[0], session).moment.disks
        if disk_id not in disks:
            raise InvalidSpec("disk_id", disk_id, f"one of: {', '.join(disks)}")
        disk = disks[disk_id]
        if offset + length > disk.size_bytes:
            raise InvalidSpec("offset", (offset, length), f"a range within {disk.size_bytes} bytes")
        volume = state.volumes.get((disk.pool, disk.name))
        if volume is None or held(volume).text != disk.text:
            raise StorageError("the disk is gone, or was written anew", hint=UNUSABLE)
        return disk, volume

    def _known(self, state: State, session: BackupSession, disk_id: str) -> int:
        """How many of a disk's pieces an incremental backup leaves out."""
        guest = state.claimants(session.guest)[0]
        since = self._session(guest, session).moment.since
        moment = next(moment for moment in guest.backups.moments if moment.name == since)
        disk = moment.disks[disk_id]
        return disk.written + bool(disk.text)  # the text is a piece, too


def point_of(moment: Moment) -> BackupPoint:
    """What users get of a moment."""
    return BackupPoint(PREFIX + moment.name)


def id_of(guest: Guest, key: tuple[str, str]) -> str:
    """What users call a disk of a guest's own."""
    return f"disk{guest.own_disks.index(key)}"


def is_read(under_way: UnderWay) -> bool:
    """Whether whoever began a backup can still read it."""
    if lives_elsewhere(under_way.holder):
        return True
    reader = READERS.get(under_way.id)
    if reader is None:
        return False
    try:
        return reader.world is not None
    except Unavailable:  # it was closed
        del READERS[under_way.id]
        return False
