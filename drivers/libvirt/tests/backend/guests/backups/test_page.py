"""The page about libvirt: its program about backups is run as it stands there, but for the address."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import LocalFile

PAGE = Path(__file__).resolve().parents[6] / "doc" / "howto" / "libvirt.md"
ADDRESS = 'uri="qemu:///system"'
OWNER = "nova-virt-tests"
TOLD = ["1 full", "2 incremental", "qcow2"]


def test_program_about_backups(daemon: Any, spawn: Any, make_spec: Any, image: Path, tmp_path: Path) -> None:
    sockets = daemon.directory / "sockets"
    sockets.mkdir(exist_ok=True)
    program = re.search(r"^```python\n# backup\.py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert program is not None
    assert program[1].count(ADDRESS) == 1
    here = f'uri="{daemon.uri}", pool="nova-virt", owner="{OWNER}", backup_sockets="{sockets}"'
    spawn(make_spec(name="web", disks=[Disk(source=LocalFile(image))], power_on=True))
    done = subprocess.run(
        [sys.executable, "-c", program[1].replace(ADDRESS, here)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == TOLD
    restored = tmp_path / "restored" / "vda.qcow2"
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", str(restored), str(image)], check=True)
    again = spawn(make_spec(disks=[Disk(source=LocalFile(restored))], power_on=True))
    assert again.power_state.value == "running"
