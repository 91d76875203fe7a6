"""Guests with two disks that are backed up while they write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.backup import BackupPoint, BackupSession
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.units import KiB, MiB
from nova_virt_libvirt.rig.fill import fill

LENGTH = KiB(64)


@pytest.fixture
def sockets(daemon: Any) -> Path:
    """Where both this process and QEMU see sockets under the same name."""
    path = Path(daemon.directory) / "sockets"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def backups(make_driver: Any, sockets: Path) -> Any:
    """A driver that reads backups."""
    return make_driver(backup_sockets=str(sockets))


@pytest.fixture
def guest(spawn: Any, make_spec: Any) -> Any:
    """A running guest with two disks."""
    disks = [Disk(source=Blank(), size_bytes=MiB(size)) for size in (16, 8)]
    return spawn(make_spec(disks=disks, power_on=True)).ref


@pytest.fixture
def write(raw: Callable[[], Any]) -> Callable[..., None]:
    """Lets a guest write to its boot disk."""

    def write(guest: InstanceRef, offset: int, byte: int) -> None:
        native = raw()
        fill(native, native.lookupByUUID(guest.uuid.bytes), offset, LENGTH, byte)

    return write


@pytest.fixture
def begin(backups: Any, run: Any) -> Callable[..., BackupSession]:
    """Begins backups."""

    def begin(guest: InstanceRef, since: BackupPoint | None = None, by: Any = None) -> BackupSession:
        session: BackupSession = run((by or backups).begin_backup, guest, since=since, quiesce=Quiesce.NO)
        return session

    return begin


@pytest.fixture
def finished(begin: Any, backups: Any, run: Any) -> Callable[..., BackupPoint]:
    """Makes a backup of which nothing is read."""

    def finished(guest: InstanceRef, since: BackupPoint | None = None) -> BackupPoint:
        session = begin(guest, since)
        run(backups.finish_backup, guest, session)
        return BackupPoint(str(session.point))

    return finished
