"""The page that shows how to test with the fake driver: its programs are run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "doc" / "howto" / "testing.md"
REFERENCE = ROOT / "doc" / "reference" / "fake.md"
BLOCK = re.compile(r"^```python\n# (?P<name>\w+\.py)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with the page's programs."""
    blocks = {match["name"]: match["code"] for match in BLOCK.finditer(PAGE.read_text())}
    assert len(blocks) == PAGE.read_text().count("```python")
    for name, code in blocks.items():
        (tmp_path / name).write_text(code)
    return tmp_path


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=directory, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_pages_tests_pass(programs: Path) -> None:
    result = run(programs, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^15 passed", result.stdout, re.MULTILINE), result.stdout


def test_the_pages_program_prints_what_it_promises(programs: Path) -> None:
    result = run(programs, "two_owners.py")
    assert result.returncode == 0, result.stderr
    owner, state, refusal = result.stdout.splitlines()
    assert (owner, state) == ("theirs", "PowerState.CRASHED")
    assert "belongs to 'theirs'" in refusal


def test_every_option_is_described() -> None:
    from nova_virt_api.fake.options import list_opts

    ((group, options),) = list_opts()
    assert group == "fake"
    described = re.findall(r"^\| `(\w+)` \|", REFERENCE.read_text(), re.MULTILINE)
    assert described == [option.dest for option in options]


def test_every_switch_is_described() -> None:
    from nova_virt_api.fake.switches import Switches

    page = PAGE.read_text()
    internal = {"reach", "wait", "wake"}
    public = {name for name in vars(Switches) if not name.startswith("_")} - internal
    assert {name for name in public if f"`{name}(" not in page and f"{name}(" not in page} <= {"restore_connection"}


def test_the_plugin_is_light_to_load(tmp_path: Path) -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import nova_virt_api.fake.pytest_plugin;"
        "print(' '.join(sorted(name for name in set(sys.modules) - before)))"
    )
    result = run(tmp_path, "-c", program)
    assert result.returncode == 0, result.stderr
    loaded = {name for name in result.stdout.split() if not name.startswith("__editable__")}
    assert loaded <= {
        "nova_virt_api",
        "nova_virt_api.version",
        "nova_virt_api.fake",
        "nova_virt_api.fake.pytest_plugin",
    }
