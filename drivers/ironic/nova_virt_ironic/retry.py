"""Which failed requests are sent again, after what pause, and for how long."""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from nova_virt_api.errors import Busy, ConnectionLost, StateAfter, Unavailable

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation

T = TypeVar("T")

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0
"""Seconds. A conductor holds a node's lock for milliseconds, or for as long as a slow management controller takes."""


LAST_WORDS: Final = 0.8
"""Seconds before the deadline in which an error still comes to the caller, who otherwise hears of a time-out only.

An operation's own waiting may take half a second longer than it was asked to.
"""

SLOWER: Final = 1.5
"""So many times as long as the last attempt the next one may take: a locked node is waited for by Ironic itself."""


class Again(enum.Enum):
    """When a request may be sent a second time."""

    UNHEARD = "unheard"
    """Only if it certainly did nothing: nobody heard it, the node was locked, no worker was free."""

    UNLOCKED = "unlocked"
    """As UNHEARD, but not if the node was locked."""

    ALWAYS = "always"
    """Also if the connection broke on the way: saying it twice does no harm."""


def persist(attempt: Callable[[], T], again: Again, op: Operation | None, outage_seconds: float) -> T:
    """Make attempts until one succeeds, or fails for good; locks are waited for until the operation's deadline.

    Real conflicts are never repeated. Without an operation there is one more attempt, for a connection that the
    endpoint had closed meanwhile.

    Args:
        attempt: sends the request; raises our errors.
        again: which errors allow a second attempt.
        op: the operation worked for: its deadline ends the attempts, a request to cancel ends a pause.
        outage_seconds: how long an endpoint may be away meanwhile.
    """
    patience = Patience(again, op, outage_seconds)
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
        again: which errors allow a second attempt.
        op: the operation worked for, if any.
        outage_seconds: how long an endpoint may be away meanwhile.
    """

    def __init__(self, again: Again, op: Operation | None, outage_seconds: float) -> None:
        self._again = again
        self._op = op
        self._outage_seconds = outage_seconds
        self._away_since: float | None = None
        self._began = time.monotonic()
        self._growing = wait_random_exponential(multiplier=FIRST_PAUSE * 2, max=LONGEST_PAUSE, min=FIRST_PAUSE / 2)

    def allows(self, error: BaseException) -> bool:
        """Whether a request that failed so may be sent again."""
        if not isinstance(error, Busy | Unavailable | ConnectionLost):
            return False
        if self._again is Again.UNLOCKED and isinstance(error, Busy):
            return False
        return self._again is Again.ALWAYS or error.state_after is StateAfter.UNCHANGED

    def pause(self, state: RetryCallState) -> float:
        """Seconds until the next attempt; a connection that was found closed is replaced at once."""
        if state.attempt_number == 1 and isinstance(error_of(state), ConnectionLost):
            return 0.0
        return float(self._growing(state))

    def is_over(self, state: RetryCallState) -> bool:
        """Whether that was the last attempt; one that would come to its end after the deadline is not begun."""
        error = error_of(state)
        if self._op is None:
            return state.attempt_number > 1 or not isinstance(error, ConnectionLost)
        if isinstance(error, Busy):
            self._away_since = None
            allowed = math.inf
        else:
            now = time.monotonic()
            self._away_since = now if self._away_since is None else self._away_since
            allowed = self._away_since + self._outage_seconds - now
        took = time.monotonic() - self._began
        return state.upcoming_sleep > min(allowed, self._op.remaining() - SLOWER * took - LAST_WORDS)

    def sleep(self, seconds: float) -> None:
        """Wait; a request to cancel the operation ends it.

        Raises:
            Cancelled: somebody asked to cancel.
        """
        if self._op is not None and seconds > 0:
            until = time.monotonic() + seconds
            self._op.wait_until(lambda: time.monotonic() >= until)
        self._began = time.monotonic()


def error_of(state: RetryCallState) -> BaseException | None:
    """What the last attempt raised."""
    return state.outcome.exception() if state.outcome is not None else None
