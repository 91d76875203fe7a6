"""The doctor says what is in the way, what to do about it, and ends with 1 if anything is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.driver.health_check import Check
from nova_virt_api.fake.driver import FakeDriver

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""

COMPILER_PACKAGES = ("gcc", "pkg-config", "python3-dev", "libvirt-dev", "python3-libvirt")


def test_all_is_well_with_fake(nova_virt: Run) -> None:
    ran = nova_virt("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert all(line.startswith("ok  ") for line in ran.out.splitlines())
    findings = nova_virt("doctor -f json").json
    assert {finding["check"] for finding in findings} >= {"driver", "connection"}
    assert all(finding["ok"] and not finding["fix"] for finding in findings)


def test_what_works_and_could_be_better_is_a_note(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    check = Check(name="KVM", ok=True, found="guests are emulated", fix="switch it on")
    monkeypatch.setattr(FakeDriver, "doctor", lambda self: (check,))
    ran = nova_virt("doctor")
    assert (ran.code, "note  fake       KVM            guests are emulated\n      to do: switch it on" in ran.out) == (
        0,
        True,
    )


def test_a_driver_that_is_not_there(nova_virt: Run) -> None:
    ran = nova_virt("doctor", driver="nope")
    assert ran.code == 1
    assert "FAIL  nope" in ran.out
    assert "to do: pip install nova-virt-nope" in ran.out


def test_libvirt_is_not_installed(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> object:
        raise virt.DriverNotFound(name, "no driver 'libvirt' is installed")

    monkeypatch.setattr("nova_virt_api.cli.doctor.load_driver", load)
    ran = nova_virt("doctor", driver="libvirt")
    assert ran.code == 1
    assert all(package in ran.out for package in COMPILER_PACKAGES)


def test_only_the_embedded_driver_is_installed(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from nova_virt_api.loading import list_drivers

    fake = [driver for driver in list_drivers() if driver.name == "fake"]
    monkeypatch.setattr("nova_virt_api.cli.doctor.list_drivers", lambda: tuple(fake))
    ran = nova_virt("doctor", driver=None)
    assert ran.code == 1
    assert "ok    fake" in ran.out
    assert "no driver for a real hypervisor is installed" in ran.out
    assert all(package in ran.out for package in COMPILER_PACKAGES)


def test_the_sdk_of_an_installed_driver_is_missing() -> None:
    program = """
import sys
sys.modules["libvirt"] = None
from nova_virt_api.cli.main import main
sys.exit(main())
"""
    words = [sys.executable, "-c", program, "--driver", "libvirt", "doctor"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=os.environ)
    assert ended.returncode == 1, ended.stderr
    assert "FAIL  libvirt    driver" in ended.stdout
    assert all(package in ended.stdout for package in COMPILER_PACKAGES)


def test_it_works_when_connecting_does_not(nova_virt: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (Check(name="socket", ok=False, found="there is none", fix="start the daemon"),)
    monkeypatch.setattr(FakeDriver, "doctor", lambda self: checks, raising=False)

    def refuse(self: FakeDriver) -> None:
        raise virt.Unavailable("nobody answers", hint="look at the log")

    monkeypatch.setattr(FakeDriver, "open", refuse)
    ran = nova_virt("doctor")
    assert ran.code == 1
    assert ran.out.splitlines()[1:] == [
        "FAIL  fake       socket         there is none",
        "      to do: start the daemon",
        "FAIL  fake       connection     nobody answers",
        "      to do: look at the log",
    ]


def test_a_wrong_option_is_a_finding(nova_virt: Run) -> None:
    ran = nova_virt("-o nope=1 doctor")
    assert ran.code == 1
    assert "FAIL  fake       options        nope: driver 'fake' has no such option" in ran.out


def test_debug_shows_the_cause_of_a_finding(command: Run) -> None:
    ran = command("--debug --driver nope doctor")
    assert ran.code == 1
    assert "DriverNotFound" in ran.err


def test_the_default_profile_is_what_is_looked_at(nova_virt: Run, places: Path) -> None:
    directory = places / "xdg_config_home" / "nova-virt"
    directory.mkdir(parents=True)
    (directory / "profiles.yaml").write_text("default: toy\nprofiles: {toy: {driver: fake}}\n")
    found = nova_virt("doctor -f json", driver=None).json
    assert {finding["driver"] for finding in found} == {"fake"}
    (directory / "profiles.yaml").write_text("profiles: {toy: {driver: fake}}\n")
    ran = nova_virt("doctor -f json", driver=None)
    assert {finding["driver"] for finding in ran.json} > {"fake"}
    assert "NOVA_VIRT_PROFILE" in ran.err
