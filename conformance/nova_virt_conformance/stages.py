"""What an operation tells of its progress, and cancelling it at a chosen point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nova_virt_api.compute.operation import Operation


class Stages:
    """Takes down what an operation's ``on_progress`` tells.

    Args:
        cancel_at: the operation is asked to cancel when it has entered so many stages; 0 lets it run.
    """

    def __init__(self, cancel_at: int = 0) -> None:
        self._cancel_at = cancel_at
        self.entered: list[str] = []
        """The stages, in order, each once for every time that it was entered from another."""

        self.progress: list[float] = []
        """The overall progress each time that it was told."""

        self.backwards: list[str] = []
        """Stages whose own counters fell."""

        self._done = 0.0

    def look(self, operation: Operation[Any]) -> None:
        """What ``on_progress`` calls."""
        self.progress.append(operation.progress)
        done = operation.counters[0]
        if self.entered[-1:] == [operation.stage] and 0 < done < self._done:
            self.backwards.append(operation.stage)
        self._done = done
        if self.entered[-1:] != [operation.stage]:
            self.entered.append(operation.stage)
            if len(self.entered) == self._cancel_at:
                operation.cancel()
