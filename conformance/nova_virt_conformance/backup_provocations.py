"""How errors of the role ``Backup`` are brought about, and backups in their simplest form."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Feature
from nova_virt_api.errors import (
    BackupChainBroken,
    Busy,
    GuestAgentUnavailable,
    InstanceNotFound,
    InvalidSpec,
    NoCapacity,
    PermissionDenied,
    StorageError,
    Timeout,
    VirtError,
)
from nova_virt_api.model.backup import BackupDisk, BackupPoint, BackupSession
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_conformance.scene import NOWHERE, Recipe, Scene, provoked

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.compute.compute import Compute
    from nova_virt_api.model.instance import Instance
    from nova_virt_conformance.lab import Lab

NO_POINT: Final = BackupPoint(NOWHERE)
SECTOR: Final = 512


def no_session(guest: uuid.UUID) -> BackupSession:
    """A backup that nobody has begun."""
    disk = BackupDisk(id=NOWHERE, size_bytes=SECTOR, incremental=False)
    return BackupSession(id=NOWHERE, guest=guest, point=NO_POINT, disks=(disk,))


@contextmanager
def under_way(lab: Lab, compute: Compute, guest: Instance) -> Iterator[BackupSession]:
    """A backup of a guest that a connection has begun; aborted at the exit, if the guest is there still."""
    session = compute.begin_backup(guest, quiesce=Quiesce.NO, timeout=lab.patience)
    try:
        yield session
    finally:
        with suppress(InstanceNotFound):
            compute.abort_backup(session, timeout=lab.patience)


ENDS: Final[dict[str, Callable[[Compute, BackupSession], None]]] = {
    "Backup.finish_backup": lambda compute, session: compute.finish_backup(session),
    "Backup.abort_backup": lambda compute, session: compute.abort_backup(session),
}

READS: Final[dict[str, Callable[[Compute, BackupSession, str], object]]] = {
    "Backup.backup_extents": lambda compute, session, disk: compute.backup_extents(session, disk, 0, SECTOR),
    "Backup.read_backup": lambda compute, session, disk: compute.read_backup(session, disk, 0, SECTOR),
}


@contextmanager
def guest_not_there(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A backup of a guest that is not there."""
    yield Scene(lambda: ENDS[method](lab.compute, no_session(uuid.uuid4())))


