"""The guide's program about checkpoints is run as it stands there, but for the address."""

from collections.abc import Callable
from typing import Any


def test_program_about_checkpoints(make_guest: Callable[..., Any], daemon: Any, run_program: Any) -> None:
    guest = make_guest(name="web")
    guest.on()
    here = {'uri="qemu:///system"': f'uri="{daemon.uri}", pool="nova-virt", owner="nova-virt-tests"'}
    assert run_program("checkpoints", here) == ["before None True", "after before False"]
    assert guest.names() == []
