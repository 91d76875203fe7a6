"""Beginning a backup: what is checked, made and started, and taken back if anything fails."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import libvirt

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import BackupChainBroken, GuestAgentUnavailable, StorageError, VirtError
from nova_virt_api.model.backup import BackupDisk, BackupPoint, BackupSession
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.toolkit.nbd import ALLOCATION, Export, NbdError
from nova_virt_libvirt.backup.job import clear_up, refuse_foreign
from nova_virt_libvirt.backup.points import FULL_INSTEAD, Points, name_of, new_name, point_of
from nova_virt_libvirt.backup.xml import (
    BITMAP,
    GuestDisk,
    HeldDisk,
    all_targets,
    backup_xml,
    checkpoint_xml,
    guest_disks,
    noting_targets,
)
from nova_virt_libvirt.errors import translate, translated
from nova_virt_libvirt.names import scratch_name
from nova_virt_libvirt.storage.pools import OVERLAY_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.agent.guest_agent import GuestAgent
    from nova_virt_libvirt.backup.socket import BackupSockets
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.places import Places

CHANGED: Final = f"qemu:dirty-bitmap:{BITMAP}"

BROKEN: Final = frozenset({libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT, libvirt.VIR_ERR_CHECKPOINT_INCONSISTENT})


@dataclass(slots=True)
class OpenBackup:
    """A backup that this process reads.

    Args:
        session: what users know of it.
        checkpoint: the name of its checkpoint.
        hold: the claim on backups of the guest.
        exports: the disks as they were, by what users call them.
    """

    session: BackupSession
    checkpoint: str
    hold: Hold
    exports: dict[str, Export] = field(default_factory=dict)

    def close(self) -> None:
        """Read no more."""
        for export in self.exports.values():
            export.close()


class Beginning:
    """One backup that begins.

    Args:
        connection: the connection to use throughout.
        places: what names of places mean.
        sockets: where QEMU may be read.
        domain: the guest.
        agent: its agent.
        hold: the claim on backups of it, ours.
        op: the operation worked for.
    """

    def __init__(
        self,
        connection: libvirt.virConnect,
        places: Places,
        sockets: BackupSockets,
        domain: Domain,
        agent: GuestAgent,
        hold: Hold,
        op: Operation,
    ) -> None:
        self._places = places
        self._sockets = sockets
        self._domain = domain
        self._agent = agent
        self._hold = hold
        self._op = op
        self._native: Any = domain.native
        with translated("look at the guest's disks"):
            definition = self._native.XMLDesc(0)
            self._disks = guest_disks(connection, definition)
        self._targets = all_targets(definition)
        self._name = new_name()
        self._quiesced = False

    def run(self, since: BackupPoint | None, quiesce: Quiesce) -> OpenBackup:
        """Begin it, or take back what was made."""
        if not self._disks:
            raise StorageError(
                "the guest has no disk that is a volume of an active storage pool",
                hint="start the pool of its disks (virsh pool-start), or define one where they are",
            )
        refuse_foreign(self._native, self._sockets)
        try:
            return self._run(since, quiesce)
        except BaseException:
            with suppress(VirtError, libvirt.libvirtError):  # otherwise whoever begins the next does it
                clear_up(self._native, self._places, self._sockets, self._domain.uuid, agent=None)
            raise

    def _run(self, since: BackupPoint | None, quiesce: Quiesce) -> OpenBackup:
        self._op.stage("look for what earlier backups left")
        dead = self._hold.before is not None
        clear_up(self._native, self._places, self._sockets, self._domain.uuid, agent=self._agent if dead else None)
        checkpoint, noted = self._base(since)
        self._op.stage("make room for what is overwritten meanwhile")
        held = [self._held(disk, checkpoint if disk.target in noted else None) for disk in self._disks]
        self._op.stage("hold on to the disks", CancelMode.NONE)
        self._hold.verify()
        socket = self._sockets.path(self._native.ID(), self._domain.name, self._hold.claim.token)
        with self._at_rest(quiesce):
            self._start(held, socket)
        return self._opened(held, socket)

    def _base(self, since: BackupPoint | None) -> tuple[str | None, set[str]]:
        """The checkpoint that changes are told since, and the disks that noted them."""
        if since is None:
            return None, set()
        checkpoint = Points(self._native).checkpoint(name_of(self._domain.uuid, since))
        with translated("look at the backup point"):
            return checkpoint.getName(), noting_targets(checkpoint.getXMLDesc(0))

    def _held(self, disk: GuestDisk, since: str | None) -> HeldDisk:
        own = disk.volume.pool
        pool = own if own.kind() in OVERLAY_KINDS else self._places.records_pool()
        name = scratch_name(self._domain.uuid, disk.target)
        scratch = pool.create(name, disk.volume.capacity_bytes(), ImageFormat.QCOW2)
        return HeldDisk(
            target=disk.target,
            scratch=scratch.path(),
            since=since if disk.keeps_account else None,
            keeps_account=disk.keeps_account,
        )

    @contextmanager
    def _at_rest(self, quiesce: Quiesce) -> Iterator[None]:
        thaws = quiesce is not Quiesce.NO and self._freeze(required=quiesce is Quiesce.REQUIRED)
        try:
            yield
        finally:
            if thaws:
                with suppress(VirtError):  # the guest may have died just now
                    self._agent.thaw()

    def _freeze(self, *, required: bool) -> bool:
        """Bring the file systems to rest; whether they are to be let go afterwards."""
        try:
            if self._domain.power_state is not PowerState.RUNNING:
                raise GuestAgentUnavailable("a paused guest's agent does not answer", hint="unpause the guest first")
            thaws = self._agent.freeze()
        except GuestAgentUnavailable:
            if required:
                raise
            return False
        self._quiesced = True
        return thaws

    def _start(self, held: Sequence[HeldDisk], socket: str) -> None:
        flags = libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL  # the volumes are made by us, and removed
        definition = backup_xml(held, self._targets, socket)
        try:
            self._native.backupBegin(definition, checkpoint_xml(self._name, held, self._targets), flags)
        except libvirt.libvirtError as error:
            if error.get_error_code() in BROKEN:
                found = translate(error)
                message = f"what changed is not known any more: {found.message}"
                raise BackupChainBroken(message, hint=FULL_INSTEAD) from error
            with translated("begin the backup"):
                raise

    def _opened(self, held: Sequence[HeldDisk], socket: str) -> OpenBackup:
        exports: dict[str, Export] = {}
        try:
            for disk in held:
                contexts = (ALLOCATION,) if disk.since is None else (ALLOCATION, CHANGED)
                exports[disk.target] = Export(self._sockets.connect(socket), disk.target, contexts)
        except BaseException as error:
            for export in exports.values():
                export.close()
            if isinstance(error, NbdError):
                raise StorageError(f"the guest's disks cannot be read: {error}") from error
            raise
        disks = tuple(
            BackupDisk(id=disk.target, size_bytes=exports[disk.target].size_bytes, incremental=disk.since is not None)
            for disk in held
        )
        session = BackupSession(
            id=self._hold.claim.token,
            guest=self._domain.uuid,
            point=point_of(self._domain.uuid, self._name),
            disks=disks,
            quiesced=self._quiesced,
        )
        return OpenBackup(session, self._name, self._hold, exports)
