"""The command for directories that guests share with their hosts."""

from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]
"""Runs the command: see the fixtures ``nova_virt`` and ``command``."""


def test_shares_come_and_go(nova_virt: Run, web: str) -> None:
    nova_virt("stop web --force")
    ran = nova_virt("share attach web /srv/shares/docs --tag docs --read-only")
    assert ran.out == "web shares /srv/shares/docs as docs\n"
    (found,) = nova_virt("share list web -f json").json
    assert found == {"tag": "docs", "directory": "/srv/shares/docs", "read_only": True}
    assert nova_virt("share detach web docs").out == "web has no share docs\n"
    assert nova_virt("share list web -f json").json == []


def test_what_is_refused_says_why(nova_virt: Run, web: str) -> None:
    refused = nova_virt("--quiet share attach web /srv/shares/docs --tag docs")
    assert (refused.code, "MemoryBacking" in refused.error) == (6, True)
    nova_virt("stop web --force")
    refused = nova_virt("--quiet share attach web /etc --tag etc")
    assert "/etc may not be shared" in refused.error
    refused = nova_virt("--quiet share attach web docs --tag docs")
    assert "an absolute path" in refused.error
