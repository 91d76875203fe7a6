"""``nova-virt clone``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


def test_a_guest_is_copied(nova_virt: Run, web: str, places: Path) -> None:
    (places / "user-data").write_text("#cloud-config\n")
    asked = "clone web web-2 --no-start --no-network --label tier=back --cloud-init user-data --quiesce no -f json"
    copy = nova_virt(asked).json
    assert (copy["name"], copy["power_state"], copy["labels"]) == ("web-2", "shutdown", {"tier": "back"})
    assert copy["uuid"] != web
    assert nova_virt("interface list web-2 -f json").json == []
    assert nova_virt("clone web-2 web-3 -f value -c power_state").out == "running\n"


def test_a_uuid_is_given_or_made_from_the_name(nova_virt: Run, web: str) -> None:
    uuid = "6a1e7a5c-9d64-4c43-8a0a-b6a2ee6e0f7a"
    assert nova_virt(f"clone web web-2 --uuid {uuid} -f value -c uuid").out == f"{uuid}\n"
    for _ in range(2):
        made = nova_virt("clone web web-3 --repeatable -f value -c uuid").out
        assert made == f"{virt.stable_uuid('web-3')}\n"


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("clone web web", 6, "there is a guest of this name already"),
        ("clone nobody web-2", 3, "nobody"),
        ("clone web web-2 --uuid 7", 7, "--uuid: got"),
        ("clone web web-2 --label tier", 7, "--label: got"),
        ("clone web", 2, "NAME"),
        ("clone web /web", 7, "name"),
        ("clone web web-2 --network nope", 7, "nope"),
    ],
)
def test_what_is_refused(typed: str, code: int, said: str, nova_virt: Run, web: str) -> None:
    refused = nova_virt(typed)
    assert refused.code == code, refused.error
    assert said in refused.error
