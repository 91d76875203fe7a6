"""Volumes that guests get and lose: of every kind that can be served here, running and stopped."""

import json
import os
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import libvirt
import libvirt_qemu
import pytest
from lxml import etree

from nova_virt_api.errors import InvalidSpec, InvalidState, StateAfter, StorageError, VolumeError
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.secret import Secret
from nova_virt_api.model.volume import AttachedVolume, LuksEncryption, Volume
from nova_virt_api.model.volume_connection import FileVolume, NfsVolume, OpaqueVolume
from nova_virt_libvirt import letting_go as patience
from nova_virt_libvirt.rig.processes import standing_still

CONFIG = libvirt.VIR_DOMAIN_XML_INACTIVE


KINDS = [("file", True), ("luks", False), ("nbd", False), ("iscsi", True), ("block", True), ("nfs", True)]


@pytest.mark.parametrize(("kind", "on"), KINDS)
def test_a_volume_comes_and_goes(
    kind: str,
    on: bool,
    request: Any,
    files: Any,
    spawn: Any,
    driver: Any,
    run: Any,
    seen: Any,
) -> None:
    made = {
        "file": lambda: files.volume(serial="data", bus=DiskBus.SCSI),
        "luks": files.luks,
        "nbd": lambda: request.getfixturevalue("nbd"),
        "iscsi": lambda: replace(request.getfixturevalue("target").volume(), bus=DiskBus.SCSI),
        "block": lambda: replace(request.getfixturevalue("block"), bus=DiskBus.SCSI),
        "nfs": lambda: nfs_volume(request.getfixturevalue("nfs")),
    }
    volume = made[kind]()  # a blank guest lets go of a SCSI disk at once, and of a PCI device when it is reset
    guest = spawn(power_on=on).ref
    serial = volume.serial or volume.id[:36]
    device, bus = ("sda", DiskBus.SCSI) if volume.bus is DiskBus.SCSI else ("vdb", DiskBus.VIRTIO)
    wanted = AttachedVolume(id=volume.id, device=device, bus=bus, encrypted=kind == "luks", serial=serial)
    first = run(driver.attach_volume, guest, volume)
    assert first.address is not None
    wanted = replace(wanted, address=first.address)
    assert [first, run(driver.attach_volume, guest, volume)] == [wanted, wanted]
    assert driver.volumes(guest) == (wanted,)
    assert len(seen.disks(guest)) == len(seen.disks(guest, CONFIG)) == 2
    assert len(seen.secrets()) == (kind in ("luks", "iscsi"))
    if not on:  # what it needs is kept for a start
        run(driver.power_on, guest)
        assert driver.volumes(guest) == (wanted,)
        run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    for _ in range(2):
        run(driver.detach_volume, guest, volume.id)
    assert driver.volumes(guest) == ()
    assert len(seen.disks(guest)) == len(seen.disks(guest, CONFIG)) == 1
    assert seen.secrets() == []


def nfs_volume(export: Path) -> Volume:
    """A file that an NFS server exports."""
    name = f"{uuid4()}.raw"
    (export / name).touch()
    os.truncate(export / name, 8 * 1024**2)
    (export / name).chmod(0o666)
    return Volume(id=name, connection=NfsVolume(server="127.0.0.1", export=str(export), path=name), bus=DiskBus.SCSI)


@pytest.mark.parametrize("kind", ["block", "nfs"])
def test_what_the_guest_writes_arrives(kind: str, request: Any, spawn: Any, driver: Any, run: Any, native: Any) -> None:
    made = request.getfixturevalue(kind)
    volume = made if kind == "block" else nfs_volume(made)
    guest = spawn(disks=[], volumes=[replace(volume, boot=True, bus=None)]).ref
    write(native.lookupByUUID(guest.uuid.bytes), b"\7" * 512)
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    path = Path(made.connection.path) if kind == "block" else made / volume.id
    with path.open("rb") as file:
        assert file.read(513) == b"\7" * 512 + b"\0"
    run(driver.power_on, guest)
    if kind == "nfs":  # QEMU lets the server make it larger; a device has the size that it has
        run(driver.extend_volume, guest, volume.id, 12 * 1024**2)
        assert path.stat().st_size == 12 * 1024**2


