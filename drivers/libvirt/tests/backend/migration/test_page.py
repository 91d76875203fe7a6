"""The page about the machine shows the move of a running guest as it is."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[5] / "doc" / "howto" / "libvirt.md"
SECTION = re.compile(r"^## Moving running guests\n.*?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_pages_example(hosts: Any, spawn: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = SECTION.search(PAGE.read_text())
    assert found is not None
    guest = spawn(name="web")
    places = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
    here, there = (host.options(**places) for host in hosts)
    exec(found["code"], {"here": here, "there": there})
    assert capsys.readouterr().out == f"{hosts[1].raw().getHostname()}\n"
    assert hosts[0].traces(guest.uuid) == []
