"""Tags of devices: what guests are told, where their own system finds the devices, and how long it stays true."""

import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import pycdlib
import pytest
from lxml import etree

from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.device_tag import LONGEST_TAG, DeviceAddress, DeviceBus
from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import PowerOff
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.units import GiB, MiB
from nova_virt_api.model.volume import Volume
from nova_virt_api.model.volume_connection import FileVolume
from nova_virt_libvirt.machine.told_devices import ROLE

POOL = "nova-virt"
FIRST, SECOND = "52:54:00:aa:bb:01", "52:54:00:aa:bb:02"
CARD = Nic(network="default", mac=SECOND, tag="späť & <later>")
OFF = {"mode": PowerOff.HARD, "grace_seconds": 0.0}

ASK = """#!/bin/sh
mkdir -p /tmp/medium
for disk in /dev/vd? /dev/sr?; do
    mount -t iso9660 -o ro $disk /tmp/medium 2>/dev/null && break
done
echo "told: $(head -c 2000 /tmp/medium/openstack/latest/meta_data.json | tr -d '\\n')"
umount /tmp/medium
for card in /sys/class/net/*/device; do
    echo "has: $(cat ${card%/device}/address) $(readlink -f $card)"
done
for disk in /sys/class/block/*/device; do
    echo "has: $(cat ${disk%/device}/serial $disk/vpd_pg80 2>/dev/null | tr -dc 'a-z0-9-') $(readlink -f $disk)"
done
echo "asked: all"
"""
"""What a guest's system says of its devices, for the console."""


def told(native: Any, guest: Any) -> list[dict[str, Any]]:
    """What a guest's medium says of its devices."""
    volume = native.storagePoolLookupByName(POOL).storageVolLookupByName(f"{guest.uuid}.seed.iso")
    stream = native.newStream()
    volume.download(stream, 0, 0, 0)
    image = b"".join(iter(lambda: stream.recv(256 * 1024), b""))
    stream.finish()
    medium, content = pycdlib.PyCdlib(), io.BytesIO()
    medium.open_fp(io.BytesIO(image))
    medium.get_file_from_iso_fp(content, rr_path="/openstack/latest/meta_data.json")
    data = json.loads(content.getvalue())
    assert (data["uuid"], data["name"], data["hostname"]) == (str(guest.uuid), guest.name, "from-the-seed")
    return list(data["devices"])


def tags(native: Any, guest: Any) -> list[str]:
    return [tag for device in told(native, guest) for tag in device["tags"]]