def write(domain: Any, data: bytes) -> None:
    """Write the first bytes of a running guest's first disk, as its system would."""
    alias = etree.fromstring(domain.XMLDesc(0)).xpath("string(devices/disk[1]/alias/@name)")
    device = f"/machine/peripheral/{alias}/virtio-backend"
    command = f'qemu-io -d {device} "write -P {data[0]} 0 {len(data)}"'
    told = libvirt_qemu.qemuMonitorCommand(domain, command, libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP)
    assert not told.strip(), told


def test_the_connector_is_who_logs_in(target: Any, spawn: Any, driver: Any) -> None:
    spawn(volumes=[target.volume()])
    assert f"Initiator: {driver.volume_connector().iscsi_initiator}" in target.initiators()


def test_what_cinder_says_is_understood(target: Any, spawn: Any, driver: Any, seen: Any) -> None:
    plain = target.volume()
    reached = plain.connection
    said = {
        "target_portal": reached.portal,
        "target_iqn": reached.iqn,
        "target_lun": reached.lun,
        "auth_method": "CHAP",
        "auth_username": reached.chap_username,
        "auth_password": reached.chap_password.reveal(),
    }
    volume = replace(plain, connection=OpaqueVolume("iscsi", Secret(json.dumps(said))))
    guest = spawn(volumes=[volume]).ref
    assert [one.id for one in driver.volumes(guest)] == [volume.id]
    assert len(seen.secrets()) == 1


def test_many_scsi_volumes_are_on_controllers_of_one_kind(
    files: Any, spawn: Any, driver: Any, run: Any, native: Any
) -> None:
    """Also after the next start: libvirt puts seven on a controller, and would choose another kind for the others."""
    guest = spawn(power_on=True).ref
    for _ in range(8):
        run(driver.attach_volume, guest, files.volume(bus=DiskBus.SCSI))
    domain = native.lookupByUUID(guest.uuid.bytes)
    for flags in (0, CONFIG):
        found = etree.fromstring(domain.XMLDesc(flags)).xpath("devices/controller[@type='scsi']/@model")
        assert found == ["virtio-scsi"] * 2, flags


def test_buses_take_volumes_as_they_can(files: Any, spawn: Any, driver: Any, run: Any, seen: Any) -> None:
    guest = spawn().ref
    scsi, sata = files.volume(bus=DiskBus.SCSI, read_only=True), files.volume(bus=DiskBus.SATA)
    seen = run(driver.attach_volume, guest, scsi)
    assert (seen.bus, seen.device, seen.read_only) == (DiskBus.SCSI, "sda", True)
    with pytest.raises(InvalidState, match="while the guest is off"):
        run(driver.attach_volume, guest, sata)
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    assert run(driver.attach_volume, guest, sata).bus is DiskBus.SATA
    with pytest.raises(InvalidSpec, match="has no IDE"):
        run(driver.attach_volume, guest, files.volume(bus=DiskBus.IDE))
    run(driver.power_on, guest)
    assert {one.id for one in driver.volumes(guest)} == {scsi.id, sata.id}


