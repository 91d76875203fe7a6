"""Volumes that the driver keeps in pools: made, filled, attached to guests, grown, read back and removed."""

import dataclasses
import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest
from lxml import etree

from nova_virt_api.errors import (
    Busy,
    Cancelled,
    ImageRejected,
    InvalidSpec,
    PermissionDenied,
    StorageError,
    VolumeExists,
    VolumeNotFound,
)
from nova_virt_api.model.disk import Disk, DiskBus
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageFormat, LocalFile, LocalTarget, Native
from nova_virt_api.model.instance import PowerOff, Scope
from nova_virt_api.model.record import Record
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.storage.pools import Pool
from nova_virt_libvirt.stored_volumes.name import PREFIX, StoredName

POOL = "nova-virt"
SIZE = MiB(8)
WRITTEN = MiB(1)
RAW, QCOW2 = ImageFormat.RAW, ImageFormat.QCOW2

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def no_volume_left(native: Any) -> Iterator[None]:
    """What is still there in the end is removed, and tells that a test left it; tests remove what they expect."""
    yield
    pool = native.storagePoolLookupByName(POOL)
    left = [volume for volume in pool.listAllVolumes(0) if volume.name().startswith(PREFIX)]
    names = [volume.name() for volume in left]
    for volume in left:
        volume.delete(0)
    assert not names, f"left behind: {names}"


@pytest.fixture
def pool(native: Any) -> Pool:
    """The tests' pool."""
    return Pool(native, native.storagePoolLookupByName(POOL))


@pytest.fixture
def make_image(tmp_path: Path) -> Callable[..., LocalFile]:
    """Makes an image with something written at its beginning."""

    def make(kind: ImageFormat = QCOW2, byte: int = 7) -> LocalFile:
        path = tmp_path / f"image-{byte}.{kind.value}"
        subprocess.run(["qemu-img", "create", "-q", "-f", kind.value, str(path), str(SIZE)], check=True)
        write = f"write -P {byte} 0 {WRITTEN}"
        subprocess.run(["qemu-io", "-f", kind.value, "-c", write, str(path)], check=True, capture_output=True)
        return LocalFile(path, format=kind)

    return make


def monitor(native: Any, guest: Any, execute: str, **arguments: Any) -> None:
    """Tell a running guest's QEMU something."""
    domain = native.lookupByUUID(guest.uuid.bytes)
    said = libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": execute, "arguments": arguments}), 0)
    assert "error" not in json.loads(said), said


def disk_of(native: Any, guest: Any, serial: str) -> Any:
    """The disk with this serial number, as the guest runs."""
    definition = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(0))
    (disk,) = [disk for disk in definition.iterfind("devices/disk") if disk.findtext("serial") == serial]
    return disk


def write(native: Any, guest: Any, serial: str, command: str) -> None:
    """Let a running guest's QEMU write to one of its disks, as the guest would."""
    alias = disk_of(native, guest, serial).find("alias").get("name")
    flag = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
    domain = native.lookupByUUID(guest.uuid.bytes)
    said = libvirt_qemu.qemuMonitorCommand(domain, f'qemu-io -d /machine/peripheral/{alias} "{command}"', flag)
    assert said == "", said  # else it is an error


def content(native: Any, guest: Any, serial: str, directory: Path) -> bytes:
    """What a running guest reads from one of its disks: its QEMU exports it."""
    nodes = json.loads(
        libvirt_qemu.qemuMonitorCommand(
            native.lookupByUUID(guest.uuid.bytes), json.dumps({"execute": "query-named-block-nodes"}), 0
        )
    )["return"]
    path = disk_of(native, guest, serial).find("source").get("file")
    (node,) = [node["node-name"] for node in nodes if node["file"] == path and "format" in node["node-name"]]
    socket, copy = directory / "guest.socket", directory / "guest.raw"
    monitor(native, guest, "nbd-server-start", addr={"type": "unix", "data": {"path": str(socket)}})
    monitor(native, guest, "block-export-add", **{"type": "nbd", "id": "test", "node-name": node, "name": "disk"})
    try:
        address = f"nbd+unix:///disk?socket={socket}"
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "raw", address, str(copy)], check=True, timeout=60)
    finally:
        monitor(native, guest, "nbd-server-stop")
    return copy.read_bytes()


