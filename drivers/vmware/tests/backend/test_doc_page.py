"""The page about vSphere: its programs are run as they stand there, its profiles are read."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from nova_virt_vmware.options import OPTIONS
from tools.vcsim import Settings, Template, VCenter

ROOT: Final = Path(__file__).parents[4]
PAGE: Final = (ROOT / "doc" / "howto" / "vmware.md").read_text()
PROGRAM: Final = re.compile(r"^```python\n# (?P<name>\w+\.py)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
PROFILES: Final = re.compile(r"^```yaml\n# profiles\.yaml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS: Final = {found["name"]: found["code"] for found in PROGRAM.finditer(PAGE)}
COMMON: Final = {"driver", "owner"}


def test_programs_run(own_vcenter: Callable[[Settings], VCenter], tmp_path: Path) -> None:
    """A guest is made, found again by the same program, and removed."""
    vcenter = own_vcenter(Settings(clusters=1, standalone_hosts=0, templates=(Template(name="debian-13"),)))
    profile = {"driver": "vmware", "owner": "fleet", **vcenter.options, "password": {"env": "VCENTER_PASSWORD"}}
    (tmp_path / "nova-virt").mkdir()
    profiles = yaml.safe_dump({"default": "lab", "profiles": {"lab": profile}})
    (tmp_path / "nova-virt" / "profiles.yaml").write_text(profiles)
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "VCENTER_PASSWORD": vcenter.password}

    def run(name: str) -> str:
        command = [sys.executable, "-c", PROGRAMS[name]]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert set(PROGRAMS) == {"make.py", "remove.py"}
    assert run("make.py") == run("make.py") == "web DC0_C0 running\n"
    assert run("remove.py") == "True False\n"


def test_profiles_name_options_that_there_are() -> None:
    found = PROFILES.search(PAGE)
    assert found is not None
    known = {option.dest for option in OPTIONS} | COMMON
    for name, profile in yaml.safe_load(found["text"])["profiles"].items():
        assert profile["driver"] == "vmware"
        assert set(profile) <= known, name
