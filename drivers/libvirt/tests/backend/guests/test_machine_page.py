"""The page about libvirt: its program about the guest's machine is run as it stands there, but for the address."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"
ADDRESS = 'uri="qemu:///system"'


def test_program_about_the_machine(daemon: Any, native: Any, tmp_path: Path) -> None:
    program = re.search(r"^```python\n# machine\.py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert program is not None
    code = program[1]
    assert code.count(ADDRESS) == 1
    before = {domain.name() for domain in native.listAllDomains(0)}
    command = [sys.executable, "-c", code.replace(ADDRESS, f'uri="{daemon.uri}", pool="nova-virt"')]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "running\n"
    assert {domain.name() for domain in native.listAllDomains(0)} == before
