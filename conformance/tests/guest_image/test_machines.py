"""The guest starts on every machine that its description promises, and tells what it found there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.model.spec import Firmware
from nova_virt_conformance.guest_image.markers import GuestSeed, SeedSource

IMAGE_BYTES = 64 << 20
MIB = 1 << 20
MACHINES = {"virtio": "pc", "sata": "q35"}
DATA_BUSES = {
    "pc": {
        "ide": "ide-hd,bus=ide.0,bootindex=2",  # OVMF leaves this controller off unless it may start from it
        "nvme": "nvme",
        "sata": "ide-hd,bus=ahci.0",
        "virtio-scsi": "scsi-hd",
    },
    "q35": {"nvme": "nvme", "sata": "ide-hd,bus=ahci.0", "virtio-scsi": "scsi-hd"},
}
CARDS = {"52:54:00:00:00:01": "virtio", "52:54:00:00:00:02": "e1000", "52:54:00:00:00:03": "e1000e"}
DEVICES = {"virtio": "virtio-net-pci", "e1000": "e1000", "e1000e": "e1000e"}
KEYS = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGd1ZXN0", "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY=")
NETWORK_DATA = b'{"links": []}'
SEED = GuestSeed(
    source=SeedSource.CONFIG_DRIVE,
    instance_id="iid-2",
    hostname="beta.example",
    user_data_sha256=None,
    network_config_sha256=hashlib.sha256(NETWORK_DATA).hexdigest(),
)


def boot_disk(image: Path, bus: str) -> tuple[str, ...]:
    device = {"virtio": "virtio-blk", "sata": "ide-hd"}[bus]  # the first IDE bus of a q35 is its SATA controller's
    drive = f"file={image},format=qcow2,if=none,id=boot,snapshot=on"
    return ("-drive", drive, "-device", f"{device},drive=boot,serial=boot,bootindex=1")


def cards() -> list[str]:
    arguments = []
    for mac, model in CARDS.items():
        arguments += ["-netdev", f"user,id={model},restrict=on"]
        arguments += ["-device", f"{DEVICES[model]},netdev={model},mac={mac},romfile="]
    return arguments


def data_disks(buses: dict[str, str], folder: Path) -> list[str]:
    """An empty disk on each of these buses, its serial number the bus's name."""
    arguments = ["-device", "virtio-scsi", "-device", "ich9-ahci,id=ahci"]
    for bus, device in buses.items():
        (folder / bus).write_bytes(bytes(MIB))
        arguments += ["-drive", f"file={folder / bus},format=raw,if=none,id={bus}"]
        arguments += ["-device", f"{device},drive={bus},serial={bus}"]
    return arguments


@pytest.fixture
def config_drive(fat: Callable[[str, dict[str, bytes]], Path]) -> Path:
    """A seed with line ends in its keys, as Nova writes them."""
    keys = {"one": f"{KEYS[0]} me@here\n", "two": f"{KEYS[1]}\n"}
    metadata = {"uuid": "iid-2", "hostname": "beta.example", "name": "beta", "public_keys": keys}
    latest = {"meta_data.json": json.dumps(metadata).encode(), "network_data.json": NETWORK_DATA}
    return fat("config-2", {f"openstack/latest/{name}": content for name, content in latest.items()})


@pytest.mark.parametrize("firmware", list(Firmware), ids=[firmware.value for firmware in Firmware])
def test_guest_starts(
    firmware: Firmware,
    start: Callable[..., Any],
    image: Path,
    uefi: Callable[[str], list[str]],
    config_drive: Path,
    tmp_path: Path,
) -> None:
    guests = {}
    for bus, machine in MACHINES.items():  # side by side, which spares half of the time
        folder = tmp_path / bus
        folder.mkdir()
        guests[bus] = start(
            *("-machine", machine),
            *(uefi(bus) if firmware is Firmware.UEFI else ()),
            *boot_disk(image, bus),
            *cards(),
            *data_disks(DATA_BUSES[machine], folder),
            *("-drive", f"file={config_drive},format=raw,if=none,id=seed,readonly=on"),
            *("-device", "virtio-blk,drive=seed,serial=seed"),
        )
    for bus, guest in guests.items():
        guest.marker("ready")
        report = guest.report
        assert report.unreadable == ()
        assert (report.boots, report.firmware, report.ready) == (1, firmware, True)
        assert {disk.serial: (disk.size_bytes, disk.bus) for disk in report.disks if disk.size_bytes} == {
            "boot": (IMAGE_BYTES, bus),
            "seed": (config_drive.stat().st_size, "virtio"),
            **{data_bus: (MIB, data_bus) for data_bus in DATA_BUSES[MACHINES[bus]]},
        }
        assert {(nic.mac, nic.model) for nic in report.nics} == set(CARDS.items())
        given = {address.mac for address in report.addresses if address.address == ip_interface("10.0.2.15/24")}
        assert given == set(CARDS)
        assert report.seed == SEED
        assert report.ssh_keys == KEYS


def test_a_seed_on_a_floppy(start: Callable[..., Any], image: Path, config_drive: Path) -> None:
    guest = start(
        *("-machine", "q35"),
        *boot_disk(image, "sata"),
        *("-drive", f"file={config_drive},format=raw,if=none,id=seed,readonly=on"),
        *("-device", "isa-fdc", "-device", "floppy,drive=seed"),
    )
    guest.marker("ready")
    assert guest.report.unreadable == ()
    assert [disk.bus for disk in guest.report.disks if disk.size_bytes] == ["floppy", "sata"]
    assert guest.report.seed == SEED
