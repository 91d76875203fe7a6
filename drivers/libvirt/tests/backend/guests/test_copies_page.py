"""The page about libvirt: its program about copies of images is run as it stands there, but for the address."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"
ADDRESS = 'uri="qemu:///system"'
TOLD = ["True ['vda']", "[True]", "1"]


def test_program_about_copies(daemon: Any, native: Any, image: Path, tmp_path: Path) -> None:
    program = re.search(r"^```python\n# copies\.py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert program is not None
    assert program[1].count(ADDRESS) == 1
    code = program[1].replace(ADDRESS, f'uri="{daemon.uri}", pool="nova-virt", cache_dir="cache"')
    (tmp_path / "debian-13.qcow2").write_bytes(image.read_bytes())
    subprocess.run([sys.executable, "-c", PRUNE.format(uri=daemon.uri)], check=True, timeout=240)
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == TOLD
    assert not native.listAllDomains(0)


PRUNE = """
import nova_virt_api as virt
with virt.connect("libvirt", uri="{uri}", pool="nova-virt") as compute:
    compute.prune_images()
"""
"""Other tests leave images."""
