"""The tutorial's code, run from top to bottom as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[1] / "doc/tutorial/index.md"


def test_tutorial_runs_from_top_to_bottom() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", TUTORIAL.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 10
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for said in ("plugging the networks of", "invalid-state paused ['suspended', 'running']", "size_bytes - size"):
        assert said in done.stdout, done.stdout
