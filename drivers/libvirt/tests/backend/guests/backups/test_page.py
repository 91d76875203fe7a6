"""The guide's program about backups is run as it stands there, but for the address."""

import subprocess
from pathlib import Path
from typing import Any

from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import LocalFile

OWNER = "nova-virt-tests"
TOLD = ["1 full", "2 incremental", "qcow2"]


def test_program_about_backups(
    daemon: Any, spawn: Any, make_spec: Any, image: Path, run_program: Any, tmp_path: Path
) -> None:
    sockets = daemon.directory / "sockets"
    sockets.mkdir(exist_ok=True)
    here = f'uri="{daemon.uri}", pool="nova-virt", owner="{OWNER}", backup_sockets="{sockets}"'
    spawn(make_spec(name="web", disks=[Disk(source=LocalFile(image))], power_on=True))
    assert run_program("backup", {'uri="qemu:///system"': here}) == TOLD
    restored = tmp_path / "restored" / "vda.qcow2"
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", str(restored), str(image)], check=True)
    again = spawn(make_spec(disks=[Disk(source=LocalFile(restored))], power_on=True))
    assert again.power_state.value == "running"
