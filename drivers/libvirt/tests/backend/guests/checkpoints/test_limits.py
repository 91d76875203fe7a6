"""Checkpoints under hard conditions: deep chains, a full pool, cancels, UEFI, what else is done with the guest."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import (
    BackupChainBroken,
    Cancelled,
    InvalidSpec,
    NoCapacity,
    NotSupported,
    StateAfter,
    StorageError,
)
from nova_virt_api.model.backup import BackupPoint
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import LocalTarget
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.spec import Firmware, InstanceUpdate
from nova_virt_api.model.units import MiB

MAGIC = b"set by the guest"


@pytest.mark.timeout(300)
def test_twenty_deep(guest: Any) -> None:
    """A guest with twenty checkpoints starts, goes back to each, and is again what it was when all are forgotten."""
    before = guest.volumes()
    guest.on()
    for number in range(1, 21):
        guest.write(number)
        guest.create(f"at {number}")
    guest.off()
    guest.on()
    guest.write(21)
    for number in (13, 20, 1):
        guest.revert(f"at {number}")
        assert guest.reads(number)
    guest.revert("at 20")
    guest.on()
    guest.delete("at 1", children=True)
    assert guest.names() == []
    assert guest.volumes() == before
    guest.off()
    assert guest.reads(20)


def test_branches_share_what_is_below_them(guest: Any) -> None:
    """A checkpoint that two others came from can be forgotten; its room is given back with one of these."""
    before = guest.volumes()
    guest.write(1)
    guest.write(1, at=3 * 65536)
    guest.create("root")
    guest.write(2)
    guest.create("left")
    guest.revert("root")
    guest.write(3)
    guest.create("right")
    guest.delete("root")
    assert [(info.name, info.parent) for info in guest.driver.checkpoints(guest.ref)] == [
        ("left", None),
        ("right", None),
    ]
    guest.revert("left")
    assert guest.reads(2)
    assert guest.reads(1, at=3 * 65536)
    guest.on()
    guest.delete("left")
    guest.off()
    guest.revert("right")
    assert guest.reads(3)
    assert guest.reads(1, at=3 * 65536)
    guest.delete("right")
    assert guest.volumes() == before
    assert guest.reads(3)


def test_joining_a_branch_that_is_not_in_use(guest: Any) -> None:
    """While the guest runs on one branch, checkpoints of another are joined by a machine that runs nothing."""
    guest.write(1)
    guest.create("root")
    for number in (2, 3, 4):
        guest.write(number)
        guest.create(f"at {number}")
    guest.revert("root")
    guest.on()
    guest.write(5)
    volumes = len(guest.volumes())
    guest.delete("at 3")
    guest.delete("at 4")
    assert len(guest.volumes()) == volumes - 4
    assert guest.state() is PowerState.RUNNING
    guest.off()
    assert guest.reads(5)
    guest.revert("at 2")
    assert guest.reads(2)
    guest.revert("root")
    assert guest.reads(1)


@contextmanager
def filled(pool: Any, *, room: int) -> Iterator[None]:
    """Leave so many bytes in a pool."""
    pool.refresh(0)
    size = str(pool.info()[3] - room)
    filler = E.volume(E.name("filler"), E.capacity(size), E.allocation(size), E.target(E.format(type="raw")))
    volume = pool.createXML(etree.tostring(filler, encoding="unicode"), 0)
    try:
        yield
    finally:
        volume.delete(0)


def test_full_pool(make_guest: Callable[..., Any], raw: Any, small_pool: str, run: Any) -> None:
    """Where there is no room for the memory, the guest runs on, and nothing is left."""
    guest = make_guest(boots=False, disks=[Disk(source=Blank(), size_bytes=MiB(4), pool=small_pool)])
    guest.on()
    pool = raw().storagePoolLookupByName(small_pool)
    with filled(pool, room=768 * 1024):
        before = sorted(pool.listVolumes())
        with pytest.raises((NoCapacity, StorageError)) as caught:
            guest.create("now", memory=True)
        assert caught.value.state_after is StateAfter.UNCHANGED
        assert (guest.state(), guest.names()) == (PowerState.RUNNING, [])
        pool.refresh(0)
        assert sorted(pool.listVolumes()) == before
    guest.create("now")
    for block in range(1, 17):
        guest.write(1, at=block * 65536)
    with filled(pool, room=256 * 1024), pytest.raises(StorageError) as caught:
        guest.delete("now")
    assert caught.value.state_after is StateAfter.CHANGED
    assert (guest.state(), guest.names()) == (PowerState.RUNNING, [])
    guest.delete("now")
    assert [path for path in guest.paths() if ".at-" in path] == []
    run(guest.driver.destroy, guest.ref)


def test_cancelled_joining_is_finished_by_the_next(guest: Any) -> None:
    """A cancel during the joining says that something was changed; the same call again gives back the rest."""
    guest.write(1)
    guest.create("one")
    guest.create("two")
    volumes = len(guest.volumes())
    seen: list[str] = []

    def cancel(operation: Operation[Any]) -> None:
        seen.append(operation.stage)
        if operation.stage == "join disks":
            operation.cancel()

    operation = Operation[Any]("delete_checkpoint", guest.ref.uuid, timeout=60.0, on_progress=cancel)
    operation.begin()
    with pytest.raises(Cancelled) as caught:
        guest.driver.delete_checkpoint(guest.ref, "one", DriverSide(operation))
    assert caught.value.state_after is StateAfter.CHANGED
    assert "join disks" in seen
    assert guest.names() == ["two"]
    guest.delete("one")
    assert len(guest.volumes()) == volumes - 2
    guest.revert("two")
    assert guest.reads(1)


def test_memory_tells_progress_and_is_cancelled(make_guest: Callable[..., Any]) -> None:
    """A cancel while memory is kept leaves the whole checkpoint or nothing; the guest runs on."""
    guest = make_guest(memory_bytes=MiB(256))
    guest.on()
    before = guest.volumes()
    told: list[tuple[float, float]] = []

    def cancel(operation: Operation[Any]) -> None:
        if operation.stage == "keep the memory":
            told.append(operation.counters)
            if told[-1][1]:
                operation.cancel()

    operation = Operation[Any]("create_checkpoint", guest.ref.uuid, timeout=60.0, on_progress=cancel)
    operation.begin()
    cancelled = None
    try:
        guest.driver.create_checkpoint(guest.ref, "now", DriverSide(operation), memory=True)
    except Cancelled as error:
        cancelled = error
    assert guest.names() == ([] if cancelled else ["now"])  # all or nothing: it may have been too fast
    assert cancelled is None or cancelled.state_after is StateAfter.UNCHANGED
    guest.delete("now")
    assert told
    assert guest.state() is PowerState.RUNNING
    assert guest.volumes() == before


def test_firmware_variables_come_back_with_the_memory(make_guest: Callable[..., Any], daemon: Any, run: Any) -> None:
    """A guest with UEFI goes back, on and off; a checkpoint with memory has its variables too."""
    guest = make_guest(firmware=Firmware.UEFI, memory_bytes=MiB(128))
    guest.write(1)
    guest.on()
    (path,) = guest.domain_xml().xpath("os/nvram/text()")
    variables = daemon.directory / "lib" / Path(path).relative_to("/var/lib/libvirt")
    guest.domain.suspend()
    then = variables.read_bytes()
    guest.create("with memory", memory=True)
    guest.create("disks")
    guest.off()
    guest.write(2)
    now = variables.read_bytes()
    variables.write_bytes(now[: -len(MAGIC)] + MAGIC)
    guest.revert("with memory")
    assert guest.state() is PowerState.PAUSED
    guest.domain.resume()
    assert variables.read_bytes()[-len(MAGIC) :] == then[-len(MAGIC) :]
    guest.revert("disks")
    assert guest.state() is PowerState.SHUTDOWN
    assert guest.reads(1)
    guest.delete("with memory")
    guest.on()
    guest.delete("disks")


def test_labels_and_name_stay(guest: Any, run: Any) -> None:
    """What was changed of the guest itself since a checkpoint stays when it goes back, also with memory."""
    guest.on()
    guest.create("one", memory=True)
    run(guest.driver.update, guest.ref, InstanceUpdate(labels={"tier": "front"}))
    guest.create("two")
    guest.revert("one")
    assert guest.driver.instance(guest.ref, fresh=True).labels == {"tier": "front"}
    assert guest.names() == ["one", "two"]
    guest.off()
    assert guest.names() == ["one", "two"]
    run(guest.driver.update, guest.ref, InstanceUpdate(name="renamed"))
    with pytest.raises(NotSupported, match="pointed-0"):
        guest.revert("one")
    guest.revert("two")
    assert guest.driver.instance(guest.ref, fresh=True).name == "renamed"


def test_disk_that_is_not_its_own_stays_out(guest: Any, raw: Any, tmp_path: Path) -> None:
    """A disk that is no volume of the guest's is left as it is, and keeps memory from being a part of checkpoints."""
    other = tmp_path / "other.raw"
    other.write_bytes(bytes(MiB(1)))
    tmp_path.chmod(0o755)
    definition = guest.domain_xml()
    disk = E.disk(
        E.driver(name="qemu", type="raw"), E.source(file=str(other)), E.target(dev="vdc", bus="virtio"), type="file"
    )
    definition.find("devices").append(disk)
    raw().defineXML(etree.tostring(definition, encoding="unicode"))
    guest.create("off", memory=True)
    guest.on()
    with pytest.raises(InvalidSpec, match="vdc"):
        guest.create("on", memory=True)
    guest.create("on")
    assert guest.paths()[2] == str(other)
    guest.revert("off")
    assert guest.paths()[2] == str(other)


