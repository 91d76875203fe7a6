"""The page about libvirt: its programs about bridges and consoles are run as they stand there, but for names."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[6] / "doc" / "howto" / "libvirt.md"
ADDRESS = 'uri="qemu:///system"'
SAYS = {
    "bridges": "{linux} None\nNone 7\n",
    "console": "127.0.0.1 *** 600.0\nPtyConsole\n",
}


@pytest.mark.parametrize("name", SAYS)
def test_program(name: str, daemon: Any, native: Any, linux_bridge: str, ovs_bridge: str, tmp_path: Path) -> None:
    program = re.search(rf"^```python\n# {name}\.py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert program is not None
    code = program[1]
    assert code.count(ADDRESS) == 1
    code = code.replace(ADDRESS, f'uri="{daemon.uri}", pool="nova-virt"')
    code = code.replace('"br0"', f'"{linux_bridge}"').replace('"br-int"', f'"{ovs_bridge}"')
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == SAYS[name].format(linux=linux_bridge)
