"""QEMU started directly, with the guest image in it, and media with first-boot data."""

from __future__ import annotations

import io
import json
import re
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from nova_virt_conformance.guest_image.cache import ensure_image
from nova_virt_conformance.guest_image.markers import GuestReport

# A loaded machine without hardware virtualisation needs several times the usual seconds.
BOOT_SECONDS = 120.0
OVMF_CODES = [Path("/usr/share/OVMF") / name for name in ("OVMF_CODE_4M.fd", "OVMF_CODE.fd")]


class Guest:
    """A QEMU process, its serial console and its monitor (QMP)."""

    def __init__(self, agent_path: Path, *devices: str) -> None:
        ends = [socket.socketpair() for _ in range(2)]
        serial, monitor = (theirs.fileno() for _, theirs in ends)
        machine = ["-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none", "-device", "virtio-serial"]
        self.agent_path = agent_path
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
        self.log = b""
        self._seen = 0
        self._answers.readline()  # QEMU's greeting
        self.monitor("qmp_capabilities")

    @property
    def report(self) -> GuestReport:
        """What the guest told so far."""
        return GuestReport.read(self.log)

    def wait_for(self, pattern: str, seconds: float = BOOT_SECONDS) -> re.Match[str]:
        """Return the next line that matches; what came before it is passed over."""
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self.log[self._seen :]:
                line, _, _ = self.log[self._seen :].partition(b"\n")
                self._seen += len(line) + 1
                if match := re.fullmatch(pattern, line.decode(errors="replace").strip()):
                    return match
            self._receive(f"line {pattern!r}", deadline)

    def has_address(self, text: str, seconds: float = BOOT_SECONDS) -> None:
        """Return once the guest has told of this address; IPv4 and IPv6 ones come in any order."""
        deadline = time.monotonic() + seconds
        while ip_interface(text) not in {known.address for known in self.report.addresses}:
            self._receive(f"address {text}", deadline)

    def _receive(self, wanted: str, deadline: float) -> None:
        """Read more of the console, or fail with what is missing."""
        ready, _, _ = select.select([self._serial], [], [], max(0.0, deadline - time.monotonic()))
        received = self._serial.recv(65536) if ready else b""
        if not received:
            pytest.fail(f"no {wanted} in time; the console said:\n{self.log.decode(errors='replace')}")
        self.log += received

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
    """The guest image, built unless it is in the cache."""
    return ensure_image(lambda _progress: None)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    """Start a guest with these devices; it ends with the test."""
    guests: list[Guest] = []

    def start(*devices: str) -> Guest:
        guests.append(Guest(tmp_path / f"agent{len(guests)}", *devices))
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


@pytest.fixture
def uefi(tmp_path: Path) -> Callable[[str], list[str]]:
    """The arguments that give the machine of this name UEFI firmware with variables of its own."""
    code = next((path for path in OVMF_CODES if path.exists()), None)
    assert code is not None, "no UEFI firmware: run 'apt-get install ovmf'"

    def uefi(machine: str) -> list[str]:
        variables = tmp_path / f"{machine}.variables.fd"
        shutil.copyfile(code.with_name(code.name.replace("CODE", "VARS")), variables)
        firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
        return [*firmware, "-drive", f"if=pflash,format=raw,file={variables}"]

    return uefi


@pytest.fixture
def iso(tmp_path: Path) -> Callable[[str, dict[str, bytes]], Path]:
    """Write a medium of first-boot data as ISO 9660.

    Rock Ridge keeps the long file names, beside the short ones that ISO 9660 demands.
    """

    def iso(label: str, files: dict[str, bytes]) -> Path:
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
        path = tmp_path / "seed.iso"
        medium.write(str(path))
        medium.close()
        return path

    return iso


@pytest.fixture
def fat(tmp_path: Path) -> Callable[[str, dict[str, bytes]], Path]:
    """Write a disk of first-boot data as FAT."""

    def fat(label: str, files: dict[str, bytes]) -> Path:
        disk = tmp_path / "seed.fat"
        subprocess.run(["mformat", "-C", "-i", str(disk), "-f", "1440", "-v", label, "::"], check=True)
        folders = sorted({f"::{parent}" for name in files for parent in Path(name).parents if parent.name})
        subprocess.run(["mmd", "-i", str(disk), *folders], check=True)
        for name, content in files.items():
            subprocess.run(["mcopy", "-i", str(disk), "-", f"::{name}"], input=content, check=True)
        return disk

    return fat
