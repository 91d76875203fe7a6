"""The commands that give guests another size, and the way back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


@pytest.fixture
def off(nova_virt: Run) -> str:
    """A guest that is stopped."""
    assert nova_virt("create web --disk-size 1G --no-start").code == 0
    return "web"


def test_a_guest_is_resized_tried_and_kept(nova_virt: Run, off: str) -> None:
    ran = nova_virt("resize web --vcpus 2 --memory 2G --disk-size 2G -f json")
    assert "'nova-virt resize-confirm web' keeps it, 'resize-revert' takes it back" in ran.err
    resized = ran.json
    assert (resized["vcpus"], resized["lifecycle"], resized["power_state"]) == (2, "resize_pending", "shutdown")
    assert nova_virt("start web").code == 0
    refused = nova_virt("--quiet pause web")
    assert (refused.code, "confirm or revert its resize first" in refused.error) == (6, True)
    assert nova_virt("resize-confirm web").out == "web waits for nothing any more\n"
    assert nova_virt("show web -f value -c lifecycle").out == "ready\n"


def test_a_resize_is_taken_back_or_kept_at_once(nova_virt: Run, off: str) -> None:
    nova_virt("resize web --vcpus 2")
    assert nova_virt("resize-revert web --start").out == "web is as it was before its resize\n"
    shown = nova_virt("show web -f json").json
    assert (shown["vcpus"], shown["lifecycle"], shown["power_state"]) == (1, "ready", "running")
    nova_virt("stop web")
    kept = nova_virt("resize web --vcpus 2 --confirm -f value -c lifecycle")
    assert (kept.out, "resize-confirm" in kept.err) == ("ready\n", False)


def test_a_running_guest_is_resized(nova_virt: Run) -> None:
    assert nova_virt("create web --memory 1G --max-memory 4G --max-vcpus 4").code == 0
    shown = nova_virt("resize web --live --vcpus 3 --memory 2G -f json").json
    assert (shown["vcpus"], shown["lifecycle"], shown["power_state"]) == (3, "ready", "running")
    assert nova_virt("resize web --live --memory 1G -f value -c vcpus").out == "3\n"
    for line, code, text in (
        ("--live --vcpus 5", 7, "at most 4"),
        ("--live --memory 512M", 7, "--memory: got 512 MiB, allowed is"),
        ("--live --disk-size 2G", 7, "allowed is none for a guest that runs"),
        ("--live --confirm --vcpus 2", 2, "not allowed with"),
    ):
        ran = nova_virt(f"--quiet resize web {line}")
        assert (ran.code, text in ran.error) == (code, True), ran.error


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        ("resize web", 7, "got nothing, allowed is something to change: --vcpus, --memory or --disk-size"),
        ("resize web --disk-size 1M", 7, "only grow"),
        ("resize web --disk-size = --disk-size 1G", 7, "--disk-size[1]: got 1 GiB, allowed is"),
        ("resize web --memory lots", 7, "--memory"),
        ("migrate web --to nowhere", 7, "nowhere"),
    ],
)
def test_what_cannot_be_is_refused(line: str, code: int, text: str, nova_virt: Run, off: str) -> None:
    ran = nova_virt(f"--quiet {line}")
    assert (ran.code, text in ran.error) == (code, True), ran.error


def test_a_guest_moves_to_another_profile(nova_virt: Run, off: str, places: Path) -> None:
    directory = places / "xdg_config_home" / "nova-virt"
    directory.mkdir(parents=True)
    (directory / "profiles.yaml").write_text("profiles: {elsewhere: {driver: fake, world: other, persist: true}}\n")
    moved = nova_virt("migrate web --to elsewhere --memory 2G -f json")
    assert moved.code == 0, moved.err
    assert nova_virt("show web -f value -c lifecycle").out == "resize_pending\n"
    assert nova_virt("--profile elsewhere list -f value -c name", driver=None).out == "web\n"
    nova_virt("resize-confirm web")
    assert nova_virt("list -f value -c name").out == ""
