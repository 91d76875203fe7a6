"""Starts are spread over connections; those beyond wait where they can be given up."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import libvirt
import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Busy, Cancelled, StateAfter, Timeout, Unavailable
from nova_virt_libvirt import native_call
from nova_virt_libvirt.starts import AT_ONCE, Starts

PATIENCE = 20.0
WAITING = "wait until others have started"


class Native:
    """A connection and its one guest; each start takes until all are let go on."""

    def __init__(self, goes_on: threading.Event) -> None:
        self.native = self
        self.under_way: list[None] = []
        self.begun = 0
        self._goes_on = goes_on

    def lookupByUUID(self, _: bytes) -> Any:  # noqa: N802 - libvirt's name
        return self

    def UUID(self) -> bytes:  # noqa: N802 - libvirt's name
        return b""

    def create(self) -> None:
        self.begun += 1
        self.under_way.append(None)
        assert self._goes_on.wait(PATIENCE)
        self.under_way.pop()


class Refused:
    """A connection that the daemon does not take."""

    @property
    def native(self) -> Any:
        raise Unavailable("too many clients")


class Gone(Native):
    """A connection where the guest is not to be found."""

    def lookupByUUID(self, _: bytes) -> Any:  # noqa: N802 - libvirt's name
        raise libvirt.libvirtError("no such domain")


class Hold:
    """A claim that is ours."""

    def verify(self) -> None: ...


class LostHold:
    """A claim that somebody else took over."""

    def verify(self) -> None:
        raise Busy("somebody else took over")


HELD, LOST = Hold(), LostHold()


class Asked:
    """A start that was asked for."""

    def __init__(self, threads: ThreadPoolExecutor, starts: Starts, guest: Any, timeout: float, hold: Any) -> None:
        self.operation: Operation[None] = Operation("spawn", None, timeout=timeout)

        def start() -> None:
            self.operation.begin()
            starts.start(guest, hold, DriverSide(self.operation))

        self.outcome: Future[None] = threads.submit(start)


Ask = Callable[..., Asked]


@pytest.fixture
def goes_on() -> threading.Event:
    return threading.Event()


@pytest.fixture
def ask(goes_on: threading.Event) -> Iterator[Ask]:
    with ThreadPoolExecutor(3 * AT_ONCE + 1) as threads:
        yield lambda starts, guest, timeout=PATIENCE, hold=HELD: Asked(threads, starts, guest, timeout, hold)
        goes_on.set()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def under_way(connections: list[Native]) -> list[int]:
    return [len(one.under_way) for one in connections]


def test_connections_are_filled_one_after_the_other_and_not_beyond(ask: Ask, goes_on: threading.Event) -> None:
    connections = [Native(goes_on) for _ in range(3)]
    starts, guest = Starts(connections), connections[0]  # type: ignore[arg-type]
    asked = [ask(starts, guest) for _ in range(AT_ONCE + 1)]
    until(lambda: under_way(connections) == [AT_ONCE, 1, 0])
    asked += [ask(starts, guest) for _ in range(2 * AT_ONCE)]
    until(lambda: [one.operation.stage for one in asked].count(WAITING) == 1)
    until(lambda: under_way(connections) == [AT_ONCE] * 3)
    time.sleep(0.1)  # in which the last one could go beyond
    assert under_way(connections) == [AT_ONCE] * 3
    goes_on.set()
    for one in asked:
        one.outcome.result(PATIENCE)
        assert one.operation.stage == Stage.START.value


@pytest.mark.parametrize("error", [Cancelled, Timeout])
def test_what_was_given_up_while_it_waited_is_not_started_later(
    error: type[Cancelled | Timeout], ask: Ask, goes_on: threading.Event
) -> None:
    native = Native(goes_on)
    starts = Starts([native])  # type: ignore[list-item]
    for _ in range(AT_ONCE):
        ask(starts, native)
    until(lambda: under_way([native]) == [AT_ONCE])
    late = ask(starts, native, timeout=PATIENCE if error is Cancelled else 2.0)
    until(lambda: late.operation.stage == WAITING)
    if error is Cancelled:
        late.operation.cancel()
    found = late.outcome.exception(PATIENCE / 2)
    assert isinstance(found, error)
    assert found.state_after is StateAfter.UNCHANGED
    goes_on.set()
    ask(starts, native).outcome.result(PATIENCE)
    assert native.begun == AT_ONCE + 1


def test_a_start_left_behind_keeps_its_place_until_libvirt_answers(
    ask: Ask, goes_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_call, "GRACE", 0.1)
    native = Native(goes_on)
    starts = Starts([native])  # type: ignore[list-item]
    left = [ask(starts, native) for _ in range(AT_ONCE)]
    until(lambda: under_way([native]) == [AT_ONCE])
    for one in left:
        one.operation.cancel()
        assert isinstance(one.outcome.exception(PATIENCE), Cancelled)
    late = ask(starts, native)
    until(lambda: late.operation.stage == WAITING)
    assert native.begun == AT_ONCE
    goes_on.set()
    late.outcome.result(PATIENCE)


def test_what_fails_before_libvirt_is_asked_gives_its_place_back(ask: Ask, goes_on: threading.Event) -> None:
    goes_on.set()
    gone = Gone(goes_on)
    starts = Starts([gone])  # type: ignore[list-item]
    for _ in range(AT_ONCE + 1):
        assert isinstance(ask(starts, gone).outcome.exception(PATIENCE), libvirt.libvirtError)
    there = Native(goes_on)
    starts = Starts([there])  # type: ignore[list-item]
    for _ in range(AT_ONCE + 1):
        assert isinstance(ask(starts, there, hold=LOST).outcome.exception(PATIENCE), Busy)
    assert there.begun == 0


def test_where_no_connection_more_is_to_be_had_the_guests_own_serves(ask: Ask, goes_on: threading.Event) -> None:
    goes_on.set()
    guest = Native(goes_on)
    starts = Starts([Refused()])  # type: ignore[list-item]
    ask(starts, guest).outcome.result(PATIENCE)
    assert guest.begun == 1
