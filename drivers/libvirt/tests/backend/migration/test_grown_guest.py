"""A guest that was given CPUs and memory while it ran moves with them, and is given more where it arrives."""

import base64
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import libvirt_qemu
import pytest

import nova_virt_api as virt

KIT = Path(__file__).parents[5] / "conformance"
LOOK = "nproc; sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"


def sees(host: Any, guest: virt.Instance) -> tuple[int, int]:
    """CPUs and bytes of memory, as the guest's own system says by its agent."""
    domain = host.raw().lookupByUUID(guest.uuid.bytes)

    def ask(command: str, **arguments: Any) -> Any:
        text = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(libvirt_qemu.qemuAgentCommand(domain, text, 30, 0))["return"]

    process = ask("guest-exec", **{"path": "/bin/sh", "arg": ["-c", LOOK], "capture-output": True})["pid"]
    while not (done := ask("guest-exec-status", pid=process))["exited"]:
        pass
    cpus, memory = base64.b64decode(done["out-data"]).decode().split()
    return int(cpus), int(memory) * 1024


def await_size(host: Any, guest: virt.Instance, cpus: int, small: int, added: int) -> None:
    """Wait until the guest's system uses what it was given; it brings new CPUs online in its own time."""
    deadline = time.monotonic() + 60
    while True:
        seen = sees(host, guest)
        if seen[0] == cpus and abs(seen[1] - small - added) < added // 10:
            return
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)


@pytest.mark.timeout(400)
def test_a_grown_guest_moves(hosts: Any, source: virt.Compute, destination: virt.Compute, spawn: Any) -> None:
    command = [sys.executable, "-m", "nova_virt_conformance.guest_image", "--print-path"]
    made = subprocess.run(command, cwd=KIT, capture_output=True, text=True, check=True)
    image = virt.LocalFile(made.stdout.strip())
    guest = spawn(
        vcpus=2,
        max_vcpus=4,
        memory_bytes=virt.MiB(256),
        max_memory_bytes=virt.MiB(640),
        disks=[virt.Disk(source=image, size_bytes=virt.GiB(1))],
    )
    source.wait_for(guest, virt.until.agent(), timeout=150)
    _, small = sees(hosts[0], guest)
    source.resize_live(guest, virt.Size(vcpus=3, memory_bytes=virt.MiB(384)), timeout=60)
    moved = source.live_migrate(guest, to=destination, timeout=200)
    assert (moved.vcpus, moved.memory_bytes) == (3, virt.MiB(384))
    destination.wait_for(moved, virt.until.agent(), timeout=60)
    await_size(hosts[1], moved, 3, small, virt.MiB(128))
    grown = destination.resize_live(moved, virt.Size(vcpus=4, memory_bytes=virt.MiB(512)), timeout=60)
    assert (grown.vcpus, grown.memory_bytes) == (4, virt.MiB(512))
    await_size(hosts[1], moved, 4, small, virt.MiB(256))
