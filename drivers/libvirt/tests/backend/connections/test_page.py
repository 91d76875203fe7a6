"""The guide's programs about connections are run as they stand there, but for the address."""

from typing import Any

import pytest


@pytest.mark.parametrize("way", ["SSH", "TLS"])
def test_another_host(way: str, request: Any, run_program: Any) -> None:
    uri = request.getfixturevalue("ssh_uri") if way == "SSH" else request.getfixturevalue("own_daemon").tls
    names, backend = run_program("connect", {"qemu+ssh://root@host2/system": uri})
    assert names.startswith("['")
    assert backend == "QEMU"


def test_daemon_of_ones_own(own_daemon: Any, run_program: Any) -> None:
    here = {'uri="qemu:///session"': f'uri="{own_daemon.local}", pool="nova-virt"'}
    assert run_program("session", here) == ["running ['user']"]