def test_disk_that_was_taken_away_keeps_its_content(guest: Any, raw: Any) -> None:
    """A disk that somebody takes away by other means loses nothing; with memory it is there again, as it was then."""
    guest.on()
    guest.write(1, disk=1)
    guest.create("one", memory=True)
    guest.write(2, disk=1)
    guest.off()
    definition = guest.domain_xml()
    disk = definition.xpath("devices/disk[target/@dev='vdb']")[0]
    definition.find("devices").remove(disk)
    without = etree.tostring(definition, encoding="unicode")
    raw().defineXML(without)
    guest.create("two")
    guest.delete("two")
    definition.find("devices").append(disk)
    raw().defineXML(etree.tostring(definition, encoding="unicode"))
    assert guest.reads(2, disk=1)
    raw().defineXML(without)
    guest.revert("one")
    assert guest.state() is PowerState.RUNNING
    assert len(guest.paths()) == 2
    guest.off()
    assert len(guest.paths()) == 1


def test_guest_without_disks(make_guest: Callable[..., Any]) -> None:
    guest = make_guest(boots=False, disks=[])
    guest.on()
    guest.create("disks")
    assert guest.create("memory", memory=True).has_memory
    guest.revert("memory")
    assert guest.state() is PowerState.RUNNING
    guest.delete("memory")
    guest.revert("disks")
    assert guest.state() is PowerState.SHUTDOWN


