"""The page about libvirt: its program about copies of guests is run as it stands there, but for the address."""

import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import nova_virt_api as virt

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"
ADDRESS = 'uri="qemu:///system"'


def test_program_about_copies_of_guests(daemon: Any, native: Any, tmp_path: Path) -> None:
    program = re.search(r"^```python\n# clone\.py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert program is not None
    assert program[1].count(ADDRESS) == 1
    code = program[1].replace(ADDRESS, f'uri="{daemon.uri}", pool="nova-virt"')
    with virt.connect("libvirt", uri=daemon.uri, pool="nova-virt", cache_dir=str(tmp_path)) as compute:
        web = compute.spawn(
            virt.InstanceSpec(
                uuid=uuid.uuid4(),
                name="web",
                memory_bytes=virt.MiB(16),
                disks=[virt.Disk(source=virt.Blank(), size_bytes=virt.MiB(16))],
                nics=[virt.Nic(network="default")],
            )
        )
        try:
            done = subprocess.run(
                [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=240
            )
        finally:
            for guest in (web.uuid, virt.stable_uuid("web-2")):
                compute.destroy(guest)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["web-2 running", "2"]
    assert not native.listAllDomains(0)
