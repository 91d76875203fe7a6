"""The command, run inside the test process or as users run it, against a fake world of its own."""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.cli.app import App


@dataclass(frozen=True)
class Ran:
    """What one run of the command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The error, which is one line."""
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        return self.err.rstrip("\n")


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State, cache and configuration of this test alone; the working directory too."""
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    for variable in ("NOVA_VIRT_PROFILE", "COLUMNS", "CLIFF_FIT_WIDTH", "CLIFF_MAX_TERM_WIDTH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nova_virt() -> Run:
    """Run the command in this process with words as a shell would split them; ``--driver fake`` unless told."""

    def run(line: str, *more: str, driver: str | None = "fake") -> Ran:
        out, err = io.StringIO(), io.StringIO()
        words = [*(["--driver", driver] if driver else []), *shlex.split(line), *more]
        try:
            code = App("nova-virt test", stdout=out, stderr=err).run(words)
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def command() -> Run:
    """Run the command as users do, in a process of its own."""

    def run(line: str, *more: str) -> Ran:
        words = [*COMMAND, *shlex.split(line), *more]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, env=os.environ)
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    return run


COMMAND = (str(Path(sys.executable).with_name("nova-virt")),)


@pytest.fixture
def web(nova_virt: Run) -> str:
    """A running guest called web; its uuid."""
    ran = nova_virt("--quiet create web --image native:debian-13 --label tier=front -f json")
    assert ran.code == 0, ran.err
    uuid: str = ran.json["uuid"]
    return uuid


@pytest.fixture
def slow_fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let steps of a verb, take so many seconds from now on."""
    from nova_virt_api.compute.connect import connect
    from nova_virt_api.fake.steps import Step

    def slow(**seconds: float) -> None:
        def connect_slowly(*words: Any, **options: Any) -> Any:
            compute = connect(*words, **options)
            with compute.native() as switches:
                for step, latency in seconds.items():
                    switches.latency(latency, Step[step])  # type: ignore[attr-defined]
            return compute

        monkeypatch.setattr("nova_virt_api.compute.connect.connect", connect_slowly)

    return slow
