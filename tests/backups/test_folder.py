"""Backups in directories: written, interrupted, restored."""

import json
import os
import stat
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import MiB
from nova_virt_api.backups import BackupFolder, Written, restore_backup, submit_backup, write_backup
from nova_virt_api.backups.restore import alone_in
from nova_virt_api.errors import (
    BackupChainBroken,
    Busy,
    Cancelled,
    ImageRejected,
    InvalidSpec,
    PermissionDenied,
    StorageError,
)
from nova_virt_api.fake.steps import Step

SIZE = MiB(8)
WORLDS: dict[virt.Compute, str] = {}


@pytest.fixture
def compute() -> Iterator[virt.Compute]:
    world = f"backups-{uuid.uuid4()}"
    with virt.connect("fake", world=world) as compute:
        WORLDS[compute] = world
        yield compute


@pytest.fixture
def guest(compute: virt.Compute) -> virt.Instance:
    return make(compute, "web")


def names(path: Path) -> list[str]:
    """What lies in a directory."""
    return sorted(file.name for file in path.iterdir())


def make(compute: virt.Compute, name: str) -> virt.Instance:
    disk = virt.Disk(source=virt.Blank(), size_bytes=SIZE)
    return compute.spawn(
        virt.InstanceSpec(uuid=uuid.uuid4(), name=name, vcpus=1, memory_bytes=MiB(64), disks=[disk, disk])
    )


def put(compute: virt.Compute, guest: virt.Instance, offset: int, data: bytes, disk: int = 0) -> None:
    switches(compute).outside.write(guest, offset, data, disk=disk)


def switches(compute: virt.Compute) -> Any:
    with compute.native() as handle:
        return handle


def disk_now(compute: virt.Compute, guest: virt.Instance, disk: int = 0) -> bytes:
    session = compute.begin_backup(guest)
    data = compute.read_backup(session, session.disks[disk].id, 0, SIZE)
    compute.abort_backup(session)
    return data


def restored(path: Path, number: int | None, disk: int = 0) -> bytes:
    target = path.parent / f"restored-{uuid.uuid4().hex}"
    found = restore_backup(path, target, number=number, image_format=virt.ImageFormat.RAW)
    return Path(found[disk].ref).read_bytes()


