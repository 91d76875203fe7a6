"""Volumes of pools while several processes and hosts work on them, or died while they did: what is complete stays."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, VirtError, VolumeExists
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageFormat, LocalTarget
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.claims import hold as hold_module
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.storage.pools import Pool
from nova_virt_libvirt.stored_volumes.name import BLANK, PREFIX, StoredName, volume_key

OWNER, POOL, SIZE = "nova-virt-tests", "nova-virt", MiB(8)
SPEC = StoredVolumeSpec(name="data", size_bytes=SIZE, id=uuid.UUID("5f0e6a33-54a9-4f0c-9f2c-6d2f4c0f8a11"))
NAME = StoredName(id=SPEC.identity(OWNER, POOL), owner=OWNER, name="data", origin=BLANK, format=ImageFormat.QCOW2)

Run = Callable[..., Any]


class Killed(BaseException):
    """In place of SIGKILL: nobody handles it."""


@pytest.fixture
def pool(native: Any) -> Iterator[Pool]:
    """The tests' pool; volumes that are there in the end are removed."""
    pool = Pool(native, native.storagePoolLookupByName(POOL))
    yield pool
    for name in [name for name in pool.names() if name.startswith(PREFIX)]:
        pool.remove(name)


@pytest.fixture
def made(pool: Pool, driver: Any, run: Run) -> StoredVolume:
    """A volume."""
    volume: StoredVolume = run(driver.create_volume, SPEC)
    return volume


@pytest.fixture
def claim(pool: Pool, driver: Any) -> Callable[[Phase], Any]:
    """Claims the volume."""

    def claim(phase: Phase) -> Any:
        records = Records(pool, driver.host.uuid)
        hold = records.create(volume_key(NAME.id), Record(uuid=NAME.id, owner=OWNER, fingerprint="", phase=phase))
        assert hold is not None
        hold.begin()
        return hold

    return claim


