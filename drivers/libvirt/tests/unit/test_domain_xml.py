"""Definitions of new guests."""

import uuid
from typing import Any

import pytest
from lxml import etree

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.spec import Firmware, InstanceSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.devices.disk import DiskFile, letters
from nova_virt_libvirt.devices.nic import stable_mac
from nova_virt_libvirt.machine.domain_xml import Parts, domain_xml
from nova_virt_libvirt.network.wire import Wire


def defined(*buses: DiskBus, virt_type: str = "qemu", seed: str | None = None, **fields: Any) -> Any:
    spec = InstanceSpec(uuid=uuid.UUID(int=1), name="web", memory_bytes=MiB(512), **fields)
    disks = [DiskFile(path=f"/pool/<&\"'>{n}", format=ImageFormat.QCOW2, bus=bus) for n, bus in enumerate(buses)]
    parts = Parts(
        virt_type=virt_type,
        disks=disks,
        seed=seed,
        console_log="/pool/log",
        networks=[Wire.of_id("net<&\"'>")] * len(spec.nics),
        metadata=etree.Element("mark"),
    )
    return etree.fromstring(domain_xml(spec, parts))


def test_texts_are_never_markup() -> None:
    found = defined(DiskBus.VIRTIO, nics=[Nic()])
    assert found.find("devices/disk/source").get("file") == "/pool/<&\"'>0"
    assert found.find("devices/interface/source").get("network") == "net<&\"'>"


def test_memory_is_said_with_its_unit() -> None:
    memory = defined().find("memory")
    assert (memory.text, memory.get("unit")) == ("524288", "KiB")


def test_every_disk_says_its_format() -> None:
    found = defined(DiskBus.VIRTIO, DiskBus.SATA, seed="/pool/seed")
    assert [driver.get("type") for driver in found.iterfind("devices/disk/driver")] == ["qcow2", "qcow2", "raw"]


@pytest.mark.parametrize(
    ("bus", "target", "device"),
    [
        (DiskBus.VIRTIO, "vdb", "disk"),
        (DiskBus.SATA, "sdb", "cdrom"),
        (DiskBus.SCSI, "sdb", "cdrom"),
        (DiskBus.IDE, "hdb", "cdrom"),
    ],
)
def test_seed_is_read_only_and_on_the_bus_of_the_boot_disk(bus: DiskBus, target: str, device: str) -> None:
    seed = defined(bus, seed="/pool/seed").findall("devices/disk")[1]
    assert (seed.find("target").get("dev"), seed.get("device")) == (target, device)
    assert seed.find("readonly") is not None


def test_only_the_first_disk_is_booted_from() -> None:
    found = defined(DiskBus.VIRTIO, DiskBus.VIRTIO, seed="/pool/seed", nics=[Nic()])
    assert [boot.getparent().find("target").get("dev") for boot in found.iterfind("devices//boot")] == ["vda"]


def test_uefi_names_no_files() -> None:
    found = defined(firmware=Firmware.UEFI).find("os")
    assert found.get("firmware") == "efi"
    assert found.find("loader") is None
    assert found.find("nvram") is None
    assert defined().find("os").get("firmware") is None


@pytest.mark.parametrize(("virt_type", "mode"), [("kvm", "host-passthrough"), ("qemu", "maximum")])
def test_cpu_suits_what_runs_it(virt_type: str, mode: str) -> None:
    found = defined(virt_type=virt_type)
    assert found.get("type") == virt_type
    assert found.find("cpu").get("mode") == mode


def test_machine_has_the_bus_that_was_asked_for() -> None:
    assert defined(DiskBus.SATA).find("os/type").get("machine") == "q35"
    assert defined(DiskBus.IDE).find("os/type").get("machine") == "pc"


def test_too_many_for_ide() -> None:
    defined(*[DiskBus.IDE] * 4)
    with pytest.raises(InvalidSpec, match="IDE"):
        defined(*[DiskBus.IDE] * 4, seed="/pool/seed")


@pytest.mark.parametrize(
    ("buses", "found"),
    [
        ([DiskBus.SATA] * 8, 0),
        ([DiskBus.SCSI] * 7, 1),
        ([DiskBus.SCSI] * 8, 2),
        ([*[DiskBus.SATA] * 7, DiskBus.SCSI], 2),
        ([*[DiskBus.VIRTIO] * 9, DiskBus.SCSI], 1),
    ],
)
def test_every_scsi_disk_has_a_controller_that_guests_know(buses: list[DiskBus], found: int) -> None:
    controllers = defined(*buses).findall("devices/controller[@type='scsi']")
    assert [one.get("index") for one in controllers] == [str(index) for index in range(found)]
    assert {one.get("model") for one in controllers} <= {"virtio-scsi"}


def test_screen_is_shut() -> None:
    graphics = defined().find("devices/graphics")
    assert [listen.get("address") for listen in graphics.iterfind("listen")] == ["127.0.0.1"]
    assert len(graphics.get("passwd")) == 8
    assert graphics.get("passwd") != defined().find("devices/graphics").get("passwd")
    assert graphics.get("passwdValidTo").startswith("1970-")


def test_mac_is_stable_unicast_and_local() -> None:
    guests = [uuid.UUID(int=number) for number in range(500)]
    macs = [stable_mac(guest, index) for guest in guests for index in range(2)]
    assert macs == [stable_mac(guest, index) for guest in guests for index in range(2)]
    assert len(set(macs)) == len(macs)
    assert all(mac.startswith("52:54:") and Nic(mac=mac).mac == mac for mac in macs)


def test_letters_as_linux_counts() -> None:
    assert [letters(number) for number in (0, 25, 26, 51, 52, 701, 702)] == ["a", "z", "aa", "az", "ba", "zz", "aaa"]
