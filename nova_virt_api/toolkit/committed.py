"""The rest of a verb that must not stop halfway."""

import time
from collections.abc import Callable
from typing import Final

from nova_virt_api.driver.operation import CancelMode, Operation, Stage

FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.5


class Committed:
    """An operation past the point of no return: neither a cancel nor the deadline ends what is done with it.

    For a verb whose first part cannot be taken back, e.g. a reboot once the guest is off. The caller gets ``Timeout``
    at the deadline all the same; the operation goes on as ABANDONED.

    Args:
        op: the operation that the verb works for.
    """

    def __init__(self, op: Operation) -> None:
        self._op = op
        self.progress = op.progress
        self.remaining = op.remaining
        self.on_complete_now = op.on_complete_now

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.NONE) -> None:
        """Begin a stage, which nothing stops."""
        self._op.stage(stage, CancelMode.NONE)

    def checkpoint(self) -> None:
        """Go on."""

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Forget the callback: a request to cancel comes too late."""

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; asks it with growing pauses."""
        pause = FIRST_PAUSE
        while not condition():
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