def test_each_backup_is_restored_as_it_was(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    path, then = tmp_path / "backups", []
    for number in range(1, 5):
        put(compute, guest, number * 100000, bytes([number]) * 70000)
        put(compute, guest, 65536 * number, bytes(65536), disk=1)
        then.append((disk_now(compute, guest), disk_now(compute, guest, 1)))
        written = write_backup(compute, guest, path)
        assert (written.manifest.number, written.manifest.since) == (number, number - 1 or None)
        assert compute.backup_points(guest) == [written.manifest.point]
    for number, disks in enumerate(then, 1):
        assert (restored(path, number), restored(path, number, 1)) == disks
    assert restored(path, None) == then[-1][0]


def test_incremental_backup_reads_what_changed(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    put(compute, guest, 0, os.urandom(MiB(4)))
    assert write_backup(compute, guest, tmp_path).read_bytes >= MiB(4)
    assert write_backup(compute, guest, tmp_path).read_bytes == 0
    put(compute, guest, MiB(5) + 1, b"x")
    assert write_backup(compute, guest, tmp_path).read_bytes == 65536


def test_full_backup_stands_alone(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    path = tmp_path / "backups"
    write_backup(compute, guest, path)
    put(compute, guest, 12345, b"changed")
    written = write_backup(compute, guest, path, full=True)
    assert (written.manifest.kind, written.manifest.since) == ("full", None)
    for file in path.glob("0001.*"):
        file.unlink()
    assert restored(path, 2) == disk_now(compute, guest)
    assert compute.backup_points(guest) == [written.manifest.point]


def test_nobody_else_may_read_it(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    path = tmp_path / "backups"
    write_backup(compute, guest, path)
    found = restore_backup(path, tmp_path / "restored")
    places = [path, *path.iterdir(), tmp_path / "restored", *(Path(disk.ref) for disk in found)]
    assert not any(stat.S_IMODE(place.stat().st_mode) & 0o077 for place in places)


# --- interrupted ------------------------------------------------------------------------------------------------------


class Died(BaseException):
    """The process is gone: nothing is undone."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets a backup end at a call as if its process were killed there."""

    def dying(compute: virt.Compute, guest: virt.Instance, path: Path, at: tuple[type, str]) -> None:
        def die(*_: Any, **__: Any) -> None:
            raise Died

        with monkeypatch.context() as patch:
            patch.setattr(*at, die)
            patch.setattr(virt.Compute, "abort_backup", die)
            patch.setattr(BackupFolder, "sweep", lambda _: None)
            with pytest.raises(virt.errors.DriverBug):
                write_backup(compute, guest, path)

    return dying


@pytest.mark.parametrize(
    "at",
    [
        (virt.Compute, "backup_extents"),
        (virt.Compute, "read_backup"),
        (BackupFolder, "store"),
        (virt.Compute, "finish_backup"),
    ],
    ids=lambda at: at[1],
)
def test_partial_backup_is_never_taken_for_a_whole_one(
    compute: virt.Compute, guest: virt.Instance, tmp_path: Path, dying: Any, at: Any
) -> None:
    path = tmp_path / "backups"
    put(compute, guest, 0, b"first")
    first = write_backup(compute, guest, path)
    put(compute, guest, MiB(1), b"second")
    with compute_again(compute) as other:
        dying(other, guest, path, at)
    assert [manifest.number for manifest in BackupFolder(path).manifests()] == [1]
    assert compute.backup_points(guest) == [first.manifest.point]
    second = write_backup(compute, guest, path)
    assert second.manifest.since == 1
    assert restored(path, 2) == disk_now(compute, guest)
    assert {name.split(".")[0] for name in names(path)} == {"0001", "0002"}
    assert not [name for name in names(path) if name.endswith((".part", ".pending"))]


def compute_again(compute: virt.Compute) -> virt.Compute:
    """Another connection to the same world."""
    return virt.connect("fake", world=WORLDS[compute])


def test_backup_whose_writer_died_after_its_last_byte_counts(
    compute: virt.Compute, guest: virt.Instance, tmp_path: Path, dying: Any
) -> None:
    put(compute, guest, 0, b"first")
    with compute_again(compute) as other:
        dying(other, guest, tmp_path, (BackupFolder, "commit"))
    assert BackupFolder(tmp_path).manifests() == []
    put(compute, guest, MiB(1), b"second")
    written = write_backup(compute, guest, tmp_path)
    assert (written.manifest.number, written.manifest.since) == (2, 1)
    assert restored(tmp_path, 2) == disk_now(compute, guest)


def test_cancelled_backup_leaves_nothing(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    first = write_backup(compute, guest, tmp_path)
    before = names(tmp_path)
    put(compute, guest, MiB(1), b"changed")

    def cancel(operation: virt.Operation[Any]) -> None:
        if operation.stage == "copy the disks":
            operation.cancel()

    operation = submit_backup(compute, guest, tmp_path, on_progress=cancel)
    with pytest.raises(Cancelled):
        operation.result()
    assert names(tmp_path) == before
    assert compute.backup_points(guest) == [first.manifest.point]
    assert write_backup(compute, guest, tmp_path).manifest.since == 1


def test_failed_read_leaves_nothing(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    first = write_backup(compute, guest, tmp_path)
    before = names(tmp_path)
    put(compute, guest, MiB(1), b"changed")
    switches(compute).fail_at(Step.FINISH_BACKUP, StorageError("no", hint="none"))
    with pytest.raises(StorageError):
        write_backup(compute, guest, tmp_path)
    assert names(tmp_path) == before
    assert compute.backup_points(guest) == [first.manifest.point]


def test_one_writer_at_a_time(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    folder, inside, leave = BackupFolder(tmp_path), threading.Event(), threading.Event()

    def hold() -> None:
        with folder.held(guest.uuid):
            inside.set()
            leave.wait(60)

    holding = threading.Thread(target=hold)
    holding.start()
    assert inside.wait(60)
    with pytest.raises(Busy):
        write_backup(compute, guest, tmp_path)
    leave.set()
    holding.join()
    assert isinstance(write_backup(compute, guest, tmp_path), Written)


# --- refused ----------------------------------------------------------------------------------------------------------


def test_directory_is_one_guests(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    write_backup(compute, guest, tmp_path)
    with pytest.raises(InvalidSpec, match="directory of its own"):
        write_backup(compute, make(compute, "other"), tmp_path)


def test_forgotten_point_asks_for_a_full_backup(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    written = write_backup(compute, guest, tmp_path)
    compute.forget_backup_point(guest, written.manifest.point)
    with pytest.raises(BackupChainBroken):
        write_backup(compute, guest, tmp_path)
    assert write_backup(compute, guest, tmp_path, full=True).manifest.kind == "full"


def test_directory_that_cannot_be_written(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StorageError, PermissionDenied)):
        write_backup(compute, guest, tmp_path / "file" / "backups")
    assert compute.backup_points(guest) == []


def test_backup_that_lost_a_file_is_not_restored(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    path = tmp_path / "backups"
    for _ in range(2):
        put(compute, guest, 0, os.urandom(10))
        write_backup(compute, guest, path)
    (path / "0001.disk1.qcow2").unlink()
    with pytest.raises(StorageError, match=r"0001\.disk1\.qcow2"):
        restore_backup(path, tmp_path / "restored")
    assert names(tmp_path / "restored") == []
    with pytest.raises(InvalidSpec, match="one of: 1, 2"):
        restore_backup(path, tmp_path / "restored", number=3)
    with pytest.raises(InvalidSpec):
        restore_backup(tmp_path / "nothing", tmp_path / "restored")


def test_restoring_replaces_nothing(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    write_backup(compute, guest, tmp_path / "backups")
    (tmp_path / "disk1.qcow2").write_text("mine")
    with pytest.raises(InvalidSpec, match="disk1"):
        restore_backup(tmp_path / "backups", tmp_path)
    assert (tmp_path / "disk1.qcow2").read_text() == "mine"
    assert not (tmp_path / "disk0.qcow2").exists()


def test_file_that_stands_on_somebody_elses_is_refused(
    compute: virt.Compute, guest: virt.Instance, tmp_path: Path
) -> None:
    path = tmp_path / "backups"
    write_backup(compute, guest, path)
    secret = tmp_path / "secret.qcow2"
    secret.write_bytes((path / "0001.disk0.qcow2").read_bytes())
    document = json.loads((path / "0001.json").read_text())
    document["disks"][0] |= {"backing": "../secret.qcow2"}
    (path / "0001.json").write_text(json.dumps(document))
    with pytest.raises(StorageError, match="other directories"):
        restore_backup(path, tmp_path / "restored")
    document["disks"][0] |= {"backing": None}
    (path / "0001.json").write_text(json.dumps(document | {"since": None}))
    (path / "0001.disk0.qcow2").write_bytes(b"not an image" * 100)
    with pytest.raises(ImageRejected):
        restore_backup(path, tmp_path / "restored")


def test_restoring_removes_what_a_killed_process_left(
    compute: virt.Compute, guest: virt.Instance, tmp_path: Path
) -> None:
    write_backup(compute, guest, tmp_path / "backups")
    target = tmp_path / "restored"
    (target / ".restore-killed").mkdir(parents=True)
    (target / ".restore-killed" / "disk0.qcow2").write_text("half")
    restore_backup(tmp_path / "backups", target)
    assert names(target) == ["disk0.qcow2", "disk1.qcow2"]


def test_one_restores_at_a_time(compute: virt.Compute, guest: virt.Instance, tmp_path: Path) -> None:
    write_backup(compute, guest, tmp_path / "backups")
    target = tmp_path / "restored"
    with alone_in(target), pytest.raises(Busy, match="restores a backup"):
        restore_backup(tmp_path / "backups", target)
    assert names(target) == []
    restore_backup(tmp_path / "backups", target)


def test_backup_that_counts_although_nobody_was_told(
    compute: virt.Compute, guest: virt.Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint is lost right after a backup was finished there: the next call finds that it counts."""
    put(compute, guest, 0, b"first")
    write_backup(compute, guest, tmp_path)
    put(compute, guest, 0, b"second")
    finish, lost = compute.finish_backup, virt.ConnectionLost("the endpoint is gone")

    def finish_and_lose(session: Any) -> None:
        finish(session)
        raise lost

    def refuse(_: Any) -> None:
        raise lost

    with monkeypatch.context() as patch:
        patch.setattr(compute, "finish_backup", finish_and_lose)
        patch.setattr(compute, "abort_backup", refuse)
        with pytest.raises(virt.ConnectionLost):
            write_backup(compute, guest, tmp_path)
    third = write_backup(compute, guest, tmp_path)
    assert (third.manifest.number, third.manifest.since, third.read_bytes) == (3, 2, 0)
    assert compute.backup_points(guest) == [third.manifest.point]
    assert restored(tmp_path, None)[:6] == b"second"


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": 1},
        {"since": 7},
        {"number": "1"},
        {"number": True},
        {"disks": [{"id": "disk0", "file": "0001.disk0.qcow2", "size_bytes": "8"}]},
        {"disks": [{"id": "disk0", "file": "0001.disk0.qcow2", "size_bytes": -8}]},
        {"disks": [{"id": 0, "file": "0001.disk0.qcow2", "size_bytes": 8}]},
        {"disks": [{"id": "disk0", "file": None, "size_bytes": 8}]},
        {"disks": [{"id": "disk0", "file": "0001.disk0.qcow2", "size_bytes": 8, "backing": 1}]},
    ],
)
def test_manifest_that_makes_no_sense(
    compute: virt.Compute, guest: virt.Instance, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    """Not one that says of a file that it stands on itself, for example: its disk would have no end of layers."""
    path = tmp_path / "backups"
    write_backup(compute, guest, path)
    document = json.loads((path / "0001.json").read_text())
    if "since" in wrong:
        document["disks"][0]["backing"] = document["disks"][0]["file"]
    (path / "0001.json").write_text(json.dumps(document | wrong))
    with pytest.raises(StorageError, match="no manifest"):
        restore_backup(path, tmp_path / "restored")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "nova-virt backup 9"}', '{"format": "nova-virt backup 1"}']
)
def test_manifest_that_is_none(compute: virt.Compute, guest: virt.Instance, tmp_path: Path, text: str) -> None:
    write_backup(compute, guest, tmp_path)
    (tmp_path / "0001.json").write_text(text)
    with pytest.raises(StorageError):
        BackupFolder(tmp_path).manifests()
