"""Which failed requests are sent again: never what may have been done, and never longer than somebody wants to wait."""

import math
from collections.abc import Callable

import pytest

from nova_virt_api.errors import (
    AuthenticationFailed,
    BackendError,
    Busy,
    ConnectionLost,
    StateAfter,
    Unavailable,
    VirtError,
)
from nova_virt_vmware import retry
from nova_virt_vmware.errors import ChangedMeanwhile, Closed, Untrusted
from nova_virt_vmware.retry import persist

OUTAGE = 60.0


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Operation:
    """What is asked of an operation here."""

    def __init__(self, clock: Clock, seconds: float = math.inf) -> None:
        self._clock = clock
        self._end = clock.now + seconds

    def remaining(self) -> float:
        return max(0.0, self._end - self._clock.now)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._clock.now += 0.05


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    return clock


class Attempts:
    """Fails with these errors, one after the other, and then does not."""

    def __init__(self, *errors: VirtError) -> None:
        self._errors = list(errors)
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


def lost() -> ConnectionLost:
    return ConnectionLost("x", state_after=StateAfter.UNKNOWN)


def test_a_read_without_operation_is_repeated_once_and_only_after_a_broken_connection() -> None:
    assert persist(Attempts(lost()), None, OUTAGE, heard_twice=True) == "done"
    for errors in ((lost(), lost()), (Unavailable("x"),), (Busy("x"),), (BackendError("x"),)):
        attempts = Attempts(*errors)
        with pytest.raises(type(errors[0])):
            persist(attempts, None, OUTAGE, heard_twice=True)
        assert attempts.count == len(errors)


def test_a_read_goes_on_through_an_outage(clock: Clock) -> None:
    attempts = Attempts(lost(), Unavailable("x"), Unavailable("x"), lost())
    assert persist(attempts, Operation(clock), OUTAGE, heard_twice=True) == "done"  # type: ignore[arg-type]


def test_a_change_is_not_repeated_when_it_may_have_been_made(clock: Clock) -> None:
    attempts = Attempts(Unavailable("x"), Busy("x"), lost())
    with pytest.raises(ConnectionLost):
        persist(attempts, Operation(clock), OUTAGE, heard_twice=False)  # type: ignore[arg-type]
    assert attempts.count == 3


@pytest.mark.parametrize(
    "error", [ChangedMeanwhile("x"), Closed("x"), Untrusted("x"), AuthenticationFailed("x"), BackendError("x")]
)
def test_what_does_not_pass_is_not_repeated(error: VirtError, clock: Clock) -> None:
    attempts = Attempts(error)
    with pytest.raises(type(error)):
        persist(attempts, Operation(clock), OUTAGE, heard_twice=True)  # type: ignore[arg-type]
    assert attempts.count == 1


def test_an_outage_is_waited_for_as_long_as_was_said(clock: Clock) -> None:
    began = clock.now
    with pytest.raises(Unavailable):
        persist(Attempts(*[Unavailable("x")] * 500), Operation(clock), OUTAGE, heard_twice=True)  # type: ignore[arg-type]
    assert OUTAGE - retry.LONGEST_PAUSE <= clock.now - began <= OUTAGE + 1


def test_an_object_in_use_is_waited_for_until_the_deadline(clock: Clock) -> None:
    began = clock.now
    with pytest.raises(Busy):
        persist(Attempts(*[Busy("x")] * 5000), Operation(clock, 600.0), OUTAGE, heard_twice=False)  # type: ignore[arg-type]
    assert 600 - retry.LONGEST_PAUSE - retry.LAST_WORDS <= clock.now - began <= 600 - retry.LAST_WORDS + 1
