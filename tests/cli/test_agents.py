"""The commands that ask guests' agents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.cli.guest_info import user_fields

Run = Callable[..., Any]


def outside(act: Callable[[Any, virt.Instance], Any]) -> Any:
    """Do something behind the API's back to the guest ``web``, or look at it."""
    with virt.connect("fake", persist=True) as compute, compute.native() as switches:
        return act(switches.outside, compute.find("web"))  # type: ignore[attr-defined]


def test_a_guest_tells_of_itself(nova_virt: Run, web: str) -> None:
    told = nova_virt("guest info web -f json").json
    assert (told["hostname"], told["os_id"], told["utc_offset_seconds"]) == ("web", "fake", 0)
    assert told["interfaces"] == [{"name": "eth0", "mac": "52:54:00:00:00:00", "addresses": ["192.0.2.1/24"]}]
    assert told["filesystems"][0]["mountpoint"] == "/"
    assert told["users"] == []


def test_a_login_is_shown_in_plain_values() -> None:
    user = virt.GuestUser(name="ann", since=0.0, domain="OFFICE")
    assert user_fields(user) == {"name": "ann", "since": "1970-01-01T00:00:00+00:00", "domain": "OFFICE"}
    assert user_fields(virt.GuestUser(name="ann"))["since"] is None


def test_a_password_comes_by_reference(nova_virt: Run, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_PASSWORD", "hunter2")
    assert nova_virt("password set web env:THE_PASSWORD").out == "the password of the administrator is set in web\n"
    assert nova_virt("password set web env:THE_PASSWORD --user ann").out == "the password of ann is set in web\n"
    assert outside(lambda world, guest: world.passwords(guest)) == ("root", "ann")
    refused = nova_virt("--quiet password set web hunter2")
    assert (refused.code, "a secret does not belong on a command line" in refused.error) == (7, True)


def test_a_guest_comes_to_rest(nova_virt: Run, web: str, places: Path) -> None:
    assert nova_virt("quiesce web").out == "web is at rest\n"
    assert nova_virt("--quiet snapshot web snap.qcow2 --quiesce required").code == 0
    assert outside(lambda world, guest: world.frozen(guest))
    assert nova_virt("unquiesce web").out == "web writes again\n"
    assert not outside(lambda world, guest: world.frozen(guest))


def test_an_agent_that_is_not_there_is_told_of(nova_virt: Run, web: str, places: Path) -> None:
    outside(lambda world, guest: world.set_agent(guest, connected=False))
    for words in ("guest info web", "quiesce web", "snapshot web snap.qcow2 --quiesce required"):
        refused = nova_virt(f"--quiet {words}")
        assert refused.code != 0
        assert "agent" in refused.error
    assert nova_virt("--quiet snapshot web snap.qcow2 --quiesce no").code == 0
