"""The README's ten lines, run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import nova_virt_api as virt

ROOT = Path(__file__).resolve().parents[5]


def test_ten_lines_of_the_readme_boot_a_guest(tmp_path: Path, guest_image: Path) -> None:
    program = re.search(r"## Ten lines\n\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert program is not None
    (tmp_path / "debian-13.qcow2").symlink_to(guest_image)
    web = virt.stable_uuid("web")
    with virt.connect("libvirt", uri="qemu:///system") as compute:
        mine = [guest.uuid for guest in compute.instances()]
        assert web not in mine, "this machine has a guest of the README's, which the test would destroy"
        try:
            for _ in ("made", "found again"):
                command = [sys.executable, "-c", program[1]]
                done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=240)
                assert done.returncode == 0, done.stderr
                assert re.search(r"^web running (\d+\.){3}\d+", done.stdout, re.MULTILINE), done.stdout
            assert web in [guest.uuid for guest in compute.instances()]
        finally:
            compute.destroy(web)
        assert web not in [guest.uuid for guest in compute.instances(fresh=True)]
        assert web not in [left.uuid for left in compute.leftovers()]