@pytest.mark.parametrize("verb", ["delete", "destroy"])
def test_machine_that_a_killed_daemon_forgot(guest: Any, raw: Any, run: Any, verb: str) -> None:
    """libvirtd ends the machine that joins disks with its client, unless it is killed too: then the next verb does."""
    guest.write(1)
    before = guest.volumes()
    guest.create("one")
    name = f"nova-virt-join-{guest.ref.uuid}"
    disk = E.disk(
        E.driver(name="qemu", type="qcow2"),
        E.source(file=guest.paths()[0]),
        E.target(dev="vda", bus="virtio"),
        type="file",
        device="disk",
    )
    machine = E.domain(E.name(name), E.memory("16", unit="MiB"), E.os(E.type("hvm")), E.devices(disk), type="qemu")
    raw().createXML(etree.tostring(machine, encoding="unicode"), libvirt.VIR_DOMAIN_START_PAUSED)
    if verb == "delete":
        guest.delete("one")
        assert guest.volumes() == before
        assert guest.reads(1)
    else:
        run(guest.driver.destroy, guest.ref)
        assert guest.volumes() == []
    assert name not in [domain.name() for domain in raw().listAllDomains(0)]


def test_rebuild_is_refused(guest: Any, run: Any) -> None:
    """A guest's disk is not written anew while checkpoints rest on it."""
    guest.create("one")
    with pytest.raises(StorageError, match="checkpoints"):
        run(guest.driver.rebuild, guest.ref)
    assert guest.names() == ["one"]


