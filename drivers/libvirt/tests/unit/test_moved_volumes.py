"""Volumes in definitions of guests that are resized and moved, and errors of guests that do not start there."""

from typing import Any
from uuid import UUID

import libvirt
import pytest
from lxml.builder import E

from nova_virt_api.errors import BackendError, VolumeError
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import BlockVolume, FileVolume, IscsiVolume, NbdVolume
from nova_virt_libvirt.devices.volume_disk import VolumeDisk
from nova_virt_libvirt.volumes.moved import log_in_as, set_volumes, used_volumes
from nova_virt_libvirt.volumes.opening import start_error
from nova_virt_libvirt.volumes.source import plain_source

GUEST = UUID("5ab3a6b0-6a06-5b4a-9d3c-6f5d1c1f6f4e")
HOST, OTHER = "a1b2c3d4-0000-0000-0000-000000000001", "a1b2c3d4-0000-0000-0000-000000000002"
FILE = FileVolume(path="/srv/one.raw")
NBD = NbdVolume(socket="/run/two.sock", export="data")
LUN = IscsiVolume(portal="192.0.2.7:3260", iqn="iqn.2026-11.example:a", lun=3)


def disk_of(connection: Any, host: str = HOST, **fields: Any) -> VolumeDisk:
    """A volume that is to be used."""
    volume = Volume(id=fields.pop("id", "one"), connection=connection, **fields)
    return VolumeDisk(volume, plain_source(connection, host))


def guest_with(*disks: Any, own: bool = True) -> Any:
    """A definition: an own disk, which is booted from unless a volume is, then these."""
    boots = any(disk.find("boot") is not None for disk in disks)
    root = E.disk(
        E.source(file="/images/own.qcow2"), E.target(dev="vda", bus="virtio"), *([] if boots else [E.boot(order="1")])
    )
    return E.domain(E.uuid(str(GUEST)), E.devices(*([root] if own else []), *disks))


def targets(definition: Any) -> list[tuple[str, str]]:
    """Names and buses of all disks."""
    return [(one.get("dev"), one.get("bus")) for one in definition.iterfind("devices/disk/target")]


def boots(definition: Any) -> list[str]:
    """Names of the disks that are booted from."""
    return [boot.getparent().find("target").get("dev") for boot in definition.iterfind("devices/disk/boot")]


def test_a_volume_keeps_its_disk() -> None:
    disk = disk_of(FILE, bus=DiskBus.SCSI, serial="seen").element("sdb")
    disk.append(E.address(type="drive", unit="1"))
    definition = guest_with(disk)
    set_volumes(definition, [disk_of(LUN, read_only=True)])
    (found,) = used_volumes(definition).values()
    assert (found.get("type"), found.find("source").get("name")) == ("network", f"{LUN.iqn}/3")
    assert (found.find("driver").get("cache"), found.findtext("serial")) == ("none", "seen")
    assert targets(definition) == [("vda", "virtio"), ("sdb", "scsi")]
    assert found.find("address") is not None
    assert found.find("readonly") is not None
    assert boots(definition) == ["vda"]


def test_volumes_come_and_go() -> None:
    definition = guest_with(disk_of(FILE, boot=True).element("vdb"))
    set_volumes(definition, [disk_of(NBD, id="two"), disk_of(LUN, id="three", bus=DiskBus.SCSI)])
    assert list(used_volumes(definition)) == ["two", "three"]
    assert targets(definition) == [("vda", "virtio"), ("vdb", "virtio"), ("sda", "scsi")]
    assert definition.find("devices/controller[@model='virtio-scsi']") is not None
    assert boots(definition) == ["vda"], "nothing is booted from"
    set_volumes(definition, [disk_of(NBD, id="two", boot=True, bus=DiskBus.SATA)])
    assert targets(definition) == [("vda", "virtio"), ("sda", "sata")]
    assert boots(definition) == ["sda"]


def test_a_guest_of_nothing_but_volumes() -> None:
    definition = guest_with(disk_of(FILE, boot=True).element("vda"), own=False)
    set_volumes(definition, [disk_of(BlockVolume(path="/dev/x"), boot=True)])
    assert (targets(definition), boots(definition)) == ([("vda", "virtio")], ["vda"])
    set_volumes(definition, [])
    assert targets(definition) == []


def test_targets_are_told_which_host_it_is() -> None:
    definition = guest_with(disk_of(LUN, HOST).element("vdb"))
    log_in_as(definition, OTHER)
    (name,) = definition.iterfind("devices/disk/source/initiator/iqn")
    assert name.get("name").endswith(f":{OTHER}")
    name.set("name", "iqn.2026-11.example:mine")
    log_in_as(definition, HOST)
    assert name.get("name") == "iqn.2026-11.example:mine"


def failed(text: str) -> libvirt.libvirtError:
    """An error of libvirt's, with this text."""
    error = libvirt.libvirtError(text)
    error.args = (text,)
    error.err = (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, text, 2, None, None, None, -1, -1)
    return error


@pytest.mark.parametrize(
    ("text", "named", "not_named"),
    [
        ("Cannot access storage file '/srv/one.raw': No such file or directory", ["one"], ["two", "three"]),
        ('{"path":"/run/two.sock","export":"data"}: Failed to connect to it', ["two"], ["one", "three"]),
        (
            '{"portal":"192.0.2.7:3260","target":"iqn.2026-11.example:a"}: Failed to log in to target',
            ["three"],
            ["one"],
        ),
        ("Permission denied", ["one", "two", "three"], []),
    ],
)
def test_errors_name_the_volume(text: str, named: list[str], not_named: list[str]) -> None:
    pairs = (("one", FILE), ("two", NBD), ("three", LUN))
    disks = [disk_of(how, id=name).element(f"vd{letter}") for (name, how), letter in zip(pairs, "bcd", strict=True)]
    error = start_error(failed(text), guest_with(*disks))
    assert isinstance(error, VolumeError)
    said = error.message.partition(":")[0]
    assert all(name in said for name in named)
    assert not any(name in said for name in not_named)


@pytest.mark.parametrize("text", ["Cannot access '/images/own.qcow2': No such file or directory", "out of luck"])
def test_other_errors_name_none(text: str) -> None:
    error = start_error(failed(text), guest_with(disk_of(FILE).element("vdb")))
    assert not isinstance(error, VolumeError)
    assert isinstance(error, BackendError)
