"""The guide's example of shares works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"


def test_the_example(daemon: Any, raw: Any, root: Path, tmp_path: Path) -> None:
    raw()
    (root / "web").mkdir()
    found = re.search(r"```python\n(# shares\.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    script = tmp_path / "shares.py"
    text = found[1].replace("qemu:///system", daemon.uri).replace("/srv/shares", str(root))
    script.write_text(text.replace('uri="', 'pool="nova-virt", uri="'))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"web {root}/web\nrunning\n[]\n"
