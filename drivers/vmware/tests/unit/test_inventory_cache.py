"""What is read and what is told may overtake each other: what is shown is never older than what was done."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from nova_virt_api.errors import AuthenticationFailed, ConnectionLost, PermissionDenied, Unavailable, VirtError
from nova_virt_vmware import inventory_cache
from nova_virt_vmware.inventory_cache import InventoryCache
from nova_virt_vmware.known import Known
from nova_virt_vmware.plain import ENTER, LEAVE, MODIFY, Told, Updates

PATIENCE = 20.0
THREAD = "nova-virt-vmware-inventory"


class Server:
    """Stands for filter and reader: tells what it is given, and reads what it has."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {"vm-1": "web", "vm-2": "db"}
        self.read: list[list[str]] = []
        self.opened = 0
        self.parted = 0
        self.failures: list[VirtError] = []
        self.asked = threading.Semaphore(0)
        self.answers: queue.SimpleQueue[Updates | VirtError] = queue.SimpleQueue()
        self.reading: Callable[[], None] = lambda: None

    # the filter

    def open(self) -> list[Told]:
        self.opened += 1
        if self.failures:
            raise self.failures.pop(0)
        self.reading()
        return self._told(self.names)

    def wait(self) -> Updates:
        self.asked.release()
        answer = self.answers.get(timeout=PATIENCE)
        if isinstance(answer, VirtError):
            raise answer
        return answer

    def give_up(self) -> None:
        self.answers.put(ConnectionLost("broken off"))

    def part(self) -> None:
        self.parted += 1

    # the reader

    def all(self) -> list[Told]:
        self.read.append(["all"])
        return self._told(self.names)

    def some(self, morefs: Iterable[str], op: Any = None) -> list[Told]:
        self.read.append(sorted(morefs))
        return self._told(moref for moref in self.read[-1] if moref in self.names)

    def _told(self, morefs: Iterable[str]) -> list[Told]:
        return [Told("VirtualMachine", moref, ENTER, {"name": self.names[moref]}) for moref in morefs]

    # what tests do

    def tell(self, *told: Told) -> None:
        self.answers.put(Updates("1", False, list(told)))

    def await_question(self) -> None:
        assert self.asked.acquire(timeout=PATIENCE)


def renamed(moref: str, name: str) -> Told:
    return Told("VirtualMachine", moref, MODIFY, {"name": name})


class Listener:
    """An observer that takes notes."""

    def __init__(self) -> None:
        self.notes: list[str | dict[str, str]] = []

    def seen(self, known: Known) -> None:
        self.notes.append(names(known))

    def gap(self, reason: str) -> None:
        self.notes.append(reason)


def names(known: Known) -> dict[str, str]:
    return {moref: row.name for moref, row in known.vms.items()}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(inventory_cache, "VmFilter", lambda *_: server)
    monkeypatch.setattr(inventory_cache, "VmReader", lambda *_: server)
    return server


@pytest.fixture
def cache(server: Server) -> Iterator[InventoryCache]:
    cache = InventoryCache(SimpleNamespace(stop_waiting=lambda: None))  # type: ignore[arg-type]
    yield cache
    cache.close()


def test_first_listing_makes_the_filter_and_later_ones_ask_nobody(server: Server, cache: InventoryCache) -> None:
    assert cache.shown() is None
    first = cache.known()
    assert names(first) == server.names
    assert cache.known() is cache.shown() is first
    assert (server.opened, server.read) == (1, [])


def test_threads_that_list_at_the_same_time_share_a_filter(server: Server, cache: InventoryCache) -> None:
    together = threading.Barrier(4)
    server.reading = lambda: time.sleep(0.05)

    def listing() -> Known:
        together.wait(PATIENCE)
        return cache.known()

    with ThreadPoolExecutor(4) as threads:
        found = [each.result() for each in [threads.submit(listing) for _ in range(4)]]
    assert server.opened == 1
    assert all(each is found[0] for each in found)


def test_what_was_changed_from_here_is_read_again_once(server: Server, cache: InventoryCache) -> None:
    before = cache.known()
    server.names |= {"vm-1": "changed", "vm-3": "made"}
    del server.names["vm-2"]
    cache.touch(["vm-1", "vm-2", "vm-3"])
    assert cache.shown() is None
    assert names(cache.known()) == server.names
    assert names(before) == {"vm-1": "web", "vm-2": "db"}
    cache.known()
    assert server.read == [["vm-1", "vm-2", "vm-3"]]


def test_an_answer_that_a_read_has_overtaken_does_not_bring_the_past_back(
    server: Server, cache: InventoryCache
) -> None:
    cache.known()
    server.await_question()
    server.names["vm-1"] = "newest"
    cache.touch(["vm-1"])
    cache.known()
    server.tell(renamed("vm-1", "older"), renamed("vm-2", "told"))
    server.await_question()
    assert names(cache.known()) == {"vm-1": "newest", "vm-2": "told"}
    assert server.read == [["vm-1"], ["vm-1"]]
    server.tell(renamed("vm-1", "later"))
    server.await_question()
    assert names(cache.known())["vm-1"] == "later"
    assert len(server.read) == 2


def test_the_same_after_all_was_read(server: Server, cache: InventoryCache) -> None:
    cache.known()
    server.await_question()
    server.names["vm-1"] = "newest"
    cache.known(fresh=True)
    server.tell(renamed("vm-1", "older"), Told("VirtualMachine", "vm-2", LEAVE))
    server.await_question()
    assert names(cache.known()) == {"vm-1": "newest"}
    assert server.read == [["all"], ["vm-1"]]


