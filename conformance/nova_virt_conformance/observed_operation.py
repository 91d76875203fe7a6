"""An operation as a driver under test sees it: what the driver reports is held against the rules of reporting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode, Operation, Stage

if TYPE_CHECKING:
    from collections.abc import Callable


class ObservedOperation:
    """The driver's side of an operation, with a judge of its progress.

    Args:
        operation: where everything goes on to.
        violate: takes a line of text when a rule was broken.
    """

    def __init__(self, operation: Operation, violate: Callable[[str], None]) -> None:
        self._operation = operation
        self._violate = violate
        self._stage = "its begin"
        self._done = 0.0
        self.checkpoint = operation.checkpoint
        self.on_cancel = operation.on_cancel
        self.on_complete_now = operation.on_complete_now
        self.remaining = operation.remaining
        self.wait_until = operation.wait_until

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        """Begin a stage; counters start anew."""
        self._stage = stage.value if isinstance(stage, Stage) else stage
        self._done = 0.0
        if not self._stage or "\n" in self._stage:
            self._violate(f"a stage is called {self._stage!r}; a person must understand it in one line")
        self._operation.stage(stage, cancel)

    def progress(self, done: float, total: float) -> None:
        """Report progress, which goes one way and not past its total."""
        if done < self._done:
            self._violate(f"progress ran backwards in '{self._stage}': {done} after {self._done}")
        if done < 0 or total < 0 or (total and done > total):
            self._violate(f"progress makes no sense in '{self._stage}': {done} of {total}")
        self._done = done
        self._operation.progress(done, total)
