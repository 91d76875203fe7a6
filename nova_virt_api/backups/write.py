"""Writing a backup of a guest into a directory."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from nova_virt_api.backups.folder import BackupFolder, disk_file_name
from nova_virt_api.backups.manifest import DiskFile, Manifest
from nova_virt_api.backups.plan import CHUNK, WINDOW, Window, window_of
from nova_virt_api.backups.qcow2_file import CLUSTER, Qcow2File
from nova_virt_api.compute.face import run
from nova_virt_api.compute.operation import DriverSide, Operation, outcome_of
from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import BackupChainBroken, VirtError
from nova_virt_api.model.quiesce import Quiesce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.compute.face import OnProgress
    from nova_virt_api.model.backup import BackupDisk, BackupSession
    from nova_virt_api.model.instance import Instance

ZEROS: Final = bytes(CLUSTER * CHUNK)
FULL_INSTEAD: Final = "make a full backup: it begins a new chain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A backup that was written.

    Args:
        manifest: what it says of itself.
        read_bytes: how much of the guest's disks was read.
        stored_bytes: how much its files take.
    """

    manifest: Manifest
    read_bytes: int
    stored_bytes: int


def write_backup(
    compute: Compute,
    guest: Instance,
    directory: str | os.PathLike[str],
    *,
    full: bool = False,
    quiesce: Quiesce = Quiesce.IF_POSSIBLE,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
) -> Written:
    """Write the directory's next backup of a guest: the first whole, each other what changed since the one before.

    A backup that was not written to its end counts as none. An older backup's point is forgotten once the new one is
    complete.

    Args:
        compute: the guest's endpoint.
        guest: the guest.
        directory: a directory of the guest's own; made if it is not there.
        full: write everything again; what changed before does not matter.
        quiesce: whether the guest's file systems are brought to rest for that moment.
        timeout: seconds until the deadline.
        on_progress: called whenever stage or progress changed.

    Raises:
        BackupChainBroken: what changed is not known any more; a full backup begins a new chain.
        InvalidSpec: the directory has backups of another guest.
        Busy: somebody else writes to the directory, or backs the guest up.
        VirtError: the endpoint or the file system failed; nothing was left.
    """
    operation = submit_backup(
        compute, guest, directory, full=full, quiesce=quiesce, timeout=timeout, on_progress=on_progress
    )
    return outcome_of(operation)


def submit_backup(
    compute: Compute,
    guest: Instance,
    directory: str | os.PathLike[str],
    *,
    full: bool = False,
    quiesce: Quiesce = Quiesce.IF_POSSIBLE,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
) -> Operation[Written]:
    """:func:`write_backup` as an operation that is under way when the call returns."""
    operation = Operation[Written]("backup", None, timeout=timeout, on_progress=on_progress)
    folder = BackupFolder(directory)

    def work() -> None:
        if operation.begin():
            run(operation, lambda op: Writing(compute, guest, folder, quiesce, op).run(full=full))

    threading.Thread(target=work, name="nova-virt-backup", daemon=True).start()
    return operation


