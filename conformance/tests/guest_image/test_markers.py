"""The reader of the guest's protocol: whole logs, logs of several starts, cut, damaged and foreign ones."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from nova_virt_api.model.spec import Firmware
from nova_virt_conformance.guest_image.markers import (
    GuestAddress,
    GuestDisk,
    GuestNic,
    GuestReport,
    GuestSeed,
    SeedSource,
    Stop,
)

MAC = "52:54:00:00:00:01"
DIGEST = "0123456789abcdef" * 4
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGd1ZXN0"
BOOT = "boot 6.1.0-56-amd64 bios uuid=11111111-2222-3333-4444-555555555555"
LINES = (
    BOOT,
    "cpus 2",
    "memory 204660KiB",
    "disk sr0 0 ide serial=none",
    "disk vda 67108864 virtio serial=root",
    f"seed nocloud instance-id=iid-1 hostname=alpha user-data-sha256={DIGEST} network-config-sha256=none",
    f"ssh-key {KEY}",
    f"nic eth0 {MAC} virtio",
    "agent running",
    f"address eth0 {MAC} 10.0.2.15/24",
    "user-data exit=3",
    "ready",
)


def log(*lines: str) -> bytes:
    return "".join(f"nova-virt-guest: {line}\r\n" for line in lines).encode()


def read(*lines: str) -> GuestReport:
    return GuestReport.read(log(*lines))


def test_a_whole_boot() -> None:
    assert read(*LINES) == GuestReport(
        boots=1,
        kernel="6.1.0-56-amd64",
        firmware=Firmware.BIOS,
        uuid=UUID("11111111-2222-3333-4444-555555555555"),
        cpus=2,
        memory_bytes=204660 * 1024,
        disks=(
            GuestDisk(name="sr0", size_bytes=0, bus="ide", serial=None),
            GuestDisk(name="vda", size_bytes=67108864, bus="virtio", serial="root"),
        ),
        nics=(GuestNic(interface="eth0", mac=MAC, model="virtio"),),
        addresses=(GuestAddress(interface="eth0", mac=MAC, address=ip_interface("10.0.2.15/24")),),
        seed=GuestSeed(
            source=SeedSource.NOCLOUD,
            instance_id="iid-1",
            hostname="alpha",
            user_data_sha256=DIGEST,
            network_config_sha256=None,
        ),
        ssh_keys=(KEY,),
        agent_running=True,
        user_data_exit=3,
        ready=True,
    )


@pytest.mark.parametrize("stop", list(Stop))
def test_the_announced_end(stop: Stop) -> None:
    report = read(*LINES, "power-button", stop.value)
    assert (report.ready, report.power_button, report.stopping) == (True, True, stop)


def test_a_new_start_forgets_the_one_before() -> None:
    report = read(*LINES, "password root", "reboot", "boot 6.1.0 uefi uuid=none")
    assert report == GuestReport(boots=2, kernel="6.1.0", firmware=Firmware.UEFI)


def test_devices_that_come_change_and_go() -> None:
    plugged = (
        *LINES,
        "disk vdb 1048576 virtio serial=spare",
        f"nic eth1 {MAC} e1000",
        f"address eth1 {MAC} fe80::1/64",
    )
    report = read(*plugged, "disk vdb 2097152 virtio serial=spare")
    assert report.disks[-1] == GuestDisk(name="vdb", size_bytes=2097152, bus="virtio", serial="spare")
    assert len(report.disks) == 3
    assert [nic.interface for nic in report.nics] == ["eth0", "eth1"]
    assert read(*plugged, "disk-gone vdb", "nic-gone eth1") == read(*LINES)


def test_a_new_lease_takes_the_place_of_the_old_and_ipv6_addresses_add_up() -> None:
    texts = ("fe80::1/64", "10.0.2.99/24", "fd00::1/64", "fe80::1/64")
    report = read(*LINES, *(f"address eth0 {MAC} {text}" for text in texts))
    assert {str(known.address) for known in report.addresses} == {"10.0.2.99/24", "fd00::1/64", "fe80::1/64"}
    assert len(report.addresses) == 3


def test_what_others_write_to_the_console_is_passed_over() -> None:
    noise = (
        b"\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: starting\r\n\xff\xfe\x00\r\nuser@guest:~# echo nova-virt-guest: cpus 9\r\n"
    )
    told = noise + b"\x1b[2J" + log(BOOT) + noise + log("cpus 2") + b"nova-virt-guest:cpus 7\r\n"
    report = GuestReport.read(told)
    assert (report.boots, report.cpus, report.unreadable) == (1, 2, ())


def test_a_line_that_is_still_being_written_waits() -> None:
    whole = log(f"address eth0 {MAC} 10.0.2.15/24")
    assert GuestReport.read(whole.removesuffix(b"5/24\r\n")) == GuestReport()
    assert GuestReport.read(whole.removesuffix(b"\r\n")) == GuestReport()
    assert len(GuestReport.read(whole).addresses) == 1


def test_a_log_without_its_beginning() -> None:
    whole = log(*LINES)
    report = GuestReport.read(whole[len(log(LINES[0])) + 5 :])
    assert (report.boots, report.cpus, report.ready) == (0, None, True)
    assert report.disks == read(*LINES).disks


@pytest.mark.parametrize(
    "damaged",
    [
        "boot 6.1.0 coreboot uuid=none",
        "boot 6.1.0 bios uuid=nonsense",
        "cpus",
        "cpus two",
        "memory 204660",
        "disk vda 67108864",
        "disk vda -1 virtio serial=none",
        "seed floppy instance-id=none hostname=a user-data-sha256=none network-config-sha256=none",
        "seed nocloud instance-id=none hostname=a user-data-sha256=12 network-config-sha256=none",
        "ssh-key ssh-rsa AAAA!",
        "nic eth0 52:54:00 virtio",
        f"address eth0 {MAC} 10.0.2.300/24",
        f"address eth0 {MAC} 10.0.2.1/24 more",
        "agent sleeping",
        "user-data exit=",
        "ready root:~#",
        "from-the-future 1",
        "",
    ],
)
def test_a_damaged_line_is_kept_apart_and_spoils_nothing(damaged: str) -> None:
    before, after = LINES[:5], LINES[5:]
    report = read(*before, damaged, *after)
    assert report.unreadable == (damaged,)
    assert report == replace(read(*LINES), unreadable=(damaged,))


@given(st.binary(max_size=200))
def test_garbage_never_stops_the_reader(garbage: bytes) -> None:
    report = GuestReport.read(garbage + b"\n" + log(*LINES))
    assert (report.boots, report.ready) == (1, True)
    GuestReport.read(b"nova-virt-guest: " + garbage + b"\n")


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_any_part_of_a_log_can_be_read(start: int, end: int) -> None:
    whole = log(*LINES)
    part = GuestReport.read(whole[start % len(whole) : end % (len(whole) + 1)])
    assert set(part.disks) <= set(read(*LINES).disks)
    assert set(part.addresses) <= set(read(*LINES).addresses)
    assert part.unreadable == ()
