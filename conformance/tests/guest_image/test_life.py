"""One guest's life: it reads its seed, talks, has devices plugged, and ends the ways that a hypervisor can end it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_virt_conformance.guest_image.markers import Stop

MIB = 1 << 20
END_SECONDS = 60.0
# It leaves the console in the middle of a line, as scripts do.
SCRIPT = b"#!/bin/sh\necho hello from $(hostname)\nprintf 'bye'\nexit 3\n"
PASSWORD = base64.b64encode(b"secret").decode()  # the agent's protocol wants it so
KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="


@pytest.fixture
def disk(image: Path) -> tuple[str, ...]:
    """The image as a virtio disk that keeps nothing."""
    return ("-drive", f"file={image},format=qcow2,if=virtio,snapshot=on")


def test_a_guest_with_a_seed(start: Callable[..., Any], disk: tuple[str, ...], iso: Any, tmp_path: Path) -> None:
    metadata = f"instance-id: iid-1\nlocal-hostname: alpha\npublic-keys:\n  - '{KEY} it is mine'\n".encode()
    seed = iso("cidata", {"meta-data": metadata, "user-data": SCRIPT, "network-config": b"version: 2\n"})
    guest = start(
        *disk,
        *("-device", "virtio-scsi", "-device", "scsi-cd,drive=seed"),
        *("-drive", f"file={seed},format=raw,if=none,id=seed"),
        *("-nic", "user,model=virtio,mac=52:54:00:00:00:01"),
        *("-uuid", "11111111-2222-3333-4444-555555555555"),
    )
    guest.marker(r"boot \S+ bios uuid=11111111-2222-3333-4444-555555555555")
    guest.marker("cpus 1")
    guest.marker(r"memory \d+KiB")
    guest.marker(rf"disk sr0 {seed.stat().st_size} virtio-scsi serial=\S+")
    guest.marker(r"disk vda 67108864 virtio serial=none")
    digests = [hashlib.sha256(content).hexdigest() for content in (SCRIPT, b"version: 2\n")]
    told = "instance-id=iid-1 hostname=alpha user-data-sha256={} network-config-sha256={}".format(*digests)
    guest.marker(f"seed nocloud {told}")
    guest.marker(f"ssh-key {KEY}")
    guest.marker("nic eth0 52:54:00:00:00:01 virtio")
    guest.marker("agent running")
    guest.marker(r"address eth0 52:54:00:00:00:01 10\.0\.2\.15/24")
    guest.wait_for("hello from alpha")
    guest.marker("user-data exit=3")
    guest.marker("ready")
    assert guest.report.unreadable == ()
    assert guest.agent("guest-get-host-name") == {"host-name": "alpha"}
    addresses = {
        address["ip-address"]
        for interface in guest.agent("guest-network-get-interfaces")
        for address in interface.get("ip-addresses", [])
    }
    assert "10.0.2.15" in addresses
    guest.has_address("fe80::5054:ff:fe00:1/64")

    assert guest.agent("guest-set-user-password", username="root", password=PASSWORD, crypted=False) == {}
    guest.marker("password root")
    guest.type("echo $((6 * 7)) is the answer")
    guest.wait_for("42 is the answer")

    plug_and_unplug(guest, tmp_path)

    guest.monitor("system_powerdown")
    guest.marker("power-button")
    guest.marker("poweroff")
    assert guest.process.wait(END_SECONDS) == 0
    report = guest.report
    assert (report.power_button, report.stopping, report.unreadable) == (True, Stop.POWEROFF, ())


def plug_and_unplug(guest: Any, folder: Path) -> None:
    extra = folder / "extra.raw"
    with extra.open("wb") as file:
        file.truncate(MIB)
    guest.monitor("blockdev-add", driver="file", filename=str(extra), **{"node-name": "extra"})
    guest.monitor("device_add", driver="virtio-blk-pci", drive="extra", id="extra", serial="spare")
    guest.marker(f"disk vdb {MIB} virtio serial=spare")
    guest.monitor("block_resize", size=2 * MIB, **{"node-name": "extra"})
    guest.marker(f"disk vdb {2 * MIB} virtio serial=spare")
    guest.monitor("device_del", id="extra")
    guest.marker("disk-gone vdb")

    guest.monitor("netdev_add", type="user", id="second", net="10.9.0.0/24", dhcpstart="10.9.0.7")
    guest.monitor("device_add", driver="virtio-net-pci", netdev="second", id="card", mac="52:54:00:00:00:09")
    guest.marker("nic eth1 52:54:00:00:00:09 virtio")
    guest.marker(r"address eth1 52:54:00:00:00:09 10\.9\.0\.7/24")
    guest.monitor("device_del", id="card")
    guest.marker("nic-gone eth1")
    assert [nic.interface for nic in guest.report.nics] == ["eth0"]


def test_a_guest_starts_again_and_a_silent_network_does_not_hold_it(
    start: Callable[..., Any], disk: tuple[str, ...]
) -> None:
    nowhere = ("-netdev", "hubport,id=nowhere,hubid=0", "-device", "virtio-net-pci,netdev=nowhere,romfile=")
    guest = start(*disk, *nowhere)
    guest.marker("ready")
    assert not [address for address in guest.report.addresses if address.address.version == 4]
    keys = [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]
    guest.monitor("send-key", keys=keys)
    guest.marker("reboot")
    assert guest.report.stopping is Stop.REBOOT
    guest.marker(r"boot \S+ bios uuid=none")
    nothing = "instance-id=none hostname=nova-virt-guest user-data-sha256=none network-config-sha256=none"
    guest.marker(f"seed none {nothing}")
    guest.marker("agent running")
    assert guest.report.boots == 2
    guest.agent("guest-ping")
    with pytest.raises((json.JSONDecodeError, ConnectionError)):  # a guest that goes down gives no answer
        guest.agent("guest-shutdown")
    guest.marker("poweroff")
    assert guest.process.wait(END_SECONDS) == 0
