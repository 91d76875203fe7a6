"""The driver author's guide: its code is put together as the page says, and the kit is run on it."""

import configparser
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import Operation
from nova_virt_api.skeleton.distribution import write_distribution

PAGE = Path(__file__).parents[3] / "doc" / "authors" / "guide.md"
BLOCK = re.compile(
    r"^```(?P<kind>python|diff|yaml)\n(?:# (?P<name>\S+)\n)?(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
ELSEWHERE = "/var/tmp/conformance"
"""Where the page keeps the kit's guests."""

NEEDS_AN_IMAGE = "the target names no image of a guest that tells what it finds"
SCRIPTS = Path(sys.executable).parent
KILLED = Path(__file__).with_name("killed_at_every_line.py")


@dataclass(frozen=True)
class Block:
    """One piece of the page's code."""

    kind: str
    name: str
    text: str


def blocks() -> list[Block]:
    return [Block(match["kind"], match["name"], match["text"]) for match in BLOCK.finditer(PAGE.read_text())]


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The skeleton of the page's driver with the page's files in it, and what an installer leaves beside it."""
    directory = tmp_path_factory.mktemp("guide") / "nova-virt-process"
    write_distribution("process", directory)
    for block in blocks():
        file = directory / block.name
        if block.kind == "diff":
            file.write_text(patched(file.read_text(), block.text))
        else:
            file.write_text(block.text.replace(ELSEWHERE, str(directory.parent / "kit")))
    assert "remove `unwritten.py`" in PAGE.read_text()
    (directory / "nova_virt_process/unwritten.py").unlink()
    write_metadata(directory)
    return directory


def patched(text: str, diff: str) -> str:
    """The text after a change without line numbers; parts of it are separated by ``@@``."""
    for part in diff.split("@@\n"):
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"the skeleton has not once:\n{before}"
        text = text.replace(before, after)
    return text


def write_metadata(directory: Path) -> None:
    """What ``pip install --editable`` writes for a distribution, from its setup.cfg."""
    said = configparser.ConfigParser(delimiters="=")
    said.read(directory / "setup.cfg")
    info = directory / "nova_virt_process-0.1.0.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {line}\n" for line in said["options"]["install_requires"].split())
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nova-virt-process\nVersion: 0.1.0\n{requires}")
    points = "".join(f"[{group}]\n{text.strip()}\n" for group, text in said["options.entry_points"].items())
    (info / "entry_points.txt").write_text(points)


def run(distribution: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command where the page's driver is installed."""
    environment = {**os.environ, "PYTHONPATH": str(distribution)}
    return subprocess.run(
        command, cwd=distribution, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


def test_every_block_says_which_file_it_is() -> None:
    found = blocks()
    assert len(found) == PAGE.read_text().count("\n```") / 2
    assert all(block.name for block in found)
    names = [block.name for block in found if block.kind != "diff"]
    assert len(names) == len(set(names))


def test_every_unwritten_file_of_the_skeleton_is_written(tmp_path: Path) -> None:
    write_distribution("process", tmp_path / "skeleton")
    package = tmp_path / "skeleton/nova_virt_process"
    unwritten = {path.name for path in package.glob("*.py") if "unwritten(" in path.read_text()} - {"unwritten.py"}
    assert {f"nova_virt_process/{name}" for name in unwritten} <= {block.name for block in blocks()}


def test_the_page_names_all_that_an_author_calls_and_gives() -> None:
    page = PAGE.read_text()
    calls = [name for name in vars(Operation) if not name.startswith("_")]
    assert [name for name in calls if f"`op.{name}(" not in page] == []
    methods = [name for name, member in vars(Driver).items() if not name.startswith("_") and callable(member)]
    table = page.partition("## What you give")[2].partition("\n## ")[0]
    assert [name for name in methods if f"`{name}`" not in table] == []


def test_the_driver_is_found_and_says_what_it_takes(distribution: Path) -> None:
    listed = run(distribution, str(SCRIPTS / "nova-virt"), "driver", "list", "-f", "json")
    assert listed.returncode == 0, listed.stderr
    (driver,) = [driver for driver in json.loads(listed.stdout) if driver["name"] == "process"]
    assert (driver["distribution"], driver["problem"]) == ("nova-virt-process", None)


def test_its_own_unit_tests_pass(distribution: Path) -> None:
    done = run(distribution, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_reaches_core_and_can_pause(distribution: Path) -> None:
    report = distribution.parent / "report.json"
    kit = [str(SCRIPTS / "nova-virt-conformance"), "--driver", "process", "--config", "conformance.yaml"]
    done = run(distribution, *kit, "--report", str(report))
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    found = json.loads(report.read_text())
    (core,) = [profile for profile in found["profiles"] if profile["name"] == "Core"]
    assert core["reached"], core["missing"]
    assert not [test["name"] for test in found["tests"] if test["outcome"] in ("failed", "known failure")]
    paused = [test for test in found["tests"] if "pause" in test["subjects"]]
    assert len([test for test in paused if test["outcome"] == "passed"]) > 5
    assert {test["reason"] for test in paused if test["outcome"] == "not verified"} <= {NEEDS_AN_IMAGE}
    assert "profiles reached: Core" in done.stdout
    assert not list((distribution.parent / "kit").rglob("*.json")), "the kit left guests"


@pytest.mark.parametrize("verb", ["spawn", "destroy", "power_on", "power_off", "pause"])
def test_it_may_be_killed_at_every_line(distribution: Path, tmp_path: Path, verb: str) -> None:
    done = run(distribution, sys.executable, str(KILLED), verb, str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > 50, "lines of the driver"