def test_image_of_a_guest_with_checkpoints(guest: Any, run: Any, tmp_path: Path) -> None:
    """An image has what the disk holds now, of all layers."""
    guest.write(1)
    guest.create("one")
    guest.write(2, at=2 * 65536)
    path = tmp_path / "image.qcow2"
    run(guest.driver.snapshot, guest.ref, LocalTarget(path))
    for value, at in ((1, 65536), (2, 2 * 65536)):
        command = ["qemu-io", "-r", "-f", "qcow2", "-c", f"read -P {value} {at} 64k", str(path)]
        assert "verification failed" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_disks_of_other_making_are_refused(
    make_guest: Callable[..., Any], guest: Any, raw: Any, small_pool: str, tmp_path: Path
) -> None:
    """A guest whose disks all bear other names, and one whose pool is not active, get no checkpoint that lacks them."""
    (tmp_path / "by-hand.qcow2").touch()
    definition = guest.domain_xml()
    sources = definition.xpath("devices/disk/source")
    paths = [source.get("file") for source in sources]
    for source in sources:
        source.set("file", str(tmp_path / "by-hand.qcow2"))
    raw().defineXML(etree.tostring(definition, encoding="unicode"))
    with pytest.raises(NotSupported, match="vda, vdb"):
        guest.create("now")
    for source, path in zip(sources, paths, strict=True):
        source.set("file", path)
    raw().defineXML(etree.tostring(definition, encoding="unicode"))
    other = make_guest(boots=False, disks=[Disk(source=Blank(), size_bytes=MiB(1), pool=small_pool)])
    pool = raw().storagePoolLookupByName(small_pool)
    path = etree.fromstring(pool.XMLDesc(0))
    pool.destroy()
    with pytest.raises(StorageError, match="vda"):
        other.create("now")
    raw().storagePoolCreateXML(etree.tostring(path, encoding="unicode"), 0)
    assert other.names() == guest.names() == []


def test_guest_without_a_mark_has_no_place_for_them(make_driver: Any, blank: Any, run: Any) -> None:
    from nova_virt_api.driver.endpoint import Manage

    driver = make_driver(manage=Manage.ALL)
    ref = blank("foreign", owner=None)
    with pytest.raises(NotSupported, match="mark"):
        run(driver.create_checkpoint, ref, "now")
    assert driver.checkpoints(ref) == []


def test_backups_in_between(guest: Any, run: Any, make_driver: Any, daemon: Any) -> None:
    """Backups tell what changed across checkpoints that come and go; after the guest went back that is not known."""
    sockets = daemon.directory / "backups"
    sockets.mkdir(exist_ok=True)
    driver = make_driver(backup_sockets=str(sockets))

    def changed(since: BackupPoint | None) -> list[tuple[int, int]]:
        session = run(driver.begin_backup, guest.ref, since=since)
        extents = driver.backup_extents(session, "vda", 0, MiB(4))
        run(driver.abort_backup, guest.ref, session)
        return [(extent.offset, extent.length) for extent in extents]

    guest.on()
    guest.write(1)
    session = run(driver.begin_backup, guest.ref)
    run(driver.finish_backup, guest.ref, session)
    guest.create("one")
    guest.write(2, at=2 * 65536)
    assert changed(session.point) == [(2 * 65536, 65536)]
    guest.write(3, at=4 * 65536)
    guest.delete("one")
    assert changed(session.point) == [(2 * 65536, 65536), (4 * 65536, 65536)]
    guest.create("two")
    guest.revert("two")
    guest.on()
    with pytest.raises(BackupChainBroken):
        changed(session.point)
    assert changed(None)
