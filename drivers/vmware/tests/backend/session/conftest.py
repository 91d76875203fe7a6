"""Connections to simulated vCenters, and eyes on what they say."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim
from urllib3 import HTTPResponse

from nova_virt_vmware.connection import Connection
from nova_virt_vmware.options import OPTIONS
from nova_virt_vmware.property_collector import look_at, retrieve
from nova_virt_vmware.wire import Wire
from tools.vcsim import Relay, Settings, VCenter

MakeConnection = Callable[..., Connection]


@pytest.fixture
def make_connection(request: pytest.FixtureRequest) -> Iterator[MakeConnection]:
    """Makes connections to the shared vCenter, or ``to`` another, opened unless ``opened=False``; closes them."""
    made: list[Connection] = []

    def make(*, to: VCenter | Relay | None = None, opened: bool = True, **options: Any) -> Connection:
        values = {option.dest: option.default for option in OPTIONS}
        vcenter = to or request.getfixturevalue("vcenter")
        connection = Connection(SimpleNamespace(**(values | vcenter.options | options)))
        made.append(connection)
        if opened:
            connection.open()
        return connection

    yield make
    for connection in made:
        connection.close()


@pytest.fixture
def busy_vcenter(own_vcenter: Callable[..., VCenter]) -> VCenter:
    """A vCenter of this test's own with some machines."""
    return own_vcenter(Settings(clusters=1, standalone_hosts=0, vms=25))


def look_sessions(connection: Connection) -> list[Any]:
    """The sessions that the server has."""
    manager = connection.content.sessionManager._moId
    (_, values), *_ = look_at(connection, vim.SessionManager, [manager], ["sessionList"])
    return list(values["sessionList"])


def look_keys(connection: Connection) -> set[str]:
    return {session.key for session in look_sessions(connection)}


def end_other_sessions(admin: Connection) -> None:
    """End all sessions but the one of the server's own and the one that is used for this."""
    manager = admin.content.sessionManager
    _, values = next(look_at(admin, vim.SessionManager, [manager._moId], ["sessionList", "currentSession"]))
    own = values["currentSession"].key
    others = [s.key for s in values["sessionList"] if s.key != own and "nova-virt-vmware" in s.userAgent]
    admin.read("end sessions", lambda: manager.TerminateSession(others))


def look_names(connection: Connection) -> set[str]:
    return {values["name"] for _, values in retrieve(connection, vim.VirtualMachine, ["name"])}


class Post:
    """Stands before ``Wire.post``: counts requests by method; does something before one, or answers it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bodies: list[bytes] = []
        self.before: dict[bytes, list[Callable[[], None]]] = {}
        self.instead: dict[bytes, list[bytes]] = {}
        real = Wire.post

        def post(wire: Wire, body: bytes, headers: Any, **more: Any) -> Any:
            self.bodies.append(body)
            for method, todo in self.before.items():
                if b"<" + method + b" " in body and todo:
                    todo.pop(0)()
            for method, answers in self.instead.items():
                if b"<" + method + b" " in body and answers:
                    answer = answers.pop(0)
                    status = 500 if b"Fault" in answer else 200
                    return HTTPResponse(answer, headers={"Content-Type": "text/xml"}, status=status)
            return real(wire, body, headers, **more)

        monkeypatch.setattr(Wire, "post", post)

    def count(self, method: bytes) -> int:
        return sum(b"<" + method + b" " in body for body in self.bodies)


@pytest.fixture
def sessions() -> Callable[[Connection], Any]:
    return look_sessions


@pytest.fixture
def keys() -> Callable[[Connection], Any]:
    return look_keys


@pytest.fixture
def expire() -> Callable[[Connection], Any]:
    return end_other_sessions


@pytest.fixture
def names() -> Callable[[Connection], Any]:
    return look_names


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Post]:
    """Begins to watch what is sent."""
    return lambda: Post(monkeypatch)
