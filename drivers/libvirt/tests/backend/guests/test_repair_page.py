"""The page about libvirt: its program about repair is run as it stands there, but for the address."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from lxml.builder import E

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"
ADDRESS = 'uri="qemu:///system"'


def test_program_about_repair(
    daemon: Any, native: Any, blank: Any, image: Path, tmp_path: Path, make_driver: Any, run: Any
) -> None:
    program = re.search(r"^```python\n# repair\.py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert program is not None
    for name in ("rescue.qcow2", "debian-13.qcow2"):
        (tmp_path / name).symlink_to(image)
    pool = native.storagePoolLookupByName("nova-virt")
    disk = pool.createXML("<volume><name>by-hand.raw</name><capacity unit='GiB'>1</capacity></volume>", 0)
    device = E.disk(
        E.driver(name="qemu", type="raw"),
        E.source(file=disk.path()),
        E.target(dev="vda", bus="virtio"),
        type="file",
        device="disk",
    )
    blank("by-hand", owner=None, devices=(device,))
    code = program[1]
    assert code.count(ADDRESS) == 1
    command = [sys.executable, "-c", code.replace(ADDRESS, f'uri="{daemon.uri}", pool="nova-virt"')]
    try:
        done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    finally:
        disk.delete(0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["adopted ", "['its second disk is dying']", "rescued", "ready"]
