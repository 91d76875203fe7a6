"""The command that builds the image: from a bare checkout, after packaging, and when something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nova_virt_conformance.guest_image
from nova_virt_conformance.guest_image import cache, initramfs

PACKAGE = Path(nova_virt_conformance.guest_image.__file__).parent
# -S: without site-packages, as Python is before anything is installed.
COMMAND = [sys.executable, "-S", "-m", "nova_virt_conformance.guest_image"]


def run(*options: str, path: Path, home: str, package: Path = PACKAGE) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": home, "PATH": str(path), "APT_CONFIG": "/dev/null"}
    return subprocess.run(
        [*COMMAND, *options],
        cwd=package.parents[1],
        env={**environment, **{name: os.environ[name] for name in ("XDG_CACHE_HOME",) if name in os.environ}},
        capture_output=True,
        text=True,
        check=False,
    )


def without_modes(folder: Path) -> Path:
    """A copy of the package as an unpacker leaves it that knows no modes."""
    package = folder / "nova_virt_conformance" / "guest_image"
    shutil.copytree(PACKAGE, package, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(PACKAGE.parent / "__init__.py", package.parent / "__init__.py")
    return package


def test_an_image_that_exists_is_found_without_apt(image: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "empty"
    nothing.mkdir()
    target = tmp_path / "copy.qcow2"
    done = run("--print-path", "--output", str(target), path=nothing, home=str(Path.home()))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{target}\n", "")
    assert target.read_bytes() == image.read_bytes()


def test_a_copy_without_modes_finds_the_same_image(image: Path, tmp_path: Path) -> None:
    package = without_modes(tmp_path)
    done = run("--print-path", path=tmp_path, home=str(Path.home()), package=package)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{image}\n", "")


def test_scripts_can_be_run_in_the_guest_whatever_became_of_their_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initramfs, "GUEST_FILES", without_modes(tmp_path) / "guest")
    modes = {name: mode for name, _, mode in initramfs.guest_files()}
    scripts = {f"lib/guest/{name}" for name in ("boot", "console", "hotplug", "lease", "network", "stop", "watch-ipv6")}
    scripts |= {"sbin/chpasswd", "sbin/shutdown", "etc/acpi/PWRF/00000080"}
    assert {name for name, mode in modes.items() if mode == 0o755} == scripts
    assert {mode for name, mode in modes.items() if name not in scripts} == {0o644}


def test_what_does_not_change_the_image_does_not_change_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = without_modes(tmp_path)
    monkeypatch.setattr(cache, "SOURCES", package)
    before = cache.sources_digest()
    (package / "markers.py").write_text("")
    assert cache.sources_digest() == before
    (package / "guest/etc/passwd").write_text("")
    assert cache.sources_digest() != before


def test_a_missing_tool_is_an_error_of_one_line_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    done = run(path=tmp_path, home=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "guest image: apt-cache is not installed: run 'apt-get install apt'\n"
