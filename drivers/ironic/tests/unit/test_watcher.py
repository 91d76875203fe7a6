"""One poller for all: how often it lists, whom it wakes, and when it is silent."""

import math
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import AuthenticationFailed, Cancelled, Timeout, Unavailable, VirtError
from nova_virt_api.toolkit.committed import Committed
from nova_virt_ironic.listing import Snapshot
from nova_virt_ironic.node import NodeRow
from nova_virt_ironic.watcher import Watcher

FIRST, BUSY, IDLE, OUTAGE = 0.01, 0.05, 0.2, 0.15

NODES = [str(uuid.UUID(int=number)) for number in range(1, 301)]


@dataclass
class World:
    """An endpoint's nodes; stands for the listing, and counts its lists. An error lasts for so many lists."""

    rows: dict[str, NodeRow]
    seconds: float = 0.0
    error: VirtError | None = None
    failing_lists: float = math.inf
    last: Snapshot | None = None
    began: list[float] = field(default_factory=list)

    def snapshot(self, *, fresh: bool) -> Snapshot:
        assert fresh
        began = time.monotonic()
        self.began.append(began)
        rows = dict(self.rows)
        time.sleep(self.seconds)
        if (error := self.error) is not None:
            self.failing_lists -= 1
            if not self.failing_lists:
                self.error = None
            raise error
        self.last = Snapshot(rows, began, time.monotonic() - began)
        return self.last

    def set(self, node: str, **fields: Any) -> None:
        self.rows = self.rows | {node: replace(self.rows[node], **fields)}


class Noting:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Snapshot | str] = []

    def seen(self, snapshot: Snapshot) -> None:
        self.told.append(snapshot)

    def gap(self, reason: str) -> None:
        self.told.append(reason)


@pytest.fixture
def world() -> World:
    return World({node: NodeRow(uuid=node, provision_state="deploying") for node in NODES})


@pytest.fixture
def watcher(world: World) -> Iterator[Watcher]:
    options = SimpleNamespace(
        poll_interval=FIRST, busy_poll_interval=BUSY, idle_poll_interval=IDLE, outage_timeout=OUTAGE
    )
    watcher = Watcher(world, options)  # type: ignore[arg-type]
    yield watcher
    watcher.close()


