"""Which failed requests are sent again, and until when."""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.errors import Busy, Cancelled, ConnectionLost, StateAfter, Unavailable, VirtError
from nova_virt_ironic import retry
from nova_virt_ironic.errors import Conflict
from nova_virt_ironic.retry import Again, persist

LOST = ConnectionLost("cut", state_after=StateAfter.UNKNOWN)
AWAY = Unavailable("refused")
LOCKED = Busy("locked", "conductor-7")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.002)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(retry, "LAST_WORDS", 0.01)


def begun(seconds: float) -> Operation[Any]:
    operation: Operation[Any] = Operation("test", uuid.uuid4(), timeout=seconds)
    assert operation.begin()
    return operation


def failing(*errors: VirtError) -> tuple[Callable[[], str], list[float]]:
    """A request that fails with these errors, one after the other, and then succeeds; when it was sent."""
    sent: list[float] = []

    def request() -> str:
        sent.append(time.monotonic())
        if len(sent) <= len(errors):
            raise errors[len(sent) - 1]
        return "done"

    return request, sent


def test_a_lock_is_waited_for() -> None:
    request, sent = failing(*[LOCKED] * 6)
    assert persist(request, Again.UNHEARD, DriverSide(begun(30)), 1.0) == "done"
    assert len(sent) == 7


def test_a_lock_that_lasts_until_the_deadline_is_busy_with_its_holder() -> None:
    request, sent = failing(*[LOCKED] * 10_000)
    began = time.monotonic()
    with pytest.raises(Busy) as caught:
        persist(request, Again.UNHEARD, DriverSide(begun(2.0)), 1.0)
    assert caught.value.holder == "conductor-7"
    assert time.monotonic() - began < 20
    assert len(sent) > 3


def test_a_conflict_for_good_is_never_repeated() -> None:
    request, sent = failing(Conflict("taken"))
    with pytest.raises(Conflict):
        persist(request, Again.ALWAYS, DriverSide(begun(30)), 1.0)
    assert len(sent) == 1


def test_a_lock_may_be_nothing_to_wait_for() -> None:
    request, sent = failing(AWAY, LOCKED)
    with pytest.raises(Busy):
        persist(request, Again.UNLOCKED, DriverSide(begun(30)), 1.0)
    assert len(sent) == 2


def test_what_may_have_been_heard_is_repeated_only_where_that_does_no_harm() -> None:
    request, sent = failing(LOST)
    with pytest.raises(ConnectionLost):
        persist(request, Again.UNHEARD, DriverSide(begun(30)), 1.0)
    assert len(sent) == 1
    request, sent = failing(LOST)
    assert persist(request, Again.ALWAYS, DriverSide(begun(30)), 1.0) == "done"


def test_an_endpoint_that_is_away_for_too_long_ends_a_verb_before_its_deadline() -> None:
    request, sent = failing(*[AWAY] * 10_000)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        persist(request, Again.UNHEARD, DriverSide(begun(60)), 1.0)
    assert time.monotonic() - began < 20
    assert len(sent) > 3


def test_locks_in_between_are_no_outage() -> None:
    request, _ = failing(*[AWAY, LOCKED] * 20)
    assert persist(request, Again.UNHEARD, DriverSide(begun(30)), 0.03) == "done"


def test_without_an_operation_only_a_closed_connection_is_replaced_once() -> None:
    request, _ = failing(LOST)
    assert persist(request, Again.ALWAYS, None, 60.0) == "done"
    for errors in ([LOST, LOST], [AWAY], [LOCKED]):
        request, sent = failing(*errors)
        with pytest.raises(type(errors[-1])):
            persist(request, Again.ALWAYS, None, 60.0)
        assert len(sent) == len(errors)


def test_a_request_to_cancel_ends_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 60.0)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 60.0)
    operation = begun(300)
    request, sent = failing(*[LOCKED] * 10)
    failed_once = threading.Event()

    def attempt() -> str:
        failed_once.set()
        return request()

    threading.Thread(target=lambda: (failed_once.wait(), operation.cancel())).start()
    with pytest.raises(Cancelled):
        persist(attempt, Again.UNHEARD, DriverSide(operation), 60.0)
    assert len(sent) == 1