def has_note(native: Any, guest: Any) -> bool:
    definition = etree.fromstring(native.lookupByUUID(guest.uuid.bytes).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    return any(note.get("role") == ROLE for note in definition.iter("{*}note"))


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A volume that is a file."""
    path = tmp_path / "volume.raw"
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", str(path), "8M"], check=True)
    return Volume(id="some/volume_1", connection=FileVolume(path=str(path)), serial="data-1", tag="data")


@pytest.fixture
def make_told(make_spec: Any) -> Any:
    """Makes specs of guests that are told of their devices."""

    def make(**fields: Any) -> Any:
        return make_spec(cloud_init=CloudInit(hostname="from-the-seed"), **fields)

    return make


@pytest.mark.timeout(600)
@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.UEFI])
def test_a_real_guest_finds_its_devices_where_it_is_told(
    firmware: Firmware, guest_image: Path, volume: Volume, spawn: Any, make_spec: Any, driver: Any, eventually: Any
) -> None:
    spec = make_spec(
        memory_bytes=MiB(256),
        firmware=firmware,
        disks=[
            Disk(source=LocalFile(guest_image), size_bytes=GiB(2), serial="root-1", tag="root"),
            Disk(source=Blank(), size_bytes=GiB(1), bus=DiskBus.SCSI, serial="scratch-1", tag="scratch"),
            Disk(source=Blank(), size_bytes=GiB(1)),
        ],
        volumes=[volume],
        nics=[Nic(network="default"), Nic(network="default", mac=FIRST, tag="front")],
        cloud_init=CloudInit(user_data=ASK),
        power_on=True,
    )
    guest = spawn(spec, timeout=200.0)

    def log() -> str:
        return str(driver.console_log(guest.ref, 1024**2).decode(errors="replace"))

    eventually(lambda: "asked: all" in log(), "the guest has told of its devices", 300.0)
    lines = log().splitlines()
    found = next(line.partition("told: ")[2] for line in lines if "told: " in line)
    devices = {device["tags"][0]: device for device in json.loads(found)["devices"]}
    places = dict(line.partition("has: ")[2].split(" ", 1) for line in lines if "has: " in line)
    assert sorted(devices) == ["data", "front", "root", "scratch"]
    for tag, known_as in (("front", FIRST), ("root", "root-1"), ("data", "data-1")):
        device = devices[tag]
        assert device["bus"] == "pci"
        assert device.get("mac", device.get("serial")) == known_as
        assert places[known_as].split("/")[-2] == device["address"]
    assert (devices["scratch"]["bus"], devices["scratch"]["serial"]) == ("scsi", "scratch-1")
    assert devices["scratch"]["address"] == "0:0:0:0"
    shown = {card.tag: card.address for card in driver.interfaces(guest.ref)}
    assert shown["front"] == DeviceAddress(bus=DeviceBus.PCI, text=devices["front"]["address"])
    assert None in shown
    (used,) = driver.volumes(guest.ref)
    assert (used.tag, used.serial) == ("data", "data-1")
    assert used.address == DeviceAddress(bus=DeviceBus.PCI, text=devices["data"]["address"])


def test_what_comes_and_goes_is_told_at_the_next_start(
    volume: Volume, spawn: Any, make_told: Any, driver: Any, run: Any, native: Any
) -> None:
    guest = spawn(make_told(nics=[Nic(network="default", mac=FIRST, tag="front")], power_on=True))
    assert tags(native, guest) == ["front"]
    assert not has_note(native, guest)
    card = run(driver.attach_interface, guest.ref, CARD)
    used = run(driver.attach_volume, guest.ref, volume)
    assert (card.tag, used.tag) == (CARD.tag, volume.tag)
    assert driver.interfaces(guest.ref)[1] == card
    assert list(driver.volumes(guest.ref)) == [used]
    assert tags(native, guest) == ["front"], "what a guest was told while it runs does not change under it"
    run(driver.reboot, guest.ref, **OFF)
    assert told(native, guest)[1:] == [
        {"type": "nic", "bus": "pci", "address": card.address.text, "mac": SECOND, "tags": [CARD.tag]},
        {"type": "disk", "bus": "pci", "address": used.address.text, "serial": "data-1", "tags": ["data"]},
    ]
    assert not has_note(native, guest)
    run(driver.power_off, guest.ref, **OFF)
    run(driver.detach_interface, guest.ref, card.id)
    run(driver.detach_volume, guest.ref, volume.id)
    assert has_note(native, guest)
    run(driver.power_on, guest.ref)
    assert tags(native, guest) == ["front"]


def test_a_resize_and_the_end_of_a_rescue_tell_what_is_new(
    spawn: Any, make_told: Any, driver: Any, run: Any, native: Any, image: Path
) -> None:
    guest = spawn(make_told(disks=[Disk(source=LocalFile(image), size_bytes=GiB(1))], nics=[]))
    run(driver.attach_interface, guest.ref, replace(CARD, mac=FIRST, tag="front"))
    run(driver.rescue, guest.ref)
    run(driver.unrescue, guest.ref)
    assert (tags(native, guest), has_note(native, guest)) == (["front"], False)
    run(driver.attach_interface, guest.ref, CARD)
    run(driver.power_off, guest.ref, **OFF)
    assert has_note(native, guest)
    ticket = run(driver.prepare_resize, guest.ref, Size())
    run(driver.finish_resize, ticket, spec=make_told(uuid=guest.uuid, disks=[], nics=[CARD], power_on=True))
    assert (tags(native, guest), has_note(native, guest)) == ([CARD.tag], False)
    run(driver.confirm_resize, guest.ref)


def test_devices_without_tags_are_no_news(
    volume: Volume, spawn: Any, make_told: Any, driver: Any, run: Any, native: Any
) -> None:
    guest = spawn(make_told())
    run(driver.attach_interface, guest.ref, replace(CARD, tag=None))
    run(driver.attach_volume, guest.ref, replace(volume, tag=None))
    assert not has_note(native, guest)
    assert told(native, guest) == []


def test_a_guest_without_first_boot_data_keeps_its_tags(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any
) -> None:
    longest = "𐍈" * LONGEST_TAG
    guest = spawn(make_spec(nics=[Nic(network="default", tag=longest)], power_on=True))
    assert [card.tag for card in driver.interfaces(guest.ref)] == [longest]
    run(driver.attach_interface, guest.ref, replace(CARD, tag=longest))
    run(driver.reboot, guest.ref, **OFF)
    assert [card.tag for card in driver.interfaces(guest.ref)] == [longest] * 2
    assert not has_note(native, guest)


def test_tags_stay_with_a_guest_that_is_rebuilt_and_renamed(
    image: Path, volume: Volume, spawn: Any, make_told: Any, driver: Any, run: Any, native: Any
) -> None:
    disks = [Disk(source=LocalFile(image), size_bytes=GiB(1), tag="root")]
    guest = spawn(make_told(disks=disks, volumes=[volume], nics=[CARD], power_on=True))
    before = told(native, guest)
    assert tags(native, guest) == [CARD.tag, "root", "data"]
    run(driver.rebuild, guest.ref, cloud_init=CloudInit(hostname="from-the-seed", user_data="#cloud-config\n"))
    assert told(native, guest) == before
    assert [card.tag for card in driver.interfaces(guest.ref)] == [CARD.tag]
    assert [one.tag for one in driver.volumes(guest.ref)] == ["data"]


def test_a_copy_is_told_of_its_own_devices(spawn: Any, make_told: Any, clone: Any, driver: Any, native: Any) -> None:
    disks = [Disk(source=Blank(), size_bytes=GiB(1), tag="root")]
    guest = spawn(make_told(disks=disks, nics=[CARD]))
    copy = clone(guest, cloud_init=CloudInit(hostname="from-the-seed"))
    (card,) = driver.interfaces(copy.ref)
    assert (card.tag, card.mac == SECOND) == (CARD.tag, False)
    assert [(device.get("mac"), device["tags"]) for device in told(native, copy)] == [
        (card.mac, [CARD.tag]),
        (None, ["root"]),
    ]


def test_a_dead_caller_leaves_nothing_untold(
    spawn: Any, make_told: Any, driver: Any, run: Any, native: Any, processes: Any
) -> None:
    guest, number = spawn(make_told()), 1
    while processes.dies("attach_interface", guest.uuid, number, tag="late"):
        there = [card.tag for card in driver.interfaces(guest.ref)]
        assert has_note(native, guest) or not there
        number += 1
    assert number > 2
    there = [card.tag for card in driver.interfaces(guest.ref)]
    assert tags(native, guest) == []
    number = 1
    while processes.dies("power_on", guest.uuid, number):
        assert has_note(native, guest) or tags(native, guest) == there
        run(driver.power_off, guest.ref, **OFF)
        number += 1
    assert number > 2
    assert tags(native, guest) == there
    assert not has_note(native, guest)


def test_program_of_the_guide(daemon: Any, native: Any, run_program: Any) -> None:
    here = {'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt"'}
    lines = [line.split() for line in run_program("tags", here)]
    assert [tag for tag, _ in lines] == ["front", "back"]
    assert lines[0][1] != lines[1][1]