@pytest.fixture
def at_stage(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Makes an operation that does something when it comes to a stage."""

    def at_stage(wanted: Stage | str, act: Callable[[], object]) -> Any:
        op = operation()
        tell = op.stage

        def stage(stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
            tell(stage, cancel)
            if stage == wanted:
                act()

        op.stage = stage
        return op

    return at_stage


def file_of(volume: StoredVolume) -> tuple[int, int]:
    """Which file it is, and when it was written; looked at by its path, as only a test may."""
    found = Path(getattr(volume.connection, "path", "")).stat()
    return found.st_ino, found.st_mtime_ns


@pytest.mark.parametrize("verb", ["create_volume", "delete_volume", "destroy"])
def test_a_volume_in_use_outlives_its_dead_remover(
    verb: str, made: StoredVolume, claim: Any, spawn: Any, driver: Any, run: Run
) -> None:
    """A remover claims before he looks for guests; one that died in between has removed nothing."""
    guest = spawn(volumes=[made.attachable()], power_on=False)
    before = file_of(made)
    claim(Phase.DELETING).end()
    if verb == "create_volume":
        assert run(driver.create_volume, SPEC) == made
    elif verb == "destroy":
        assert run(driver.destroy, InstanceRef(uuid=made.id)) is True
    else:
        with pytest.raises(Busy, match=str(guest.uuid)):
            run(driver.delete_volume, made.id)
        assert run(driver.destroy, InstanceRef(uuid=made.id)) is True  # the claim
    assert file_of(made) == before
    assert driver.stored_volumes() == (made,)
    assert driver.leftovers() == []


def test_who_only_looked_leaves_a_complete_volume(
    pool: Pool, driver: Any, make_driver: Any, run: Run, at_stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that make it, the second finds it made under his own claim; if he dies then, it stays."""
    other, acquire = make_driver(), Records.acquire

    def dying(records: Records, *arguments: Any) -> Any:
        acquire(records, *arguments).end()
        raise Killed

    def meanwhile() -> None:
        run(other.create_volume, SPEC)
        monkeypatch.setattr(Records, "acquire", dying)

    with pytest.raises(Killed):
        driver.create_volume(SPEC, at_stage(Stage.CLAIM, meanwhile))
    monkeypatch.undo()
    (left,) = driver.leftovers()
    assert (left.uuid, left.name) == (NAME.id, f"{volume_key(NAME.id)}.claim")
    assert run(driver.destroy, InstanceRef(uuid=NAME.id)) is True
    assert [volume.id for volume in driver.stored_volumes()] == [NAME.id]
    assert driver.leftovers() == []


def test_a_late_maker_leaves_the_volume_that_another_made(
    pool: Pool, driver: Any, make_driver: Any, run: Run, at_stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken for dead, he cleans up nothing: what is there is not his own any more."""
    monkeypatch.setattr(hold_module, "LEASE", -1.0)  # each lease is over as soon as it is written
    monkeypatch.setattr(hold_module.Hold, "_renew", lambda _: None)
    other = make_driver()
    with pytest.raises(Busy, match="took over"):
        driver.create_volume(SPEC, at_stage(Stage.DISKS, lambda: run(other.create_volume, SPEC)))
    assert [volume.id for volume in driver.stored_volumes()] == [NAME.id]


def test_a_volume_of_another_host_stays(pool: Pool, driver: Any, run: Run, at_stage: Any) -> None:
    """Where a pool is shared, libvirt does not know what other hosts put there until it looks."""
    somewhere = run(driver.create_volume, StoredVolumeSpec(name="somewhere", size_bytes=SIZE))
    path = Path(somewhere.connection.path).parent / NAME.encode()
    create = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SIZE)]
    made = driver.create_volume(SPEC, at_stage(Stage.DISKS, lambda: subprocess.run(create, check=True)))
    assert made.id == NAME.id
    assert made in driver.stored_volumes()
    assert driver.leftovers() == []


def test_a_failure_right_after_the_claim_holds_up_nobody(
    pool: Pool, driver: Any, operation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire, list_all = Records.acquire, libvirt.virStoragePool.listAllVolumes

    def failing(*_: Any) -> Any:
        raise libvirt.libvirtError("no answer")

    def acquired(records: Records, *arguments: Any) -> Any:
        hold = acquire(records, *arguments)
        monkeypatch.setattr(libvirt.virStoragePool, "listAllVolumes", failing)
        return hold

    monkeypatch.setattr(Records, "acquire", acquired)
    with pytest.raises(VirtError):
        driver.create_volume(SPEC, operation())
    monkeypatch.setattr(Records, "acquire", acquire)
    monkeypatch.setattr(libvirt.virStoragePool, "listAllVolumes", list_all)
    assert driver.create_volume(SPEC, operation(10.0)).id == NAME.id


def test_one_id_is_one_volume_in_all_pools(
    pool: Pool, native: Any, driver: Any, make_driver: Any, run: Run, at_stage: Any, tmp_path: Path
) -> None:
    """Also when two make it at the same time."""
    directory = tmp_path / "second"
    directory.mkdir()
    text = f"<pool type='dir'><name>second</name><target><path>{directory}</path></target></pool>"
    second, other = native.storagePoolCreateXML(text), make_driver()
    try:
        there = StoredVolumeSpec(name="data", size_bytes=SIZE, id=SPEC.id, pool="second")
        with pytest.raises(VolumeExists, match="second"):
            driver.create_volume(SPEC, at_stage(Stage.CLAIM, lambda: run(other.create_volume, there)))
        assert [volume.pool for volume in driver.stored_volumes()] == ["second"]
        assert driver.leftovers() == []
        assert run(driver.delete_volume, SPEC.id)
    finally:
        second.destroy()


def test_a_volume_that_changes_while_it_is_read(
    made: StoredVolume, driver: Any, operation: Any, tmp_path: Path
) -> None:
    """A guest may start, write and stop meanwhile: what was read is neither the one nor the other."""
    op, path = operation(), Path(getattr(made.connection, "path", ""))
    tell = op.progress

    def write(done: float, total: float) -> None:
        tell(done, total)
        with path.open("r+b") as file:
            file.write(path.read_bytes()[:1])

    op.progress = write
    with pytest.raises(Busy, match="while it was read"):
        driver.download_volume(made.id, LocalTarget(tmp_path / "torn"), op)
    assert list(tmp_path.glob("*torn*")) == []


# --- guests that come just then -------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [True, False])
def test_no_guest_gets_a_volume_that_is_going(
    on: bool, made: StoredVolume, driver: Any, make_driver: Any, run: Run, spawn: Any, at_stage: Any
) -> None:
    """Whoever removes it has looked for guests already."""
    guest, other = spawn(power_on=on), make_driver()

    def attach() -> None:
        with pytest.raises(Busy, match="being removed"):
            run(other.attach_volume, guest.ref, made.attachable())

    assert driver.delete_volume(made.id, at_stage(Stage.CLEAN_UP, attach)) is True
    assert other.volumes(guest.ref) == ()
    with pytest.raises(Busy, match="being removed"):
        run(other.attach_volume, guest.ref, made.attachable())  # it is gone
    assert other.volumes(guest.ref) == ()


def test_no_guest_is_made_with_a_volume_that_is_going(
    made: StoredVolume, driver: Any, make_driver: Any, run: Run, spawn: Any, at_stage: Any
) -> None:
    def another() -> None:
        with pytest.raises(Busy, match="being removed"):
            spawn(volumes=[made.attachable()], power_on=False)

    assert driver.delete_volume(made.id, at_stage(Stage.CLEAN_UP, another)) is True


def test_no_guest_changes_to_a_volume_that_is_going(
    made: StoredVolume, driver: Any, make_driver: Any, run: Run, spawn: Any, at_stage: Any
) -> None:
    old = run(driver.create_volume, StoredVolumeSpec(name="old", size_bytes=SIZE))
    guest, other = spawn(volumes=[old.attachable()]), make_driver()

    def swap() -> None:
        with pytest.raises(Busy, match="being removed"):
            run(other.swap_volume, guest.ref, str(old.id), made.attachable())

    assert driver.delete_volume(made.id, at_stage(Stage.CLEAN_UP, swap)) is True
    assert [volume.id for volume in driver.volumes(guest.ref)] == [str(old.id)]


def test_a_volume_that_cannot_be_attached_is_not_noted(driver: Any, run: Run, spawn: Any, made: StoredVolume) -> None:
    """What was written to the definition for others to see is taken back."""
    guest = spawn()
    path = Path(getattr(made.connection, "path", ""))
    content = path.read_bytes()
    path.write_bytes(b"no qcow2")
    with pytest.raises(VirtError):
        run(driver.attach_volume, guest.ref, made.attachable())
    assert driver.volumes(guest.ref) == ()
    path.write_bytes(content)
    run(driver.attach_volume, guest.ref, made.attachable())