@contextmanager
def somebody_elses(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A backup of somebody else's guest."""
    guest = lab.other.spawn(lab.spec(), timeout=lab.patience)
    yield Scene(lambda: ENDS[method](lab.compute, no_session(guest.uuid)), guest)


@contextmanager
def not_begun(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A backup that nobody has begun is to be finished."""
    guest = lab.guest(PowerState.RUNNING)
    yield Scene(lambda: lab.compute.finish_backup(no_session(guest.uuid), timeout=lab.patience), guest)


@contextmanager
def end_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A backup that the backend does not end as it should."""
    guest = lab.guest(PowerState.RUNNING)
    with under_way(lab, lab.compute, guest) as session, provoked(lab, method, error, guest):
        yield Scene(lambda: ENDS[method](lab.compute, session), guest)


@contextmanager
def read_by_another(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that another connection backs up."""
    guest = lab.guest(PowerState.RUNNING)
    with under_way(lab, lab.second, guest) as session:
        calls: dict[str, Callable[[], object]] = {
            "Backup.begin_backup": lambda: lab.compute.begin_backup(guest, timeout=lab.patience),
            "Backup.abort_backup": lambda: lab.compute.abort_backup(session, timeout=lab.patience),
            "Backup.forget_backup_point": lambda: lab.compute.forget_backup_point(
                guest, session.point, timeout=lab.patience
            ),
        }
        yield Scene(calls[method], guest)


@contextmanager
def point_not_there(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """The difference to a point that never was."""
    guest = lab.guest(PowerState.RUNNING)
    yield Scene(lambda: lab.compute.begin_backup(guest, since=NO_POINT, timeout=lab.patience), guest)


@contextmanager
def nothing_to_back_up(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A guest without a disk."""
    guest = lab.spawn(disks=())
    yield Scene(lambda: lab.compute.begin_backup(guest, timeout=lab.patience), guest)


@contextmanager
def no_rest(lab: Lab, _: str, __: type[VirtError]) -> Iterator[Scene]:
    """A guest without an agent, which must come to rest."""
    lab.require(Feature.BACKUP_QUIESCE)
    guest = lab.guest(PowerState.RUNNING)
    with lab.rig.without_agent(guest):
        yield Scene(lambda: lab.compute.begin_backup(guest, quiesce=Quiesce.REQUIRED, timeout=lab.patience), guest)


@contextmanager
def begin_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A backup that the backend does not begin."""
    guest = lab.guest(PowerState.RUNNING)
    with provoked(lab, method, error, guest):
        yield Scene(lambda: lab.compute.begin_backup(guest, timeout=lab.patience), guest)


@contextmanager
def forget_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A point of which the backend goes on keeping account."""
    guest = lab.guest(PowerState.RUNNING)
    session = lab.compute.begin_backup(guest, quiesce=Quiesce.NO, timeout=lab.patience)
    lab.compute.finish_backup(session, timeout=lab.patience)
    with provoked(lab, method, error, guest):
        yield Scene(partial(lab.compute.forget_backup_point, guest, session.point, timeout=lab.patience), guest)


@contextmanager
def unknown_disk(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A disk that the guest does not have."""
    guest = lab.guest(PowerState.RUNNING)
    with under_way(lab, lab.compute, guest) as session:
        yield Scene(lambda: READS[method](lab.compute, session, NOWHERE), guest)


@contextmanager
def guest_gone(lab: Lab, method: str, _: type[VirtError]) -> Iterator[Scene]:
    """A guest that was destroyed while it was backed up."""
    guest = lab.guest(PowerState.RUNNING)
    with under_way(lab, lab.compute, guest) as session:
        lab.second.destroy(guest, timeout=lab.patience)
        yield Scene(lambda: READS[method](lab.compute, session, session.disks[0].id))


@contextmanager
def read_at_fault(lab: Lab, method: str, error: type[VirtError]) -> Iterator[Scene]:
    """A guest whose hypervisor does not answer any more."""
    guest = lab.guest(PowerState.RUNNING)
    with under_way(lab, lab.compute, guest) as session, provoked(lab, method, error, guest):
        yield Scene(lambda: READS[method](lab.compute, session, session.disks[0].id), guest)


OF_BACKUPS: Final[dict[tuple[str, type[VirtError]], Recipe]] = {
    ("Backup.abort_backup", Busy): read_by_another,
    ("Backup.abort_backup", InstanceNotFound): guest_not_there,
    ("Backup.abort_backup", PermissionDenied): somebody_elses,
    ("Backup.abort_backup", StorageError): end_at_fault,
    ("Backup.backup_extents", InvalidSpec): unknown_disk,
    ("Backup.backup_extents", StorageError): guest_gone,
    ("Backup.backup_extents", Timeout): read_at_fault,
    ("Backup.begin_backup", BackupChainBroken): point_not_there,
    ("Backup.begin_backup", Busy): read_by_another,
    ("Backup.begin_backup", GuestAgentUnavailable): no_rest,
    ("Backup.begin_backup", NoCapacity): begin_at_fault,
    ("Backup.begin_backup", StorageError): nothing_to_back_up,
    ("Backup.finish_backup", Busy): end_at_fault,
    ("Backup.finish_backup", InstanceNotFound): guest_not_there,
    ("Backup.finish_backup", InvalidSpec): not_begun,
    ("Backup.finish_backup", PermissionDenied): somebody_elses,
    ("Backup.finish_backup", StorageError): end_at_fault,
    ("Backup.forget_backup_point", Busy): read_by_another,
    ("Backup.forget_backup_point", StorageError): forget_at_fault,
    ("Backup.read_backup", InvalidSpec): unknown_disk,
    ("Backup.read_backup", StorageError): guest_gone,
    ("Backup.read_backup", Timeout): read_at_fault,
}
"""Ways that serve one method."""
