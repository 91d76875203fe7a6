"""The public surface of the driver API is as written down in api-MAJOR.MINOR.json, and a change of it is noticed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/lock_api.py"


def lock_api(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_surface_is_as_written_down() -> None:
    done = lock_api("--check")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, its surface written down beside it."""
    copy = tmp_path / "nova_virt_api"
    shutil.copytree(ROOT / "nova_virt_api", copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert lock_api("--package", copy, "--locks", tmp_path).returncode == 0
    return copy


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        pytest.param("model/disk.py", "    pool: str | None = None\n", "", id="field removed"),
        pytest.param(
            "model/disk.py", "bus: DiskBus | None = None", "bus: DiskBus = DiskBus.SATA", id="default changed"
        ),
        pytest.param("model/capabilities.py", "frozen=True, slots=True)", "slots=True)", id="dataclass thawed"),
        pytest.param(
            "model/capabilities.py",
            '    available: bool\n    reason: str = ""\n',
            '    reason: str\n    available: bool = ""\n',
            id="fields swapped",
        ),
        pytest.param("model/disk.py", 'IDE = "ide"', 'IDE = "pata"', id="enum value changed"),
        pytest.param(
            "capability.py", '    PAUSE = "pause"\n', '    PAUSE = "pause"\n    HALT = "halt"\n', id="member added"
        ),
        pytest.param("driver/driver.py", "    def close(self)", "    def shut(self)", id="method renamed"),
        pytest.param("driver/pause.py", "    @abstractmethod\n", "", id="no longer abstract"),
        pytest.param("driver/pause.py", "op: Operation)", "op: Operation, force: bool)", id="argument added"),
        pytest.param("errors.py", 'code = "busy"', 'code = "occupied"', id="error code changed"),
        pytest.param(
            "errors.py", "class ImageNotFound(VirtError, LookupError)", "class ImageNotFound(VirtError)", id="base"
        ),
        pytest.param("compute/connect.py", "profile: str | None = None", "profile: str = 'lab'", id="user's function"),
    ],
)
def test_a_change_is_noticed(package: Path, file: str, before: str, after: str) -> None:
    change(package / file, before, after)
    done = lock_api("--check", "--package", package, "--locks", package.parent)
    assert done.returncode == 1
    assert "Step the minor of API_VERSION" in done.stderr
    assert "python tools/lock_api.py" in done.stderr


def test_documentation_and_code_are_free_to_change(package: Path) -> None:
    change(package / "model/disk.py", '"""A disk that belongs', '"""Some disk that belongs')
    change(package / "driver/driver.py", "for instance in self.instances", "for instance in 2 * self.instances")
    assert lock_api("--check", "--package", package, "--locks", package.parent).returncode == 0


def test_once_stable_a_version_cannot_be_written_down_anew(package: Path) -> None:
    change(package / "version.py", "PROVISIONAL: Final = True", "PROVISIONAL: Final = False")
    change(package / "model/disk.py", "    pool: str | None = None\n", "")
    assert lock_api("--package", package, "--locks", package.parent).returncode == 1
    change(package / "version.py", "(1, 0)", "(1, 1)")
    done = lock_api("--package", package, "--locks", package.parent)
    assert done.returncode == 0
    assert (package.parent / "api-1.1.json").exists()
