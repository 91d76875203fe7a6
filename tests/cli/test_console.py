"""Where a guest's console is."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
"""Runs the command: see the fixture ``nova_virt``."""


@pytest.fixture(autouse=True)
def web(nova_virt: Run) -> None:
    """A guest that runs."""
    assert nova_virt("create web --disk-size 1G").code == 0


def test_a_screen_whose_ticket_is_shown_to_who_asks_for_it(nova_virt: Run) -> None:
    hidden = nova_virt("console show web -f json").json
    shown = nova_virt("console show web --show-ticket -f json").json
    assert hidden["ticket"] == "***"
    assert len(shown["ticket"]) == 16
    assert shown | {"ticket": "***"} == hidden
    assert (hidden["kind"], hidden["tls"]) == ("vnc", False)
    assert shown["ticket"] not in nova_virt("console show web").out


def test_a_serial_console_is_a_device(nova_virt: Run) -> None:
    shown = nova_virt("console show web --kind serial -f json").json
    assert shown["path"].startswith("/dev/pts/")
    assert "ticket" not in shown


def test_a_console_that_the_guest_has_not(nova_virt: Run) -> None:
    assert nova_virt("console show web --kind spice").code == 5
