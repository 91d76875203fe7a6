"""The guide's example of volumes in pools works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"
TOLD = ["True", "128", "qcow2", "['data', 'tools']", "[True, True]"]


def test_the_example_of_volumes_in_pools(daemon: Any, native: Any, tmp_path: Path) -> None:
    found = re.search(r"```python\n(# stored_volumes\.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    text = found[1].replace('uri="qemu:///system"', f'pool="nova-virt", uri="{daemon.uri}", cache_dir="cache"')
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "tools.qcow2", "8M"], check=True, cwd=tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == TOLD
    assert not native.listAllDomains(0)
