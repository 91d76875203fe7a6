"""Guests whose boot disk is written anew."""

import os
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt
import pytest
from lxml import etree
from lxml.builder import E

from nova_virt_api.errors import InvalidSpec, InvalidState, StateAfter, StorageError, VirtError
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.cloud_init import CloudInit, CloudInitSource
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.units import GiB
from nova_virt_api.toolkit.seed_reading import seed_files

WHOLE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


def definition(native: Any, guest: Any) -> str:
    return str(native.lookupByUUID(guest.uuid.bytes).XMLDesc(WHOLE))


def base_of(native: Any, name: str) -> str | None:
    """The file that a volume is an overlay of."""
    volume = native.storagePoolLookupByName("nova-virt").storageVolLookupByName(name)
    return etree.fromstring(volume.XMLDesc(0)).findtext("backingStore/path")


@pytest.fixture
def other_image(tmp_path: Path) -> Path:
    """Another image than the guests are made from, of other bytes and size."""
    path = tmp_path / "other.raw"
    path.write_bytes(os.urandom(1024**2))
    return path


def test_boot_disk_is_a_fresh_overlay_and_all_else_stays(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any, image: Path, other_image: Path
) -> None:
    disks = [Disk(source=LocalFile(image), size_bytes=GiB(1)), Disk(source=Blank(), size_bytes=GiB(2))]
    guest = spawn(make_spec(disks=disks, power_on=True))
    before, volumes = definition(native, guest), traces.volumes(guest.uuid)
    first, data = f"{guest.uuid}.disk0.qcow2", f"{guest.uuid}.disk1.qcow2"
    base = base_of(native, first)
    inode = (Path(str(base)).parent / data).stat().st_ino
    made = run(driver.rebuild, guest.ref, source=LocalFile(other_image, format=ImageFormat.RAW))
    assert (made.lifecycle, made.power_state) == (Lifecycle.READY, PowerState.RUNNING)
    assert base_of(native, first) not in (base, None)
    assert (Path(str(base)).parent / data).stat().st_ino == inode
    assert (definition(native, guest), traces.volumes(guest.uuid)) == (before, volumes)
    pool = native.storagePoolLookupByName("nova-virt")
    assert pool.storageVolLookupByName(first).info()[1] == GiB(1)
    again = base_of(native, first)
    run(driver.rebuild, guest.ref)
    assert base_of(native, first) == again


def test_firmware_begins_anew(spawn: Any, make_spec: Any, driver: Any, run: Any, daemon: Any, image: Path) -> None:
    disks = [Disk(source=LocalFile(image), size_bytes=GiB(1))]
    guest = spawn(make_spec(disks=disks, power_on=True, firmware=Firmware.UEFI))
    variables = daemon.directory / "lib" / "qemu" / "nvram" / f"{guest.name}_VARS.fd"
    fresh = variables.read_bytes()
    with variables.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.seek(file.tell() - 8)
        file.write(b"scribble")
    assert variables.read_bytes() != fresh
    run(driver.rebuild, guest.ref)
    assert not variables.read_bytes().endswith(b"scribble")


def test_first_boot_data_is_new_or_kept(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any, image: Path
) -> None:
    guest = spawn(make_spec(disks=[Disk(source=LocalFile(image), size_bytes=GiB(1))]))

    def user_data() -> bytes:
        medium = traces.volumes(guest.uuid) & {f"{guest.uuid}.seed.iso"}
        assert len(medium) == 1
        root = etree.fromstring(definition(native, guest))
        return seed_files(Path(root.xpath("devices/disk[readonly]/source/@file")[0]).read_bytes())["user-data"]

    run(driver.rebuild, guest.ref, cloud_init=CloudInit(user_data="first"))
    assert user_data() == b"first"
    run(driver.rebuild, guest.ref)
    assert user_data() == b"first"
    run(driver.rebuild, guest.ref, cloud_init=CloudInit(user_data="second"))
    assert user_data() == b"second"


