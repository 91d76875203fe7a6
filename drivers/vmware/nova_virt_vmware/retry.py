"""Which failed requests are sent again, after what pause, and for how long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from nova_virt_api.errors import Busy, ConnectionLost, StateAfter, Unavailable
from nova_virt_vmware.errors import ChangedMeanwhile, Closed, Untrusted

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation

T = TypeVar("T")

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
"""Seconds."""

FINAL: Final = (ChangedMeanwhile, Closed, Untrusted)
"""Saying it again does not help."""

LAST_WORDS: Final = 0.8
"""Seconds before the deadline in which an error still comes to the caller, who otherwise hears of a time-out only.

An operation's own waiting may take half a second longer than it was asked to.
"""


def persist(attempt: Callable[[], T], op: Operation | None, outage_seconds: float, *, heard_twice: bool) -> T:
    """Make attempts until one succeeds, or fails for good; an object in use is waited for until the deadline.

    Without an operation there is one more attempt, for a connection that the server had closed meanwhile.

    Args:
        attempt: sends the request; raises our errors.
        op: the operation worked for: its deadline ends the attempts, a request to cancel ends a pause.
        outage_seconds: how long the server may be away meanwhile.
        heard_twice: whether it does no harm when the server hears the request twice, as after a broken connection.
    """
    patience = Patience(op, outage_seconds, heard_twice)
    return Retrying(
        retry=retry_if_exception(patience.allows),
        wait=patience.pause,
        stop=patience.is_over,
        sleep=patience.sleep,
        reraise=True,
    )(attempt)


class Patience:
    """What one request may take.

    Args:
        op: the operation worked for, if any.
        outage_seconds: how long the server may be away meanwhile.
        heard_twice: whether the server may hear the request twice.
    """

    def __init__(self, op: Operation | None, outage_seconds: float, heard_twice: bool) -> None:
        self._op = op
        self._outage_seconds = outage_seconds
        self._heard_twice = heard_twice
        self._away_since: float | None = None
        self._growing = wait_random_exponential(multiplier=FIRST_PAUSE * 2, max=LONGEST_PAUSE, min=FIRST_PAUSE / 2)

    def allows(self, error: BaseException) -> bool:
        """Whether a request that failed so may be sent again."""
        if not isinstance(error, Busy | Unavailable | ConnectionLost) or isinstance(error, FINAL):
            return False
        return self._heard_twice or error.state_after is StateAfter.UNCHANGED

    def pause(self, state: RetryCallState) -> float:
        """Seconds until the next attempt; a connection that was found closed is replaced at once."""
        if state.attempt_number == 1 and isinstance(error_of(state), ConnectionLost):
            return 0.0
        return float(self._growing(state))

    def is_over(self, state: RetryCallState) -> bool:
        """Whether that was the last attempt."""
        error = error_of(state)
        if self._op is None:
            return state.attempt_number > 1 or not isinstance(error, ConnectionLost)
        allowed = math.inf
        if isinstance(error, Busy):
            self._away_since = None
        else:
            now = time.monotonic()
            self._away_since = now if self._away_since is None else self._away_since
            allowed = self._away_since + self._outage_seconds - now
        return state.upcoming_sleep > min(allowed, self._op.remaining() - LAST_WORDS)

    def sleep(self, seconds: float) -> None:
        """Wait; a request to cancel the operation ends it.

        Raises:
            Cancelled: somebody asked to cancel.
        """
        if self._op is not None and seconds > 0:
            until = time.monotonic() + seconds
            self._op.wait_until(lambda: time.monotonic() >= until)


def error_of(state: RetryCallState) -> BaseException | None:
    """What the last attempt raised."""
    return state.outcome.exception() if state.outcome is not None else None
