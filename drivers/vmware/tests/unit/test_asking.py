"""Asking a guest to restart: what counts as done, where the simulator is too slow or too sure to show it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from nova_virt_api.errors import ConnectionLost, GuestAgentUnavailable, VirtError
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_vmware import asking
from nova_virt_vmware.asking import NO_TOOLS, TOOLS_PATH, Restart
from nova_virt_vmware.diagnostics import UPTIME

RUNNING = "guestToolsRunning"
PATIENCE_S = 60.0
GRACE_S = 0.2


class Server:
    """Tells one thing after another of a guest, and shows it, when somebody looks, with its Tools running."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.answers: list[VirtError] = []
        self.uptimes = [100, 101]
        self.asked = 0
        self.tools_seen = True

    # the connection

    def object(self, kind: type[Any], moref: str) -> Any:
        return SimpleNamespace(RebootGuest=lambda: None)

    def change(self, doing: str, call: Callable[[], None], op: Any) -> None:
        self.asked += 1
        call()
        if self.answers:
            raise self.answers.pop(0)

    # the sight

    def values(self, vm: Any) -> Mapping[str, Any]:
        return {TOOLS_PATH: self.told[0]} if self.told else {}

    def wait(self, seconds: float) -> None:
        del self.told[: len(self.told) > 1]

    def wake(self) -> None:
        """Nobody sleeps."""

    # the site

    @contextmanager
    def watching(self, vm: Any) -> Iterator["Server"]:
        yield self

    def find(self, ref: Any, op: Any) -> Any:
        return SimpleNamespace(row=SimpleNamespace(tools=self.tools_seen))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(asking, "look_at", lambda *_: [("vm-1", {UPTIME: server.uptimes.pop(0)})])
    monkeypatch.setattr(asking, "AGAIN_SECONDS", 0.0)
    return server


def restart(server: Server, grace_seconds: float) -> bool:
    site: Any = SimpleNamespace(connection=server, tasks=server, guests=server)
    guest: Any = SimpleNamespace(name="web", uuid=None, row=SimpleNamespace(moref="vm-1"))
    return Restart(site, guest).make(Unstoppable(2 * PATIENCE_S), grace_seconds)


def test_a_guest_that_is_back_before_anybody_looks_has_restarted(server: Server) -> None:
    server.told = [RUNNING, NO_TOOLS, RUNNING]
    assert restart(server, PATIENCE_S)
    assert server.asked == 1


def test_a_request_whose_answer_is_lost_is_not_made_again(server: Server) -> None:
    server.answers = [ConnectionLost("lost")]
    server.told = [RUNNING, RUNNING, NO_TOOLS]
    assert restart(server, PATIENCE_S)
    assert server.asked == 1


def test_a_guest_without_tools_has_not_restarted_as_nobody_knows_whether_it_was_asked(server: Server) -> None:
    server.answers = [ConnectionLost("lost")]
    server.told = [NO_TOOLS]
    server.tools_seen = False
    assert not restart(server, GRACE_S)


def test_a_refused_request_is_made_again(server: Server) -> None:
    server.answers = [GuestAgentUnavailable("not yet")]
    server.told = [NO_TOOLS, RUNNING, NO_TOOLS]
    assert restart(server, PATIENCE_S)
    assert server.asked == 2


def test_what_was_told_before_the_guest_was_asked_does_not_count(server: Server) -> None:
    server.told = [NO_TOOLS, RUNNING]
    assert not restart(server, GRACE_S)


@pytest.mark.parametrize(("uptime", "done"), [(3, True), (101, False), (0, False)])
def test_uptime_shows_a_restart_of_which_nothing_was_told(server: Server, uptime: int, *, done: bool) -> None:
    server.told = [RUNNING]
    server.uptimes = [100, uptime]
    assert restart(server, GRACE_S) is done
