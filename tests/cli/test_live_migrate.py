"""``nova-virt live-migrate``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def profiles(places: Path) -> None:
    """Two endpoints, each with a world of its own."""
    directory = places / "xdg_config_home" / "nova-virt"
    directory.mkdir(parents=True)
    file = directory / "profiles.yaml"
    file.write_text(
        "profiles:\n"
        "  here: {driver: fake, world: here, persist: true}\n"
        "  there: {driver: fake, world: there, persist: true, nodes: [there-host]}\n"
    )
    file.chmod(0o600)


def test_a_guest_moves_there_and_back(nova_virt: Run, profiles: None) -> None:
    assert nova_virt("--profile here create web", driver=None).code == 0
    moved = nova_virt("--profile here live-migrate web --to there", driver=None)
    assert moved.out == "web runs on there-host\n"
    assert "copy memory and disks" in moved.err
    assert nova_virt("--profile here list -f json", driver=None).json == []
    assert nova_virt("--profile there show web -f value -c lifecycle", driver=None).out == "ready\n"
    back = nova_virt("--profile there live-migrate web --to here --complete-after 60", driver=None)
    assert back.out == "web runs on fake-host\n"


def test_to_another_node(nova_virt: Run) -> None:
    options = "--option nodes=one,two"
    assert nova_virt(f"{options} create web --node one").code == 0
    assert nova_virt(f"{options} live-migrate web --node two").out == "web runs on two\n"


def test_it_goes_somewhere(nova_virt: Run, web: str) -> None:
    assert nova_virt("live-migrate web").code == 2
    assert nova_virt("live-migrate web --node elsewhere").code == 5
