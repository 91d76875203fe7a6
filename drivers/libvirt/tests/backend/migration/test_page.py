"""The guide's example of the move of a running guest works as it stands there, but for the two hosts."""

from pathlib import Path
from typing import Any

import pytest


def test_the_pages_example(
    hosts: Any, spawn: Any, program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = spawn(name="web")
    places = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
    here, there = (host.options(**places) for host in hosts)
    code = program("live_migrate", {'uri="qemu:///system"': "**here", 'uri="qemu+ssh://root@host2/system"': "**there"})
    exec(code, {"here": here, "there": there})
    assert capsys.readouterr().out == f"{hosts[1].raw().getHostname()}\n"
    assert hosts[0].traces(guest.uuid) == []