def test_a_machine_that_left_does_not_come_back(server: Server, cache: InventoryCache) -> None:
    cache.known()
    server.await_question()
    cache.touch(["vm-1"])
    cache.known()
    del server.names["vm-1"]
    server.tell(renamed("vm-1", "older"), Told("VirtualMachine", "vm-1", LEAVE))
    server.await_question()
    assert names(cache.known()) == {"vm-2": "db"}


def test_what_is_not_told_completely_is_read(server: Server, cache: InventoryCache) -> None:
    cache.known()
    server.await_question()
    server.names |= {"vm-3": "new"}
    server.tell(renamed("vm-3", "of an unknown one"))
    server.await_question()
    assert names(cache.known()) == server.names


def test_looking_at_one_that_has_changed_is_remembered(server: Server, cache: InventoryCache) -> None:
    known = cache.known()
    assert cache.row("vm-1") is known.vms["vm-1"]
    assert cache.shown() is known
    server.names["vm-1"] = "changed by others"
    row = cache.row("vm-1")
    assert row is not None
    assert row.name == "changed by others"
    assert names(cache.known())["vm-1"] == "changed by others"
    assert cache.row("vm-9") is None


def test_gap_comes_before_what_differs(server: Server, cache: InventoryCache) -> None:
    listener = Listener()
    cache.known()
    cache.observe(listener)
    server.await_question()
    server.failures = [Unavailable("away"), Unavailable("still away")]
    del server.names["vm-2"]
    server.answers.put(ConnectionLost("lost"))
    server.await_question()
    assert listener.notes == [{"vm-1": "web", "vm-2": "db"}, "lost", {"vm-1": "web"}]
    assert (server.opened, server.parted) == (4, 1)
    cache.forget(listener)
    server.tell(renamed("vm-1", "changed"))
    server.await_question()
    assert len(listener.notes) == 3


@pytest.mark.parametrize("refusal", [AuthenticationFailed, PermissionDenied])
def test_refused_credentials_are_tried_again_only_when_somebody_lists(
    refusal: type[VirtError], server: Server, cache: InventoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_cache, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(inventory_cache, "LONGEST_PAUSE", 0.0)
    listener = Listener()
    cache.known()
    cache.observe(listener)
    [waiting] = [thread for thread in threading.enumerate() if thread.name == THREAD]
    server.await_question()
    server.failures = [refusal("changed")] * 3
    server.answers.put(refusal("changed"))
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    assert listener.notes[1:] == ["changed"]
    assert (server.opened, server.parted) == (1, 1)
    for opened in (2, 3, 4):
        with pytest.raises(refusal):
            cache.known()
        assert server.opened == opened
    server.names["vm-1"] = "later"
    assert names(cache.known()) == server.names
    assert listener.notes[2:] == ["changed", server.names]
    server.await_question()
    server.tell(renamed("vm-1", "told again"))
    server.await_question()
    assert names(cache.known())["vm-1"] == "told again"


def test_credentials_that_are_refused_after_an_outage_are_not_tried_again(
    server: Server, cache: InventoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_cache, "FIRST_PAUSE", 0.0)
    listener = Listener()
    cache.known()
    cache.observe(listener)
    [waiting] = [thread for thread in threading.enumerate() if thread.name == THREAD]
    server.failures = [Unavailable("away"), AuthenticationFailed("changed"), AuthenticationFailed("changed")]
    server.answers.put(ConnectionLost("lost"))
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    assert (server.opened, listener.notes[1:]) == (3, ["changed"])


def test_listing_fails_while_the_server_is_away_and_mends_the_filter(
    server: Server, cache: InventoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_cache, "FIRST_PAUSE", PATIENCE)
    monkeypatch.setattr(inventory_cache, "LONGEST_PAUSE", PATIENCE)
    cache.known()
    server.await_question()
    lost = threading.Event()
    monkeypatch.setattr(server, "part", lost.set)
    server.answers.put(ConnectionLost("lost"))
    assert lost.wait(PATIENCE)
    server.failures = [Unavailable("away")]
    with pytest.raises(Unavailable):
        cache.known()
    server.names["vm-1"] = "changed"
    assert names(cache.known())["vm-1"] == "changed"


def test_closed(server: Server, cache: InventoryCache) -> None:
    cache.known()
    server.await_question()
    cache.close()
    cache.close()
    assert server.parted == 1
    with pytest.raises(Unavailable):
        cache.known()


def test_closed_before_anything_was_asked(server: Server, cache: InventoryCache) -> None:
    cache.close()
    with pytest.raises(Unavailable):
        cache.known()
    assert server.opened == 0


def test_nobody_is_shown_the_past_while_it_is_being_read_again(
    server: Server, cache: InventoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.known()
    server.names["vm-1"] = "changed"
    cache.touch(["vm-1"])
    begun, go_on = threading.Event(), threading.Event()

    def reading(_: Any, op: Any = None) -> list[Told]:
        begun.set()
        assert go_on.wait(PATIENCE)
        return [Told("VirtualMachine", "vm-1", ENTER, {"name": "changed"})]

    monkeypatch.setattr(server, "some", reading)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache.known)
        assert begun.wait(PATIENCE)
        assert cache.shown() is None
        cache.touch(["vm-1"])
        second = threads.submit(cache.known)
        go_on.set()
        assert names(first.result())["vm-1"] == names(second.result())["vm-1"] == "changed"
    assert cache.shown() is not None
