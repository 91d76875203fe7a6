"""The guide's example of volumes in pools works as it stands there."""

import subprocess
from pathlib import Path
from typing import Any

TOLD = ["True", "128", "qcow2", "['data', 'tools']", "[True, True]"]


def test_the_example_of_volumes_in_pools(daemon: Any, native: Any, run_program: Any, tmp_path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "tools.qcow2", "8M"], check=True, cwd=tmp_path)
    here = {'uri="qemu:///system"': f'pool="nova-virt", uri="{daemon.uri}", cache_dir="cache"'}
    assert run_program("stored_volumes", here) == TOLD
    assert not native.listAllDomains(0)
