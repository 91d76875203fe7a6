"""The commit that a report names."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from nova_virt_conformance.report.commit import commit_of


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def driver_in(path: Path) -> type:
    path.write_text("class Driver: pass\n")
    spec = spec_from_file_location("some_driver", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["some_driver"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    kind: type = module.Driver
    return kind


def test_a_checkout_has_a_commit_and_says_when_it_was_changed(tmp_path: Path) -> None:
    git(tmp_path, "init")
    driver = driver_in(tmp_path / "driver.py")
    git(tmp_path, "add", "driver.py")
    git(tmp_path, "commit", "-m", "First")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(driver) == head
    (tmp_path / "driver.py").write_text("class Driver: ...\n")
    assert commit_of(driver) == f"{head}+"


def test_a_copy_installed_inside_a_checkout_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "First")
    assert commit_of(driver_in(tmp_path / "installed.py")) == ""


def test_outside_of_a_checkout_there_is_none(tmp_path: Path) -> None:
    assert commit_of(driver_in(tmp_path / "installed.py")) == ""