class Writing:
    """One backup that is written.

    Args:
        compute: the guest's endpoint.
        guest: the guest.
        folder: where it is written to.
        quiesce: whether the guest's file systems are brought to rest.
        op: the operation worked for.
    """

    def __init__(
        self, compute: Compute, guest: Instance, folder: BackupFolder, quiesce: Quiesce, op: DriverSide
    ) -> None:
        self._compute = compute
        self._guest = guest
        self._folder = folder
        self._quiesce = quiesce
        self._op = op
        self._read = 0

    def run(self, *, full: bool) -> Written:
        """Write it."""
        with self._folder.held(self._guest.uuid):
            self._op.stage("look at the earlier backups")
            self._settle()
            latest = self._folder.latest()
            written = self._write(1 if latest is None else latest.number + 1, None if full else latest)
            self._forget_others(written.manifest)
        return written

    def _settle(self) -> None:
        """Make a backup count whose writer died after its last byte, and remove what was not written to its end."""
        pending = self._folder.pending()
        if pending is not None and pending.point in self._compute.backup_points(self._guest):
            self._folder.commit(pending)
        self._folder.sweep()

    def _write(self, number: int, base: Manifest | None) -> Written:
        self._op.stage("hold on to the disks")
        session = self._compute.begin_backup(
            self._guest,
            since=None if base is None else base.point,
            quiesce=self._quiesce,
            timeout=self._remaining(),
        )
        try:
            manifest = self._store(session, number, base)
            self._op.stage("finish", CancelMode.NONE)
            self._compute.finish_backup(session)
        except BaseException:
            with suppress(VirtError):  # otherwise the next backup ends this one, or finds that it counts
                self._compute.abort_backup(session)
                self._folder.sweep()
            raise
        self._folder.commit(manifest)
        stored = self._folder.stored_bytes(manifest)
        return Written(manifest=manifest, read_bytes=self._read, stored_bytes=stored)

    def _store(self, session: BackupSession, number: int, base: Manifest | None) -> Manifest:
        created = datetime.now(UTC)
        files = [self._file_of(disk, number, base) for disk in session.disks]
        self._op.stage("look for what has to be read")
        plans = [self._plan(session, disk) for disk in session.disks]
        total = sum(window.data_clusters() for plan in plans for window in plan) * CLUSTER
        self._op.stage("copy the disks")
        for disk, file, plan in zip(session.disks, files, plans, strict=True):
            self._copy(session, disk, file, plan, total)
        manifest = Manifest(
            number=number,
            guest=session.guest,
            name=self._guest.name,
            point=session.point,
            since=base.number if base is not None and any(file.backing for file in files) else None,
            created=created,
            quiesced=session.quiesced,
            disks=tuple(files),
        )
        self._folder.store(manifest)
        return manifest

    def _file_of(self, disk: BackupDisk, number: int, base: Manifest | None) -> DiskFile:
        earlier = {file.id: file.file for file in base.disks} if base is not None else {}
        if disk.incremental and disk.id not in earlier:
            raise BackupChainBroken(f"there is no earlier backup of disk {disk.id}", hint=FULL_INSTEAD)
        return DiskFile(
            id=disk.id,
            file=disk_file_name(number, disk.id),
            size_bytes=disk.size_bytes,
            backing=earlier[disk.id] if disk.incremental else None,
        )

    def _plan(self, session: BackupSession, disk: BackupDisk) -> list[Window]:
        windows = []
        for offset in range(0, disk.size_bytes, WINDOW):
            self._op.checkpoint()
            length = min(WINDOW, disk.size_bytes - offset)
            window = window_of(self._compute.backup_extents(session, disk.id, offset, length), offset, length)
            if any(window.kinds):
                windows.append(window)
        return windows

    def _copy(
        self, session: BackupSession, disk: BackupDisk, target: DiskFile, plan: Sequence[Window], total: int
    ) -> None:
        with self._folder.create(target.file) as file:
            image = Qcow2File(file, disk.size_bytes, target.backing)
            for window in plan:
                for cluster in window.zeros() if target.backing else ():
                    image.put_zeros(cluster)
                for first, count in window.reads():
                    self._op.checkpoint()
                    offset = first * CLUSTER
                    length = min(count * CLUSTER, disk.size_bytes - offset)
                    put(image, first, self._compute.read_backup(session, disk.id, offset, length), target.backing)
                    self._read += length
                    self._op.progress(min(self._read, total), total)
            image.finish()

    def _forget_others(self, newest: Manifest) -> None:
        """Forget the points of this directory's older backups; what fails is done after the next backup."""
        with suppress(VirtError):
            known = set(self._compute.backup_points(self._guest))
            for manifest in self._folder.manifests():
                if manifest.number != newest.number and manifest.point in known:
                    self._compute.forget_backup_point(self._guest, manifest.point)

    def _remaining(self) -> float | None:
        remaining = self._op.remaining()
        return None if remaining == float("inf") else remaining


def put(image: Qcow2File, first: int, data: bytes, backing: str | None) -> None:
    """Put clusters into an image, zeros as such."""
    if data == ZEROS[: len(data)]:
        for cluster in range(first, first + -(-len(data) // CLUSTER)) if backing else ():
            image.put_zeros(cluster)
    else:
        image.put(first, data)
