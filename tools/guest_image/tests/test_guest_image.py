"""Builds the image and starts it in QEMU the ways that a hypervisor would: what README.md promises must be seen."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pycdlib
import pytest

BUILDER = Path(__file__).resolve().parent.parent / "build.py"
MIB = 1 << 20
SCRIPT = b"#!/bin/sh\necho hello from $(hostname)\nexit 3\n"
PASSWORD = base64.b64encode(b"secret").decode()  # the agent's protocol wants it so
# A loaded machine without hardware virtualisation needs several times the usual seconds.
BOOT_SECONDS = 60.0
OVMF_CODES = [Path("/usr/share/OVMF") / name for name in ("OVMF_CODE_4M.fd", "OVMF_CODE.fd")]


class Guest:
    """A QEMU process, its serial console and its monitor (QMP)."""

    def __init__(self, folder: Path, *devices: str) -> None:
        ends = [socket.socketpair() for _ in range(2)]
        serial, monitor = (theirs.fileno() for _, theirs in ends)
        machine = ["-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none", "-device", "virtio-serial"]
        self.agent_path = folder / "agent"
        channels = [
            *("-chardev", f"socket,id=serial,fd={serial}", "-serial", "chardev:serial"),
            *("-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"),
            *("-chardev", f"socket,id=agent,path={self.agent_path},server=on,wait=off"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        ]
        command = ["qemu-system-x86_64", *machine, *channels, *devices]
        self.process = subprocess.Popen(command, pass_fds=(serial, monitor), stdin=subprocess.DEVNULL)
        for _, theirs in ends:
            theirs.close()
        self._serial, self._monitor = (ours for ours, _ in ends)
        self._answers = self._monitor.makefile("r", encoding="utf-8")
        self._text = ""
        self._seen = 0
        self._answers.readline()  # QEMU's greeting
        self.monitor("qmp_capabilities")

    def wait_for(self, pattern: str, seconds: float = BOOT_SECONDS) -> re.Match[str]:
        """Return the next line that matches; what came before it is passed over."""
        deadline = time.monotonic() + seconds
        while True:
            while "\n" in self._text[self._seen :]:
                line, _, _ = self._text[self._seen :].partition("\n")
                self._seen += len(line) + 1
                if match := re.fullmatch(pattern, line.strip()):
                    return match
            ready, _, _ = select.select([self._serial], [], [], max(0.0, deadline - time.monotonic()))
            received = self._serial.recv(65536) if ready else b""
            if not received:
                pytest.fail(f"no line {pattern!r} within {seconds:.0f} s; the console said:\n{self._text}")
            self._text += received.decode(errors="replace")

    def marker(self, pattern: str, seconds: float = BOOT_SECONDS) -> re.Match[str]:
        """Return the next line of the guest's protocol that matches."""
        return self.wait_for(f"nova-virt-guest: {pattern}", seconds)

    def type(self, line: str) -> None:
        """Type a line at the console."""
        self._serial.sendall(line.encode() + b"\n")

    def monitor(self, command: str, **arguments: Any) -> Any:
        """Run one command of QEMU's monitor and return its result."""
        request = json.dumps({"execute": command, "arguments": arguments})
        self._monitor.sendall(request.encode() + b"\n")
        for line in self._answers:
            answer = json.loads(line)
            if "error" in answer:
                pytest.fail(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        return pytest.fail(f"QEMU ended during {command}")

    def agent(self, command: str, **arguments: Any) -> Any:
        """Run one command of the guest agent and return its result."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(BOOT_SECONDS)
            channel.connect(str(self.agent_path))
            channel.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            with channel.makefile("r", encoding="utf-8") as answers:
                return json.loads(answers.readline())["return"]

    def close(self) -> None:
        """End the process, however far it is."""
        self.process.kill()
        self.process.wait()
        self._answers.close()
        self._serial.close()
        self._monitor.close()


@pytest.fixture(scope="session")
def image() -> Path:
    done = subprocess.run([sys.executable, BUILDER, "--print-path"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    guests: list[Guest] = []

    def _start(*devices: str) -> Guest:
        guests.append(Guest(tmp_path, *devices))
        return guests[-1]

    yield _start
    for guest in guests:
        guest.close()


def disk(image: Path, interface: str = "virtio") -> tuple[str, ...]:
    return ("-drive", f"file={image},format=qcow2,if={interface},snapshot=on")


def iso(path: Path, label: str, files: dict[str, bytes]) -> Path:
    """Write a seed; Rock Ridge keeps the long file names, beside the short ones that ISO 9660 demands."""
    medium = pycdlib.PyCdlib()
    medium.new(vol_ident=label, rock_ridge="1.09")
    short = {".": ""}
    for number, (name, content) in enumerate(files.items()):
        for folder in (str(parent) for parent in reversed(Path(name).parents)):
            if folder not in short:
                short[folder] = f"{short[str(Path(folder).parent)]}/D{len(short)}"
                medium.add_directory(short[folder], rr_name=Path(folder).name)
        place = f"{short[str(Path(name).parent)]}/F{number}.;1"
        medium.add_fp(io.BytesIO(content), len(content), place, rr_name=Path(name).name)
    medium.write(str(path))
    medium.close()
    return path


def test_bios_virtio_guest_with_a_seed(start: Callable[..., Guest], image: Path, tmp_path: Path) -> None:
    metadata = b"instance-id: iid-1\nlocal-hostname: alpha\n"
    seed = iso(tmp_path / "seed.iso", "cidata", {"meta-data": metadata, "user-data": SCRIPT})
    guest = start(
        *disk(image),
        *("-device", "virtio-scsi", "-device", "scsi-cd,drive=seed"),
        *("-drive", f"file={seed},format=raw,if=none,id=seed"),
        *("-nic", "user,model=virtio,mac=52:54:00:00:00:01"),
        *("-uuid", "11111111-2222-3333-4444-555555555555"),
    )
    guest.marker(r"boot \S+ bios uuid=11111111-2222-3333-4444-555555555555")
    guest.marker("cpus 1")
    guest.marker(r"memory \d+KiB")
    guest.marker(rf"disk sr0 {seed.stat().st_size} virtio-scsi serial=none")
    guest.marker(r"disk vda 67108864 virtio serial=none")
    digest = hashlib.sha256(SCRIPT).hexdigest()
    guest.marker(f"seed nocloud instance-id=iid-1 hostname=alpha user-data-sha256={digest}")
    guest.marker("agent running")
    guest.marker(r"address eth0 52:54:00:00:00:01 10\.0\.2\.15/24")
    guest.wait_for("hello from alpha")
    guest.marker("user-data exit=3")
    guest.marker("ready")
    assert guest.agent("guest-get-host-name") == {"host-name": "alpha"}
    addresses = {
        address["ip-address"]
        for interface in guest.agent("guest-network-get-interfaces")
        for address in interface.get("ip-addresses", [])
    }
    assert "10.0.2.15" in addresses
    guest.marker(r"address eth0 52:54:00:00:00:01 fe80::5054:ff:fe00:1/64")

    assert guest.agent("guest-set-user-password", username="root", password=PASSWORD, crypted=False) == {}
    guest.marker("password root")
    guest.type("echo $((6 * 7)) is the answer")
    guest.wait_for("42 is the answer")

    extra = tmp_path / "extra.raw"
    with extra.open("wb") as file:
        file.truncate(MIB)
    guest.monitor("blockdev-add", driver="file", filename=str(extra), **{"node-name": "extra"})
    guest.monitor("device_add", driver="virtio-blk-pci", drive="extra", id="extra", serial="spare")
    guest.marker(f"disk vdb {MIB} virtio serial=spare")
    guest.monitor("block_resize", size=2 * MIB, **{"node-name": "extra"})
    guest.marker(f"disk vdb {2 * MIB} virtio serial=spare")
    guest.monitor("device_del", id="extra")
    guest.marker("disk-gone vdb")

    guest.monitor("system_powerdown")
    guest.marker("power-button")
    guest.marker("poweroff")
    assert guest.process.wait(BOOT_SECONDS) == 0


def test_ctrl_alt_del_and_reset_start_the_guest_again(start: Callable[..., Guest], image: Path) -> None:
    guest = start(*disk(image))
    guest.marker("ready")
    keys = [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]
    guest.monitor("send-key", keys=keys)
    guest.marker("reboot")
    guest.marker(r"boot \S+ bios uuid=none")
    guest.monitor("system_reset")
    guest.marker(r"boot \S+ bios uuid=none")
    guest.marker("seed none instance-id=none hostname=nova-virt-guest user-data-sha256=none")


def test_sata_and_e1000_with_a_config_drive(start: Callable[..., Guest], image: Path, tmp_path: Path) -> None:
    metadata = json.dumps({"uuid": "iid-2", "hostname": "beta.example", "name": "beta"}).encode()
    seed = iso(tmp_path / "seed.iso", "config-2", {"openstack/latest/meta_data.json": metadata})
    guest = start(
        *("-machine", "q35"),
        *disk(image, "ide"),
        *("-drive", f"file={seed},format=raw,if=ide,media=cdrom"),
        *("-nic", "user,model=e1000,mac=52:54:00:00:00:02"),
    )
    guest.marker(r"disk sda 67108864 ata serial=none")
    guest.marker("seed config-2 instance-id=iid-2 hostname=beta.example user-data-sha256=none")
    guest.marker(r"address eth0 52:54:00:00:00:02 10\.0\.2\.15/24")
    guest.marker("ready")
    guest.agent("guest-ping")
    with pytest.raises((json.JSONDecodeError, ConnectionError)):  # a guest that goes down gives no answer
        guest.agent("guest-shutdown")
    guest.marker("poweroff")
    assert guest.process.wait(BOOT_SECONDS) == 0


def test_uefi_guest_whose_network_gives_no_address(start: Callable[..., Guest], image: Path, tmp_path: Path) -> None:
    code = next((path for path in OVMF_CODES if path.exists()), None)
    assert code is not None, "no UEFI firmware: run 'apt-get install ovmf'"
    variables = tmp_path / "variables.fd"
    shutil.copyfile(code.with_name(code.name.replace("CODE", "VARS")), variables)
    guest = start(
        *("-drive", f"if=pflash,format=raw,readonly=on,file={code}"),
        *("-drive", f"if=pflash,format=raw,file={variables}"),
        *disk(image),
        *("-netdev", "hubport,id=nowhere,hubid=0", "-device", "virtio-net-pci,netdev=nowhere,romfile="),
    )
    guest.marker(r"boot \S+ uefi uuid=none")
    guest.marker("ready")


def test_an_image_that_exists_is_found_without_apt(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.qcow2"
    command = [sys.executable, str(BUILDER), "--print-path", "--output", str(target)]
    nothing = tmp_path / "empty"
    nothing.mkdir()
    environment = {**os.environ, "APT_CONFIG": "/dev/null", "PATH": str(nothing)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert Path(done.stdout.strip()) == target
    assert target.read_bytes() == image.read_bytes()


def test_a_missing_tool_is_an_error_of_one_line_with_the_fix(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, BUILDER], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "guest image: apt-cache is not installed: run 'apt-get install apt'\n"
