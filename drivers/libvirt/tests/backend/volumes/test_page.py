"""The guide's example of volumes works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"


def test_the_example(daemon: Any, raw: Any, files: Any, tmp_path: Path) -> None:
    raw()
    found = re.search(r"```python\n(# volumes\.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    text = found[1].replace("qemu:///system", daemon.uri)
    sizes = {"data": 8, "archive": 8, "newer": 32}
    for name, size in sizes.items():
        text = text.replace(f"/srv/volumes/{name}.raw", str(files.path(size * 1024**2)))
    script = tmp_path / "volumes.py"
    script.write_text(text.replace('uri="', 'pool="nova-virt", uri="'))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "sda\n['newer', 'archive']\n"