@pytest.mark.parametrize("kind", [QCOW2, RAW])
@pytest.mark.parametrize("given", [QCOW2, RAW])
def test_a_volume_through_its_life(
    kind: ImageFormat,
    given: ImageFormat,
    driver: Any,
    run: Run,
    spawn: Any,
    native: Any,
    make_image: Any,
    tmp_path: Path,
) -> None:
    source = make_image(given)
    spec = StoredVolumeSpec(name="data", format=kind, pool=POOL)
    made = run(driver.upload_volume, spec, source)
    assert (made.name, made.pool, made.size_bytes, made.format, made.owned) == ("data", POOL, SIZE, kind, True)
    assert run(driver.upload_volume, spec, source) == made
    assert made in driver.stored_volumes()

    guest = spawn().ref
    wanted = dataclasses.replace(made.attachable(), bus=DiskBus.SCSI, serial="data")
    run(driver.attach_volume, guest, wanted)
    assert driver.stored_volume(made.id).guests == (guest.uuid,)
    assert content(native, guest, "data", tmp_path) == b"\7" * WRITTEN + bytes(SIZE - WRITTEN)
    write(native, guest, "data", f"write -P 9 {WRITTEN} {WRITTEN}")
    for verb, more in ((driver.delete_volume, ()), (driver.resize_volume, (2 * SIZE,))):
        with pytest.raises(Busy, match=str(guest.uuid)):
            run(verb, made.id, *more)
    with pytest.raises(Busy, match=str(guest.uuid)):
        run(driver.download_volume, made.id, LocalTarget(tmp_path / "no", kind))
    run(driver.detach_volume, guest, wanted.id)
    assert driver.stored_volume(made.id).guests == ()

    for _ in range(2):
        assert run(driver.resize_volume, made.id, 2 * SIZE).size_bytes == 2 * SIZE
    with pytest.raises(InvalidSpec, match="only grows"):
        run(driver.resize_volume, made.id, SIZE)
    assert run(driver.upload_volume, spec, source).size_bytes == 2 * SIZE
    check_download(driver, run, made, tmp_path, source)
    assert [run(driver.delete_volume, made.id) for _ in range(2)] == [True, False]
    assert driver.stored_volumes() == ()
    with pytest.raises(VolumeNotFound):
        driver.stored_volume(made.id)


def check_download(driver: Any, run: Run, made: StoredVolume, directory: Path, source: LocalFile) -> None:
    """See that what comes back is what was sent and written, in a file of its own that is never written over."""
    assert made.format is not None
    target = LocalTarget(directory / "back", made.format)
    found = run(driver.download_volume, made.id, target)
    assert (found.format, found.virtual_size_bytes, found.ref) == (made.format, 2 * SIZE, str(target.path))
    assert Path(target.path).stat().st_mode & 0o777 == 0o600
    raw = directory / "back.raw"
    subprocess.run(
        ["qemu-img", "convert", "-f", made.format.value, "-O", "raw", str(target.path), str(raw)], check=True
    )
    content = raw.read_bytes()
    assert content == b"\7" * WRITTEN + b"\11" * WRITTEN + bytes(2 * SIZE - 2 * WRITTEN)
    with pytest.raises(InvalidSpec, match="nothing yet"):
        run(driver.download_volume, made.id, target)
    other = next(one for one in (RAW, QCOW2) if one is not made.format)
    with pytest.raises(InvalidSpec, match=r"target\.format"):
        run(driver.download_volume, made.id, LocalTarget(directory / "other", other))
    assert sorted(path.name for path in directory.glob("*back*")) == ["back", "back.raw"]


