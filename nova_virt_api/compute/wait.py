"""Waiting for a guest: woken by events, with growing pauses for what no event tells (addresses, ports)."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from nova_virt_api.compute.guard import in_context
from nova_virt_api.compute.operation import check_timeout
from nova_virt_api.compute.until import Condition
from nova_virt_api.errors import ConnectionLost, InstanceNotFound, StateAfter, Timeout, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0


class Waiting:
    """One wait. Ask :meth:`look` until it says that the condition holds, with :attr:`pause` seconds at most in between.

    Args:
        guest: the guest.
        condition: what is waited for.
        timeout: seconds; None waits for ever.
        read: reads the guest afresh; raises InstanceNotFound.
        closed: whether the connection was closed, so that a lost connection will not come back.
    """

    def __init__(
        self,
        guest: InstanceRef,
        condition: Condition,
        timeout: float | None,
        read: Callable[[], Instance],
        closed: Callable[[], bool],
    ) -> None:
        check_timeout(timeout)
        self.guest = guest
        self._condition = condition
        self._timeout = timeout
        self._deadline = math.inf if timeout is None else time.monotonic() + timeout
        self._read = read
        self._closed = closed
        self._pause = FIRST_PAUSE
        self._seen = "nothing yet"
        self.instance: Instance | None = None

    @property
    def pause(self) -> float:
        """Seconds to wait for an event before looking again."""
        return max(0.0, min(self._pause, self._deadline - time.monotonic()))

    def look(self) -> bool:
        """Whether the condition holds now; a lost connection counts as not yet.

        Raises:
            InstanceNotFound: the guest is not there and that is not what is waited for.
            Timeout: time is up.
            Unavailable: this connection was closed.
        """
        try:
            self.instance = self._read()
            self._seen = self._condition.seen(self.instance)
        except InstanceNotFound:
            self.instance = None
            if not self._condition.holds(None):
                raise
        except (ConnectionLost, Unavailable) as error:
            if self._closed():
                raise
            self._seen = error.message
            self._check_time()
            return self._not_yet()
        if self._condition.holds(self.instance):
            return True
        self._check_time()
        return self._not_yet()

    def _not_yet(self) -> bool:
        self._pause = min(self._pause * 1.3, LONGEST_PAUSE)
        return False

    def _check_time(self) -> None:
        if time.monotonic() >= self._deadline:
            message = f"waited {self._timeout:g} s for {self._condition}; last seen: {self._seen}"
            error = Timeout(f"waiting for {self._condition}", message, state_after=StateAfter.UNCHANGED)
            raise in_context(error, "wait_for", self.guest)
