"""What verbs are told of the objects that they wait for, by a server as its reference describes it."""

from __future__ import annotations

import queue
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import vim, vmodl

from nova_virt_api.errors import PermissionDenied, Unavailable
from nova_virt_vmware.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 30.0
TASK, OTHER = vim.Task("task-1"), vim.Task("task-2")


class Server:
    """Stands in for connection, collector and view. ``updates`` are its answers to ``WaitForUpdatesEx``."""

    def __init__(self) -> None:
        self.updates: queue.Queue[Any] = queue.Queue()
        self.missing: list[Any] = []
        self.listed: list[tuple[set[str], set[str]]] = []
        self.content = SimpleNamespace(propertyCollector=self, viewManager=self)
        self.waits = 0
        self._moId = "mine"

    def read(self, _: str, call: Callable[[], Any]) -> Any:
        return call()

    def waiting_object(self, _: Any, __: str) -> Server:
        return self

    parting_object = waiting_object

    def CreatePropertyCollector(self) -> Server:  # noqa: N802 - vSphere's name
        return self

    CreateListView = CreatePropertyCollector

    def CreateFilter(self, _: Any, partialUpdates: bool) -> None:  # noqa: N802, N803 - vSphere's names
        assert not partialUpdates, "a change inside of a value would not tell the value"

    def ModifyListView(self, add: list[Any], remove: list[Any]) -> list[Any]:  # noqa: N802 - vSphere's name
        self.listed.append(({each._moId for each in add}, {each._moId for each in remove}))
        return [each for each in self.missing if each in add]

    def WaitForUpdatesEx(self, _: str, __: Any) -> Any:  # noqa: N802 - vSphere's name
        self.waits += 1
        answer = self.updates.get(timeout=PATIENCE_S)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def DestroyPropertyCollector(self) -> None:  # noqa: N802 - vSphere's name
        self.updates.put(Unavailable("it was removed"))

    def DestroyView(self) -> None:  # noqa: N802 - vSphere's name
        """Nothing is kept."""

    def tell(self, task: Any, state: str, kind: str = "modify") -> None:
        """Tell of a task's state."""
        query = vmodl.query.PropertyCollector
        change = query.Change(name="info.state", op="assign", val=state)
        found = query.ObjectUpdate(obj=task, kind=kind, changeSet=[change])
        self.updates.put(query.UpdateSet(version="1", filterSet=[query.FilterUpdate(objectSet=[found])]))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def watched(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr("nova_virt_vmware.watched.filter_of", lambda _: None)
    made = Watched(server, outage_seconds=PATIENCE_S)  # type: ignore[arg-type]  # it answers what is asked here
    yield made
    made.close()


def test_who_comes_later_is_told_what_others_know(server: Server, watched: Watched) -> None:
    """An object that is in the list already is not told anew by the server; who comes later gets what was told."""
    with watched.sight(TASK) as first:
        server.tell(TASK, "running", "enter")
        first.wait(PATIENCE_S)
        with watched.sight(TASK) as second:
            assert second.values(TASK) == first.values(TASK) == {"info.state": "running"}
            server.tell(TASK, "success")
            second.wait(PATIENCE_S)  # what it was given in the beginning
            while second.values(TASK)["info.state"] != "success":
                second.wait(PATIENCE_S)
    assert [added for added, _ in server.listed] == [{"task-1"}]


def test_what_nobody_waits_for_leaves_the_list(server: Server, watched: Watched) -> None:
    """Nobody is told of what he does not wait for; it leaves the list when the next object comes."""
    with watched.sight(TASK) as first:
        server.tell(TASK, "success", "enter")
        first.wait(PATIENCE_S)
    with watched.sight(OTHER) as second:
        server.tell(TASK, "error")
        server.tell(OTHER, "running", "enter")
        second.wait(PATIENCE_S)
        assert second.values(OTHER) == {"info.state": "running"}
    assert server.listed == [({"task-1"}, set()), ({"task-2"}, {"task-1"})]


def test_object_that_the_server_does_not_know(server: Server, watched: Watched) -> None:
    """An object that cannot be put into the list is lost, and is not asked for again."""
    server.missing = [TASK]
    with watched.sight(TASK) as sight:
        sight.wait(PATIENCE_S)
        assert sight.is_gone(TASK)
        with watched.sight(OTHER):
            assert server.listed[-1][0] == {"task-2"}


def test_object_that_leaves_the_list(server: Server, watched: Watched) -> None:
    """An object that leaves is lost if the server does not know it any more, and else told of as before."""
    with watched.sight(TASK, OTHER) as sight:
        server.tell(TASK, "running", "enter")
        sight.wait(PATIENCE_S)
        server.missing = [TASK]
        server.tell(OTHER, "running", "leave")
        server.tell(TASK, "running", "leave")
        while not sight.is_gone(TASK):
            sight.wait(PATIENCE_S)
        assert not sight.is_gone(OTHER)
    assert server.listed[1:] == [({"task-2"}, set()), ({"task-1"}, set())]


def test_account_that_may_not_is_told_at_once(server: Server, watched: Watched) -> None:
    """What does not pass by itself ends the wait, whatever time there is for an outage."""
    server.updates.put(PermissionDenied("the account may not"))
    with watched.sight(TASK) as sight, pytest.raises(PermissionDenied):
        sight.wait(PATIENCE_S)


def test_thread_ends_when_nobody_waits(server: Server, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing has happened and nobody waits, the thread ends; the next who comes starts another."""
    ended = threading.Event()
    monkeypatch.setattr(server, "DestroyView", ended.set)
    with watched.sight(TASK) as sight:
        server.tell(TASK, "success", "enter")
        sight.wait(PATIENCE_S)
    server.updates.put(None)
    assert ended.wait(PATIENCE_S)
    server.updates = queue.Queue()
    with watched.sight(OTHER) as sight:
        server.tell(OTHER, "running", "enter")
        sight.wait(PATIENCE_S)
        assert sight.values(OTHER) == {"info.state": "running"}
