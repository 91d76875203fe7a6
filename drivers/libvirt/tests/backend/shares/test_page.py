"""The guide's example of shares works as it stands there."""

from pathlib import Path
from typing import Any


def test_the_example(daemon: Any, raw: Any, root: Path, run_program: Any) -> None:
    raw()
    (root / "web").mkdir()
    here = {'uri="qemu:///system"': f'pool="nova-virt", uri="{daemon.uri}"', "/srv/shares": str(root)}
    assert run_program("shares", here) == [f"web {root}/web", "running", "[]"]
