"""Source distributions and wheels built from a copy of this repository, and a clean environment that has the wheels."""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = {
    "nova-virt-api": ".",
    "nova-virt-bridge": "bridges/nova",
    "nova-virt-conformance": "conformance",
    "nova-virt-ironic": "drivers/ironic",
    "nova-virt-libvirt": "drivers/libvirt",
    "nova-virt-vmware": "drivers/vmware",
}
NOT_SOURCE = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")


@dataclass(frozen=True)
class Built:
    """What was built of one distribution."""

    name: str
    package: str
    source: Path
    sdist: Path
    wheel: Path


def new_environment(folder: Path, *requirements: object) -> Path:
    """A virtual environment with nothing but what is asked for; its Python."""
    venv.create(folder, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", folder / "bin/python"]
    subprocess.run([*map(str, [*pip, "install", *requirements])], check=True)
    return folder / "bin/python"


@pytest.fixture(scope="session", name="new_environment")
def maker_of_environments() -> Callable[..., Path]:
    """For tests that want an environment of their own."""
    return new_environment


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """Each distribution, its wheel made from its source distribution as a packager would do it."""
    folder = tmp_path_factory.mktemp("packaging")
    python = new_environment(folder / "builder", "build", "setuptools>=77")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCE)
    distributions = {}
    for name, place in PROJECTS.items():
        output = folder / "dist" / name
        source = folder / "source" / place
        command = [python, "-m", "build", "--no-isolation", "--outdir", output, source]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        (sdist,), (wheel,) = output.glob("*.tar.gz"), output.glob("*.whl")
        distributions[name] = Built(name, name.replace("-", "_"), source, sdist, wheel)
    return distributions


@pytest.fixture(scope="session")
def installed(built: dict[str, Built], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a clean environment in which all wheels that need no Nova are installed with what they require."""
    wheels = [each.wheel for name, each in built.items() if name != "nova-virt-bridge"]
    return new_environment(tmp_path_factory.mktemp("clean") / "venv", *wheels)


@pytest.fixture(scope="session")
def ask(installed: Path) -> Callable[[str], Any]:
    """Run code that prints JSON in the clean environment, away from the sources; what it printed."""

    def ask(code: str) -> Any:
        command = [str(installed), "-I", "-c", f"import json\n{code}"]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture
def metadata() -> Callable[[str], Message]:
    """The parsed text of a METADATA file."""
    return Parser().parsestr