@pytest.fixture
def eventually() -> Callable[..., None]:
    def wait(condition: Callable[[], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    return wait


def begun(seconds: float = 30.0) -> Operation[Any]:
    operation: Operation[Any] = Operation("test", uuid.uuid4(), timeout=seconds)
    assert operation.begin()
    return operation


def is_active(row: NodeRow | None) -> bool:
    return row is not None and row.provision_state == "active"


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "nova-virt-ironic-watcher"]


def test_nobody_who_wants_to_know_means_no_list_and_no_thread(
    world: World, watcher: Watcher, eventually: Callable[..., None]
) -> None:
    watcher.hurry()
    assert world.began == []
    world.set(NODES[0], provision_state="active")
    watcher.wait(DriverSide(begun()), NODES[0], is_active)
    eventually(lambda: not threads())
    lists = len(world.began)
    time.sleep(3 * BUSY)
    assert len(world.began) == lists


def test_a_waiting_verb_gets_the_node_that_satisfied_it(world: World, watcher: Watcher) -> None:
    threading.Timer(0.1, lambda: world.set(NODES[3], provision_state="active", last_error="almost")).start()
    found = watcher.wait(DriverSide(begun()), NODES[3], is_active)
    assert found is world.rows[NODES[3]]


def test_many_waiting_verbs_share_one_list(world: World, watcher: Watcher, eventually: Callable[..., None]) -> None:
    done: list[NodeRow | None] = []
    waiting = [
        threading.Thread(target=lambda node=node: done.append(watcher.wait(DriverSide(begun()), node, is_active)))
        for node in NODES[:200]
    ]
    for thread in waiting:
        thread.start()
    eventually(lambda: len(watcher._waiters) == len(waiting))
    assert len(threads()) == 1
    world.rows = {node: replace(row, provision_state="active") for node, row in world.rows.items()}
    for thread in waiting:
        thread.join(10)
    assert len(done) == 200
    assert len(world.began) < 200  # not one for each verb and interval


def test_a_condition_that_raises_ends_the_wait(world: World, watcher: Watcher) -> None:
    def failed(row: NodeRow | None) -> bool:
        raise Unavailable(f"it is {row and row.provision_state}")

    with pytest.raises(Unavailable, match="it is deploying"):
        watcher.wait(DriverSide(begun()), NODES[0], failed)


def test_a_node_that_is_gone_is_none(world: World, watcher: Watcher) -> None:
    world.rows = {}
    assert watcher.wait(DriverSide(begun()), NODES[0], lambda row: row is None) is None


def test_a_verb_sees_only_lists_that_began_after_it_asked(world: World, watcher: Watcher) -> None:
    world.seconds = 0.1
    watcher.observe(Noting())
    while not world.began:
        time.sleep(0.005)
    asked = time.monotonic()  # a list is under way
    watcher.wait(DriverSide(begun()), NODES[0], lambda _: True)
    assert world.last is not None
    assert world.last.began >= asked


def test_a_request_to_cancel_wakes_the_verb_at_once(world: World, watcher: Watcher) -> None:
    world.seconds = 4.0
    operation = begun()
    threading.Timer(0.1, operation.cancel).start()
    with pytest.raises(Cancelled):
        watcher.wait(DriverSide(operation), NODES[0], is_active)
    assert world.last is None  # the first list is still under way


def test_the_deadline_ends_the_wait(world: World, watcher: Watcher) -> None:
    with pytest.raises(Timeout):
        watcher.wait(DriverSide(begun(0.2)), NODES[0], is_active)


def test_what_must_be_finished_is_waited_for_past_the_deadline(world: World, watcher: Watcher) -> None:
    threading.Timer(0.3, lambda: world.set(NODES[0], provision_state="active")).start()
    assert watcher.wait(Committed(DriverSide(begun(0.05))), NODES[0], is_active) is not None


def test_lists_get_rarer_while_nothing_happens_and_come_fast_after_something_was_done(
    world: World, watcher: Watcher, eventually: Callable[..., None]
) -> None:
    watcher.observe(Noting())
    delays = []
    for _ in range(3):
        eventually(lambda: len(world.began) > 3 and world.began[-1] - world.began[-2] >= IDLE * 0.9)
        lists = len(world.began)
        done = time.monotonic()
        watcher.hurry()
        eventually(lambda lists=lists: len(world.began) > lists)
        delays.append(world.began[lists] - done)
    assert statistics.median(delays) < IDLE / 2
    world.set(NODES[0], provision_state="active")
    eventually(lambda: len(world.began) > lists + 4)
    pauses = [later - sooner for sooner, later in zip(world.began[lists:], world.began[lists + 1 :], strict=False)]
    assert min(pauses) < IDLE / 4
    assert watcher.latency_seconds >= IDLE


def test_lists_take_at_most_a_third_of_the_time(
    world: World, watcher: Watcher, eventually: Callable[..., None]
) -> None:
    world.seconds = 0.05
    watcher.observe(Noting())
    for _ in range(20):
        watcher.hurry()
        time.sleep(0.02)
    eventually(lambda: len(world.began) > 3)
    pauses = [later - sooner for sooner, later in zip(world.began, world.began[1:], strict=False)]
    assert min(pauses[1:]) >= 3 * world.seconds * 0.95


def test_after_an_outage_comes_the_gap_and_then_the_list(
    world: World, watcher: Watcher, eventually: Callable[..., None]
) -> None:
    noting = Noting()
    watcher.observe(noting)
    eventually(lambda: noting.told)
    world.error = Unavailable("refused")
    lists = len(world.began)
    eventually(lambda: len(world.began) > lists + 1)
    before = len(noting.told)
    world.error = None
    eventually(lambda: len(noting.told) >= before + 2)
    assert "refused" in str(noting.told[before])
    assert isinstance(noting.told[before + 1], Snapshot)


def test_a_verb_survives_a_short_outage_and_gives_up_after_a_long_one(world: World, watcher: Watcher) -> None:
    world.error, world.failing_lists = Unavailable("refused"), 1
    world.set(NODES[0], provision_state="active")
    assert is_active(watcher.wait(DriverSide(begun()), NODES[0], is_active))
    assert len(world.began) > 1
    world.error, world.failing_lists = Unavailable("refused"), math.inf
    began = time.monotonic()
    with pytest.raises(Unavailable, match="refused"):
        watcher.wait(DriverSide(begun()), NODES[1], is_active)
    assert OUTAGE <= time.monotonic() - began < 100 * OUTAGE


def test_a_login_that_is_not_accepted_any_more_ends_waiting_at_once(world: World, watcher: Watcher) -> None:
    watcher._outage_seconds = math.inf
    world.error = AuthenticationFailed("expired")
    with pytest.raises(AuthenticationFailed):
        watcher.wait(DriverSide(begun()), NODES[0], is_active)


def test_closing_ends_the_waits_and_the_thread(world: World, watcher: Watcher, eventually: Callable[..., None]) -> None:
    watcher.observe(Noting())
    failures: list[VirtError] = []

    def wait() -> None:
        try:
            watcher.wait(DriverSide(begun()), NODES[0], is_active)
        except VirtError as error:
            failures.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: world.began)
    watcher.close()
    watcher.close()
    thread.join(5)
    assert [type(failure) for failure in failures] == [Unavailable]
    eventually(lambda: not threads())
    with pytest.raises(Unavailable):
        watcher.wait(DriverSide(begun()), NODES[0], is_active)