@pytest.mark.parametrize("kind", [QCOW2, RAW])
def test_an_empty_volume(kind: ImageFormat, driver: Any, run: Run, native: Any, spawn: Any, tmp_path: Path) -> None:
    spec = StoredVolumeSpec(name="empty", size_bytes=SIZE - 1, format=kind, id=uuid.uuid4())
    made = run(driver.create_volume, spec)
    assert (made.id, made.size_bytes) == (spec.id, SIZE)
    assert made.allocation_bytes < MiB(1)
    assert run(driver.create_volume, dataclasses.replace(spec, size_bytes=SIZE // 2)) == made
    guest = spawn(volumes=[dataclasses.replace(made.attachable(), serial="empty")], power_on=False).ref
    assert driver.stored_volume(made.id).guests == (guest.uuid,)
    assert run(driver.resize_volume, made.id, 2 * SIZE).size_bytes == 2 * SIZE  # the guest is off
    with pytest.raises(Busy):
        run(driver.delete_volume, made.id)
    run(driver.power_on, guest)
    assert content(native, guest, "empty", tmp_path) == bytes(2 * SIZE)
    run(driver.destroy, guest)
    assert driver.stored_volume(made.id).size_bytes == 2 * SIZE
    assert run(driver.delete_volume, made.id)


def test_a_running_guest_sees_it_grow(driver: Any, run: Run, spawn: Any) -> None:
    made = run(driver.create_volume, StoredVolumeSpec(name="grows", size_bytes=SIZE))
    guest = spawn(volumes=[made.attachable()]).ref
    run(driver.extend_volume, guest, str(made.id), 2 * SIZE)
    assert driver.stored_volume(made.id).size_bytes == 2 * SIZE
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.detach_volume, guest, str(made.id))
    assert run(driver.delete_volume, made.id)


def test_one_name_is_one_volume(driver: Any, make_driver: Any, run: Run, make_image: Any, tmp_path: Path) -> None:
    spec = StoredVolumeSpec(name="one", size_bytes=SIZE)
    made = run(driver.create_volume, spec)
    for other in (
        dataclasses.replace(spec, size_bytes=2 * SIZE),
        dataclasses.replace(spec, format=RAW),
        dataclasses.replace(spec, name="two", id=made.id),
    ):
        with pytest.raises(VolumeExists):
            run(driver.create_volume, other)
    with pytest.raises(VolumeExists):
        run(driver.upload_volume, spec, make_image())
    stranger = make_driver(owner="somebody-else")
    theirs = run(stranger.create_volume, spec)
    assert theirs.id != made.id
    assert driver.stored_volumes() == (made,)
    seen = {volume.id: volume.owned for volume in driver.stored_volumes(scope=Scope.ALL)}
    assert (seen[made.id], seen[theirs.id]) == (True, False)
    target = LocalTarget(tmp_path / "theirs")
    for verb, more in (
        (driver.delete_volume, ()),
        (driver.resize_volume, (2 * SIZE,)),
        (driver.download_volume, (target,)),
    ):
        with pytest.raises(PermissionDenied, match="somebody-else"):
            run(verb, theirs.id, *more)
    assert run(driver.delete_volume, made.id)
    assert run(stranger.delete_volume, theirs.id)


def test_only_volumes_are_listed(
    driver: Any, run: Run, spawn: Any, pool: Pool, make_image: Any, tmp_path: Path
) -> None:
    """A guest's disks, copies of images and claims are no volumes; those of other making are, if one asks for them."""
    guest = spawn(disks=[Disk(source=make_image(), size_bytes=SIZE)], power_on=False)
    pool.create("by-hand.raw", SIZE, RAW)
    try:
        assert driver.stored_volumes() == ()
        (found,) = [one for one in driver.stored_volumes(scope=Scope.ALL) if one.name == "by-hand.raw"]
        assert len(driver.stored_volumes(scope=Scope.ALL)) == 1
        assert (found.owner, found.owned, found.size_bytes, found.format) == (None, False, SIZE, RAW)
        assert driver.stored_volume(found.id) == dataclasses.replace(found, guests=())
        run(driver.attach_volume, guest.ref, found.attachable())
        assert driver.stored_volume(found.id).guests == (guest.uuid,)
        target = LocalTarget(tmp_path / "foreign", RAW)
        for verb, more in (
            (driver.delete_volume, ()),
            (driver.resize_volume, (2 * SIZE,)),
            (driver.download_volume, (target,)),
        ):
            with pytest.raises(PermissionDenied, match="not made by this API"):
                run(verb, found.id, *more)
        assert run(driver.delete_volume, guest.uuid) is False
        run(driver.detach_volume, guest.ref, str(found.id))
    finally:
        pool.remove("by-hand.raw")


def test_a_listing_takes_a_request_for_each_pool(driver: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one for each volume that is shown, others' not counted."""
    made = [run(driver.create_volume, StoredVolumeSpec(name=f"v{i}", size_bytes=SIZE)) for i in range(3)]
    requests: list[str] = []
    for kind in (libvirt.virConnect, libvirt.virStoragePool, libvirt.virStorageVol):
        for name in ("listAllStoragePools", "listAllVolumes", "XMLDesc", "info", "infoFlags", "path", "listVolumes"):
            if hasattr(kind, name):
                monkeypatch.setattr(kind, name, counting(getattr(kind, name), name, requests))
    assert {volume.id for volume in driver.stored_volumes()} == {volume.id for volume in made}
    pools = requests.count("listAllVolumes")
    assert sorted(requests) == ["XMLDesc"] * 3 + ["listAllStoragePools"] + ["listAllVolumes"] * pools
    for volume in made:
        run(driver.delete_volume, volume.id)


def counting(method: Callable[..., Any], name: str, requests: list[str]) -> Callable[..., Any]:
    """The method, noting its calls."""

    def counted(*arguments: Any, **more: Any) -> Any:
        requests.append(name)
        return method(*arguments, **more)

    return counted


def test_images_that_will_not_do(driver: Any, run: Run, make_image: Any, tmp_path: Path, pool: Pool) -> None:
    before = pool.names()
    with pytest.raises(InvalidSpec, match=r"at least 8388608"):
        run(driver.upload_volume, StoredVolumeSpec(name="small", size_bytes=SIZE // 2), make_image())
    backed = tmp_path / "backed.qcow2"
    base = make_image().path
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(backed)], check=True)
    with pytest.raises(ImageRejected, match="backing file"):
        run(driver.upload_volume, StoredVolumeSpec(name="backed"), LocalFile(backed))
    with pytest.raises(InvalidSpec, match="size_bytes"):
        run(driver.create_volume, StoredVolumeSpec(name="sizeless"))
    assert pool.names() == before


def test_a_guest_cannot_mislead(driver: Any, run: Run, make_image: Any, tmp_path: Path, pool: Pool) -> None:
    """What a guest has written to a raw volume may look like another format, with other files to be opened."""
    made = run(driver.create_volume, StoredVolumeSpec(name="liar", size_bytes=SIZE, format=RAW))
    victim = tmp_path / "victim"
    victim.write_bytes(bytes(SIZE))
    lie = tmp_path / "lie.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(victim), "-F", "raw", str(lie), str(64 * SIZE)],
        check=True,
    )
    assert isinstance(made.connection.path, str)
    with Path(made.connection.path).open("r+b") as file:  # by path, as only a test may
        file.write(lie.read_bytes())
    pool.refresh()
    (seen,) = driver.stored_volumes()
    assert (seen.size_bytes, seen.format, seen.connection) == (SIZE, RAW, made.connection)
    with pytest.raises(StorageError, match="look like qcow2"):
        run(driver.resize_volume, made.id, 2 * SIZE)
    with pytest.raises(StorageError, match="not safe"):
        run(driver.download_volume, made.id, LocalTarget(tmp_path / "lied", RAW))
    assert not (tmp_path / "lied").exists()
    assert run(driver.delete_volume, made.id)


def test_a_cancelled_upload_leaves_nothing(
    driver: Any, operation: Any, make_image: Any, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    op = operation()
    send = libvirt.virStream.send

    def cancelling(stream: Any, data: bytes) -> Any:
        if len(data) > 8192:  # not a claim
            op.cancel()
        return send(stream, data)

    monkeypatch.setattr(libvirt.virStream, "send", cancelling)
    before = set(pool.names())
    with pytest.raises(Cancelled):
        driver.upload_volume(StoredVolumeSpec(name="cancelled"), make_image(RAW), op)
    assert (set(pool.names()), driver.stored_volumes(), driver.leftovers()) == (before, (), [])


def test_two_make_one(driver: Any, make_driver: Any, operation: Any, make_image: Any) -> None:
    spec, source, made = StoredVolumeSpec(name="both"), make_image(), []
    drivers = [driver, make_driver(), make_driver()]
    threads = [
        threading.Thread(target=lambda one=one: made.append(one.upload_volume(spec, source, operation(120.0))))
        for one in drivers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    assert len({volume.id for volume in made}) == 1
    assert driver.delete_volume(made[0].id, operation())


def test_who_makes_one_holds_up_nobody_for_ever(driver: Any, run: Run, pool: Pool, operation: Any) -> None:
    """A volume that somebody is making now is not there yet; whoever wants it waits until the deadline."""
    identity = uuid.uuid4()
    spec = StoredVolumeSpec(name="held", size_bytes=SIZE, id=identity)
    record = Record(uuid=identity, owner="nova-virt-tests", fingerprint="")
    hold = Records(pool, driver.host.uuid).create(f"{PREFIX}{identity}", record)
    assert hold is not None
    hold.begin()
    assert driver.leftovers() == []
    for verb, wanted in ((driver.create_volume, spec), (driver.delete_volume, identity)):
        with pytest.raises(Busy):
            verb(wanted, operation(2.0))
    hold.end()  # as if it had died
    assert {left.uuid for left in driver.leftovers()} == {identity}
    made = run(driver.create_volume, spec)
    assert (driver.leftovers(), driver.stored_volumes()) == ([], (made,))
    assert run(driver.destroy, InstanceRef(uuid=made.id)) is False
    assert run(driver.delete_volume, made.id)


def test_a_guest_from_a_volume(driver: Any, run: Run, spawn: Any, make_image: Any) -> None:
    """A volume serves as an image too, by its name in libvirt."""
    made = run(driver.upload_volume, StoredVolumeSpec(name="image"), make_image())
    (name,) = [one for one in driver.site.connection().storagePoolLookupByName(POOL).listVolumes() if PREFIX in one]
    said = StoredName.decode(name)
    assert said is not None
    assert said.id == made.id
    spawn(disks=[Disk(source=Native(f"{POOL}/{name}"), size_bytes=SIZE)])
    assert run(driver.delete_volume, made.id)


def test_a_file_that_somebody_removed_is_no_volume(driver: Any, run: Run, pool: Pool) -> None:
    """libvirt lists it until it looks again."""
    made, stays = (
        run(driver.create_volume, StoredVolumeSpec(name=name, size_bytes=SIZE)) for name in ("gone", "stays")
    )
    Path(made.connection.path).unlink()
    assert driver.stored_volumes() == (stays,)
    with pytest.raises(VolumeNotFound):
        run(driver.resize_volume, made.id, 2 * SIZE)
    assert run(driver.delete_volume, stays.id)
    pool.refresh()
    assert run(driver.delete_volume, made.id) is False
