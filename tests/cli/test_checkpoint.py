"""``nova-virt checkpoint``."""

from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


def test_a_guest_goes_back(nova_virt: Run, web: str) -> None:
    made = nova_virt("checkpoint create web before --memory --description 'the upgrade' -f json").json
    assert (made["name"], made["description"], made["has_memory"]) == ("before", "the upgrade", True)
    assert nova_virt("checkpoint create web after -f value -c parent").out == "before\n"
    listed = nova_virt("checkpoint list web -f json").json
    assert [(entry["name"], entry["is_current"]) for entry in listed] == [("before", False), ("after", True)]
    assert nova_virt("checkpoint revert web before").out == "web is as it was at before\n"
    assert nova_virt("checkpoint list web -f json").json[0] == {**made, "is_current": True}
    assert nova_virt("show web -f value -c power_state").out == "running\n"
    assert nova_virt("checkpoint revert web after").code == 0
    assert nova_virt("show web -f value -c power_state").out == "shutdown\n"


def test_checkpoints_are_forgotten(nova_virt: Run, web: str) -> None:
    for name in ("one", "two", "three"):
        nova_virt("checkpoint create web", name)
    assert nova_virt("checkpoint delete web two").out == "web has no checkpoint two any more\n"
    assert nova_virt("checkpoint delete web two").code == 0
    assert nova_virt("checkpoint list web -f value -c name -c parent").out == "one \nthree one\n"
    assert nova_virt("checkpoint delete web one --children").code == 0
    assert nova_virt("checkpoint list web -f json").json == []


def test_going_back_to_nothing_is_refused(nova_virt: Run, web: str) -> None:
    refused = nova_virt("--quiet checkpoint revert web never")
    assert refused.code != 0
    assert "the guest has no checkpoint" in refused.error
