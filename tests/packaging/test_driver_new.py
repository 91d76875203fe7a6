"""The skeleton of a driver as its author has it: installed beside the wheels, and met by the kit at once."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "doc" / "authors" / "guide.md"
UNWRITTEN = "is not written yet"

GIVEN = (
    "test_driver_is_found_and_loaded",
    "test_options_are_published",
    "test_distribution_says_which_api_it_supports",
    "test_capabilities_name_driver_and_backend",
    "test_every_feature_has_an_answer",
    "test_every_role_of_the_class_has_an_answer",
    "test_unavailable_has_a_reason",
    "test_close_is_idempotent",
    "test_unknown_guest",
)
"""Tests of what the skeleton has."""


@dataclass(frozen=True)
class Author:
    """A clean environment with the wheels and the tools, and a skeleton made and installed there."""

    binaries: Path
    skeleton: Path

    def run(self, program: str, *words: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.binaries / program), *map(str, words)]
        there = folder or self.skeleton
        return subprocess.run(command, cwd=there, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def author(
    built: dict[str, Any], new_environment: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Author:
    folder = tmp_path_factory.mktemp("author")
    wheels = [built[name].wheel for name in ("nova-virt-api", "nova-virt-conformance")]
    python = new_environment(folder / "venv", *wheels, "setuptools>=77", "mypy", "ruff", "types-PyYAML")
    skeleton = folder / "nova-virt-acme"
    made = [str(python.with_name("nova-virt")), "driver", "new", "acme", "--directory", str(skeleton)]
    subprocess.run(made, cwd=folder, check=True, capture_output=True, timeout=60)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-build-isolation", "--editable", f"{skeleton}[test]"], check=True)
    return Author(python.parent, skeleton)


def test_it_is_listed_and_shown(author: Author) -> None:
    listed = author.run("nova-virt", "driver", "list", "-f", "json")
    (driver,) = [driver for driver in json.loads(listed.stdout) if driver["name"] == "acme"]
    assert (driver["distribution"], driver["problem"]) == ("nova-virt-acme", None)
    shown = author.run("nova-virt", "driver", "show", "acme", "-f", "json")
    assert json.loads(shown.stdout)["options"].keys() == {"url", "username", "password"}
    assert json.loads(shown.stdout)["available"] == ["blank_disk"]


def test_the_doctor_finds_nothing_wrong(author: Author) -> None:
    done = author.run("nova-virt", "--driver", "acme", "doctor", "-f", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [finding["check"] for finding in json.loads(done.stdout)] == ["driver", "connection"]


def test_what_is_not_written_says_so_in_one_line(author: Author) -> None:
    done = author.run("nova-virt", "--driver", "acme", "create", "web", "--no-network")
    assert done.returncode == 1
    assert done.stderr == "nova-virt create web: spawn is not written yet; write nova_virt_acme/spawn.py\n"


def test_its_own_tests_pass(author: Author) -> None:
    done = author.run("pytest", "-q", "-p", "no:cacheprovider", "tests/unit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_kit_fails_only_where_code_is_to_be_written(author: Author) -> None:
    words = ("--driver", "acme", "--config", "conformance.yaml", "--report", "report.json")
    done = author.run("nova-virt-conformance", *words)
    assert done.returncode == 1, done.stdout + done.stderr
    tests = {test["name"]: test for test in json.loads((author.skeleton / "report.json").read_text())["tests"]}
    assert {name: tests[name]["outcome"] for name in GIVEN} == dict.fromkeys(GIVEN, "passed")
    failed = {name: test["reason"] for name, test in tests.items() if test["outcome"] == "failed"}
    assert {name: why for name, why in failed.items() if UNWRITTEN not in why} == {}
    named = {
        file for file in ("spawn", "power", "host") if f"write nova_virt_acme/{file}.py" in " ".join(failed.values())
    }
    assert named == {"spawn", "power", "host"}
    unverified = {test["reason"] for test in tests.values() if test["outcome"] == "not verified"}
    assert "write backend_objects() in nova_virt_acme/rig.py" in unverified


def test_the_class_in_its_tests_runs_the_same_kit(author: Author) -> None:
    done = author.run("pytest", "-q", "-p", "no:cacheprovider", "tests/backend", "-k", "answer or test_spawned_guest")
    assert done.returncode == 1
    assert "2 passed" in done.stdout, done.stdout
    assert "spawn is not written yet; write nova_virt_acme/spawn.py" in done.stdout


def test_the_code_of_the_guide_passes_our_own_checks(author: Author) -> None:
    folder = author.skeleton.parent / "guide"
    assert author.run("nova-virt", "driver", "new", "process", "--directory", folder).returncode == 0
    files = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(files) > 8
    for name, text in files:
        (folder / name).write_text(text)
    check(author, folder, "--ignore", "D102")  # as for our own drivers: a verb is documented once, in the contract


def test_it_passes_our_own_checks(author: Author) -> None:
    check(author, author.skeleton)
    for name in ("a", "test", "z" * 24):
        made = author.skeleton.parent / f"checked-{name}"
        assert author.run("nova-virt", "driver", "new", name, "--directory", made).returncode == 0
        lint(author, made)


def check(author: Author, folder: Path, *more: str) -> None:
    """See that the code in a folder is as ours has to be."""
    typed = author.run("mypy", ".", folder=folder)
    assert typed.returncode == 0, typed.stdout
    lint(author, folder, *more)


def lint(author: Author, folder: Path, *more: str) -> None:
    ours = ("--config", ROOT / "pyproject.toml", "--no-cache")
    for words in (("check", "--config", f"src = ['{folder}']", *more), ("format", "--check")):
        done = author.run("ruff", *words, *ours, ".", folder=folder)
        assert done.returncode == 0, done.stdout + done.stderr
