"""Small distributions, good and broken, that pip really installs, and fresh processes that really load from them."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DRIVER = """
from nova_virt_api.driver.driver import Driver

class Good(Driver):
    def open(self): pass
    def close(self): pass
    def capabilities(self, node=None): raise NotImplementedError
    def inventory(self, node=None): raise NotImplementedError
    def instances(self, *, fresh=False): return ()
    def leftovers(self): return ()
    def spawn(self, spec, op): raise NotImplementedError
    def destroy(self, guest, op, *, disks=None, foreign=False): raise NotImplementedError
    def power_on(self, guest, op): raise NotImplementedError
    def power_off(self, guest, op, *, mode, grace_seconds): raise NotImplementedError

class Half(Good):
    open = Driver.open
    leftovers = Driver.leftovers

class Stranger:
    pass

def function(endpoint): pass
"""
GROUP = "nova_virt_api.drivers.v1"
HINTS = "nova_virt_api.install_hints.v1"


@dataclass(frozen=True)
class Package:
    """One distribution: what its wheel says and holds."""

    driver: str = "sample"
    target: str = "driver:Good"
    requires: tuple[str, ...] = ("nova-virt-api>=1.0,<2",)
    version: str = "0.3.1"
    files: dict[str, str] = field(default_factory=lambda: {"driver.py": DRIVER})
    group: str = GROUP
    entry_points: str | None = None
    damage: tuple[str, str] | None = None
    """Text of its metadata and what replaces it after pip, which would refuse it, is done."""


PACKAGES = {
    "vendor-good": Package(),
    "vendor-rival": Package(version="2.0"),
    "vendor-other": Package(driver="other"),
    "vendor-third": Package(version="7.1"),
    "vendor-twice": Package(
        entry_points=f"[{GROUP}]\nsample = vendor_twice.driver:Good\nsample = vendor_twice.driver:Half\n"
    ),
    "vendor-fakes": Package(driver="fake"),
    "vendor-too-new": Package(requires=("lxml>=1", "nova-virt-api>=2.1,<3", "nova-virt-api-extra>=1")),
    "vendor-too-old": Package(requires=("Nova.Virt_API (<1.0,>=0.5)",)),
    "vendor-excludes": Package(requires=("nova-virt-api!=1.*,>=0.5",)),
    "vendor-extra": Package(requires=("nova-virt-api>=1.0,<2", "nova-virt-api>=9; extra == 'later'")),
    "vendor-silent": Package(requires=("lxml>=1",)),
    "vendor-garbled": Package(damage=("nova-virt-api>=1.0,<2", "nova-virt-api at least one")),
    "vendor-next-major": Package(group="nova_virt_api.drivers.v2"),
    "vendor-raises": Package(files={"driver.py": "raise RuntimeError('broken\\nin two lines')"}),
    "vendor-exits": Package(files={"driver.py": "import sys\nsys.exit('no hypervisor here')"}),
    "vendor-syntax": Package(files={"driver.py": "def broken(:"}),
    "vendor-no-sdk": Package(files={"driver.py": "import vendor_sdk_that_is_missing"}),
    "vendor-hinted": Package(
        files={
            "driver.py": "import vendor_sdk_that_is_missing",
            "hint.py": "HINT = 'apt install vendor-sdk-dev\\n gcc'",
        },
        entry_points=f"[{GROUP}]\nsample = vendor_hinted.driver:Good\n[{HINTS}]\nsample = vendor_hinted.hint:HINT\n",
    ),
    "vendor-bad-hint": Package(
        files={"driver.py": "import vendor_sdk_that_is_missing", "hint.py": "HINT = 1 / 0"},
        entry_points=f"[{GROUP}]\nsample = vendor_bad_hint.driver:Good\n[{HINTS}]\nsample = vendor_bad_hint.hint:H\n",
    ),
    "vendor-incomplete": Package(files={}),
    "vendor-no-attribute": Package(target="driver:Gone"),
    "vendor-stranger": Package(target="driver:Stranger"),
    "vendor-function": Package(target="driver:function"),
    "vendor-half": Package(target="driver:Half"),
}

PRELUDE = """
import json, sys
def told(error):
    cause = error.__cause__
    return {"class": type(error).__name__, "text": error.message, "hint": error.hint, "driver": error.driver,
            "cause": type(cause).__name__ if cause else None}
def show(**result):
    print("\\n" + json.dumps(result))
"""


def write_wheel(name: str, package: Package, folder: Path) -> Path:
    """A wheel after the wheel format's specification, made by hand: it may be as broken as the test wants."""
    module = name.replace("-", "_")
    info = f"{module}-{package.version}.dist-info"
    entry_points = package.entry_points or f"[{package.group}]\n{package.driver} = {module}.{package.target}\n"
    requires = "".join(f"Requires-Dist: {line}\n" for line in package.requires)
    files = {
        f"{module}/__init__.py": "",
        **{f"{module}/{path}": text for path, text in package.files.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {package.version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    record = "".join(f"{path},sha256={digest(text)},{len(text.encode())}\n" for path, text in files.items())
    wheel = folder / f"{module}-{package.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return wheel


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each distribution of PACKAGES, installed by pip into a folder of its own."""
    folder = tmp_path_factory.mktemp("vendors")

    def install(name: str) -> Path:
        target = folder / name
        wheel = write_wheel(name, PACKAGES[name], folder)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-index"]
        # --no-compile: some are meant not to compile
        subprocess.run([*pip, "--no-deps", "--no-compile", "--target", target, wheel], check=True)
        if damage := PACKAGES[name].damage:
            (metadata,) = target.glob("*.dist-info/METADATA")
            metadata.write_text(metadata.read_text().replace(*damage))
        return target

    with ThreadPoolExecutor() as pool:
        return dict(zip(PACKAGES, pool.map(install, PACKAGES), strict=True))


@pytest.fixture
def run(installed: dict[str, Path]) -> Callable[..., Any]:
    """Run code in a fresh process in which the named distributions are installed, in that order; its result."""

    def run_with(code: str, *names: str, folders: tuple[Path, ...] = ()) -> Any:
        path = os.pathsep.join([*(str(installed[name]) for name in names), *map(str, folders)])
        inherited = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([path, *inherited])}
        command = [sys.executable, "-c", PRELUDE + code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run_with
