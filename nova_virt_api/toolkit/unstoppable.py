"""Work that is done to its end: undoing what was made, and what goes on in the background."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation, Stage

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 1.0


class Unstoppable:
    """An operation that no request to cancel ends, and not its own deadline either, but one that is set here.

    Args:
        seconds: from now until the deadline.
        op: the operation that a verb works for, to be told of stages; None for work that nobody waits for.
    """

    def __init__(self, seconds: float, op: Operation | None = None) -> None:
        self._deadline = time.monotonic() + seconds
        self._op = op

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.NONE) -> None:
        """Begin a stage, which no request to cancel stops."""
        if self._op is not None:
            self._op.stage(stage, CancelMode.NONE)

    def progress(self, done: float, total: float) -> None:
        """Report progress of the stage."""
        if self._op is not None:
            self._op.progress(done, total)

    def checkpoint(self) -> None:
        """Go on.

        Raises:
            Timeout: its own deadline has passed.
        """
        if not self.remaining():
            raise Timeout("cleaning up")

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Forget the callback: a request to cancel comes too late."""

    def on_complete_now(self, callback: Callable[[], None]) -> None:
        """Forget the callback: nobody can reach this operation."""

    def remaining(self) -> float:
        """Seconds until its own deadline."""
        return max(0.0, self._deadline - time.monotonic())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; asks it with growing pauses."""
        pause = FIRST_PAUSE
        while not condition():
            self.checkpoint()
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
