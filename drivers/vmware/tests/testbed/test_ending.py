"""Nothing of the simulated vCenter is left, however the one who started it ends; what breaks says why."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tools.vcsim import VCenter
from tools.vcsim.vcenter import StartError

ROOT: Final = Path(__file__).parents[4]


@pytest.fixture
def run() -> Iterator[Callable[[], tuple[subprocess.Popen[str], Path]]]:
    """Runs the command until the vCenter is up; gives its process and the vCenter's directory."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> tuple[subprocess.Popen[str], Path]:
        command = [sys.executable, "-m", "tools.vcsim"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        shown = json.loads(process.stdout.readline())
        assert set(shown) == {"url", "user", "password", "ca_file"}
        return process, Path(shown["ca_file"]).parent

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(run: Callable[[], tuple[subprocess.Popen[str], Path]], how: int) -> None:
    process, directory = run()
    assert directory.exists()
    os.kill(process.pid, how)
    process.wait(60)
    end = time.monotonic() + 60
    while directory.exists():
        assert time.monotonic() < end, f"left: {directory}"
        time.sleep(0.05)


def test_closing_leaves_nothing() -> None:
    with VCenter() as vcenter:
        assert vcenter.directory.exists()
    assert not vcenter.directory.exists()


def test_a_failed_start_says_why_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vcenter = VCenter()
    monkeypatch.setattr(vcenter, "_certify", lambda: None)  # so that there is no certificate
    with pytest.raises(StartError, match=r"status 1: vcsim: open .*server.pem: no such file"):
        vcenter.open()
    assert not vcenter.directory.exists()


def test_an_order_that_is_not_known_is_refused(own_vcenter: Callable[[], VCenter]) -> None:
    with pytest.raises(RuntimeError, match='there is no order "dance"'):
        own_vcenter().order("dance")