def test_a_volume_of_two_guests_has_to_be_shared(files: Any, spawn: Any, driver: Any, run: Any) -> None:
    alone, shared = files.volume(), files.volume(shared=True)
    first = spawn(volumes=[alone, shared])
    second = spawn()
    with pytest.raises(VolumeError, match="shared=True"):
        run(driver.attach_volume, second.ref, alone)
    assert driver.volumes(second.ref) == ()
    assert run(driver.attach_volume, second.ref, shared).shared
    assert len(driver.volumes(first.ref)) == 2


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda files, _: replace(files.volume(), connection=FileVolume(path="/nowhere/at-all")), "path is there"),
        (
            lambda files, _: replace(files.luks(), encryption=LuksEncryption(passphrase=Secret("wrong-4711-pass"))),
            "passphrase",
        ),
        (lambda _, target: target.volume(password="wrong-4711-pass"), "user name and password"),
    ],
    ids=["path", "passphrase", "chap"],
)
def test_what_cannot_be_opened_leaves_nothing(
    wrong: Any,
    hint: str,
    files: Any,
    target: Any,
    spawn: Any,
    driver: Any,
    run: Any,
    seen: Any,
) -> None:
    guest = spawn().ref
    volume = wrong(files, target)
    with pytest.raises(VolumeError, match=hint) as caught:
        run(driver.attach_volume, guest, volume)
    assert caught.value.state_after is StateAfter.UNCHANGED
    assert len(seen.disks(guest)) == len(seen.disks(guest, CONFIG)) == 1
    with pytest.raises(StorageError, match=hint):
        spawn(volumes=[volume])
    assert seen.secrets() == []
    assert "wrong-4711-pass" not in repr(caught.value) + repr(caught.value.__cause__)


def test_a_guest_that_does_not_let_go_keeps_its_volume(
    files: Any, spawn: Any, driver: Any, run: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(patience, "LET_GO_SECONDS", 1.0)
    volume = files.volume()
    guest = spawn(volumes=[volume]).ref
    with pytest.raises(VolumeError, match="does not let go") as caught:
        run(driver.detach_volume, guest, volume.id)
    assert caught.value.state_after is StateAfter.UNKNOWN
    assert [one.id for one in driver.volumes(guest)] == [volume.id]
    run(driver.power_off, guest, mode=PowerOff.HARD, grace_seconds=0.0)
    run(driver.detach_volume, guest, volume.id)
    assert driver.volumes(guest) == ()


def test_half_of_an_attachment_is_completed(
    files: Any, spawn: Any, driver: Any, run: Any, native: Any, seen: Any
) -> None:
    volume = files.volume()
    guest = spawn().ref
    run(driver.attach_volume, guest, volume)
    half = etree.tostring(seen.disks(guest, CONFIG)[-1], encoding="unicode")
    native.lookupByUUID(guest.uuid.bytes).detachDeviceFlags(half, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert run(driver.attach_volume, guest, volume).device == "vdb"
    assert len(seen.disks(guest)) == len(seen.disks(guest, CONFIG)) == 2


def test_refusals(files: Any, spawn: Any, driver: Any, run: Any) -> None:
    guest = spawn(power_on=False).ref
    with pytest.raises(InvalidSpec, match="boot"):
        run(driver.attach_volume, guest, files.volume(boot=True))
    unknown = Volume(id="a", connection=OpaqueVolume("pigeon", Secret("{}")))
    with pytest.raises(InvalidSpec, match="fibre_channel"):
        run(driver.attach_volume, guest, unknown)
    with pytest.raises(InvalidSpec, match=r"volumes\[0\].connection"):
        spawn(volumes=[unknown])
    with pytest.raises(InvalidSpec, match="uses"):
        run(driver.extend_volume, guest, str(uuid4()), 1)
    with pytest.raises(InvalidState):
        run(driver.swap_volume, guest, "a", files.volume())


def test_a_guest_that_hangs_holds_up_no_other(files: Any, spawn: Any, driver: Any, run: Any) -> None:
    hung, other = spawn().ref, spawn().ref
    late, soon = files.volume(), files.volume()
    with standing_still(hung.uuid):
        waiting = Thread(target=run, args=(driver.attach_volume, hung, late), daemon=True)
        waiting.start()
        run(driver.attach_volume, other, soon)
        assert [one.id for one in driver.volumes(other)] == [soon.id]
        assert driver.volumes(hung) == ()
        assert waiting.is_alive()
    waiting.join(60.0)
    assert [one.id for one in driver.volumes(hung)] == [late.id]