def test_networks_that_a_config_drive_cannot_describe_are_refused_first(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, traces: Any, image: Path
) -> None:
    bonds = CloudInit(network_config="version: 2\nbonds: {}\n", source=CloudInitSource.CONFIG_DRIVE)
    guest = spawn(make_spec(disks=[Disk(source=LocalFile(image), size_bytes=GiB(1))], power_on=True))
    before, volumes = definition(native, guest), traces.volumes(guest.uuid)
    copy = CloneSpec(uuid=uuid4(), name="copy", cloud_init=bonds)
    for verb, arguments in (
        (driver.rebuild, {"guest": guest.ref, "cloud_init": bonds}),
        (driver.clone, {"guest": guest.ref, "spec": copy}),
        (driver.spawn, {"spec": make_spec(cloud_init=bonds)}),
    ):
        with pytest.raises(InvalidSpec, match="network_config") as caught:
            run(verb, **arguments)
        assert caught.value.state_after is StateAfter.UNCHANGED, verb
    assert (definition(native, guest), traces.volumes(guest.uuid)) == (before, volumes)
    assert driver.instance(guest.ref, fresh=True).power_state is PowerState.RUNNING


def test_what_cannot_be_leaves_the_guest_as_it_was(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, image: Path, tmp_path: Path
) -> None:
    guest = spawn(make_spec(power_on=True))
    with pytest.raises(InvalidSpec, match="made from"):
        run(driver.rebuild, guest.ref)
    large = tmp_path / "large.qcow2"
    subprocess.run(["qemu-img", "create", "-f", "qcow2", str(large), "2G"], check=True)
    with pytest.raises(InvalidSpec, match="at most"):
        run(driver.rebuild, guest.ref, source=LocalFile(large))
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.READY
    domain = native.lookupByUUID(guest.uuid.bytes)
    domain.destroy()
    domain.snapshotCreateXML("<domainsnapshot><name>old</name></domainsnapshot>", 0)
    with pytest.raises(StorageError, match="checkpoints"):
        run(driver.rebuild, guest.ref, source=LocalFile(image))
    diskless = spawn(make_spec(disks=[]))
    with pytest.raises(InvalidSpec, match="boot disk"):
        run(driver.rebuild, diskless.ref, source=LocalFile(image))


def test_failure_while_writing_leaves_an_error_that_the_next_mends(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, image: Path, monkeypatch: Any
) -> None:
    guest = spawn(make_spec(disks=[Disk(source=LocalFile(image), size_bytes=GiB(1))]))
    base = base_of(native, f"{guest.uuid}.disk0.qcow2")
    with monkeypatch.context() as patch:
        patch.setattr(libvirt.virStoragePool, "createXML", lambda *_: native.lookupByName("no such guest"))
        patch.setattr("nova_virt_libvirt.rebuild.role.claimed", lambda *_: nullcontext())
        with pytest.raises(VirtError, match="disk0"):
            run(driver.rebuild, guest.ref)
    assert driver.instance(guest.ref, fresh=True).lifecycle is Lifecycle.ERROR
    for refused in (driver.power_on, driver.rescue, driver.suspend):
        with pytest.raises(InvalidState, match="rebuild it"):
            run(refused, guest.ref)
    run(driver.unrescue, guest.ref)
    assert run(driver.rebuild, guest.ref).lifecycle is Lifecycle.READY
    assert base_of(native, f"{guest.uuid}.disk0.qcow2") == base


def test_adopted_guests_raw_disk(driver: Any, run: Any, native: Any, traces: Any, image: Path, blank: Any) -> None:
    pool = native.storagePoolLookupByName("nova-virt")
    volume = pool.createXML("<volume><name>by-hand.raw</name><capacity unit='GiB'>1</capacity></volume>", 0)
    disk = E.disk(
        E.driver(name="qemu", type="raw"),
        E.source(file=volume.path()),
        E.target(dev="vda", bus="virtio"),
        type="file",
        device="disk",
    )
    guest = blank("by-hand", owner=None, devices=(disk,))
    run(driver.adopt, guest)
    with pytest.raises(InvalidSpec, match="made from"):
        run(driver.rebuild, guest)
    run(driver.rebuild, guest, source=LocalFile(image))
    root = etree.fromstring(definition(native, guest))
    assert root.xpath("devices/disk/driver/@type") == ["qcow2"]
    assert root.xpath("devices/disk/source/@file") == [volume.path()]
    assert base_of(native, "by-hand.raw") is not None
    assert run(driver.destroy, guest)
    assert "by-hand.raw" not in traces.volumes()
