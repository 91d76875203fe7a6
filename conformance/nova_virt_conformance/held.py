"""An operation held at a point that the test chooses, for as long as the test wants."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import TracebackType

    from nova_virt_api.compute.operation import Operation

LONGEST: Final = 1800.0
"""Seconds after which nobody comes any more who could release it."""


class Held:
    """A caller's hook that does not return before it is released; a context manager that releases it in the end."""

    def __init__(self) -> None:
        self.reached: Final = threading.Event()
        """Set once an operation is held, or has ended without that."""

        self._released: Final = threading.Event()

    def __call__(self, operation: Operation[Any]) -> None:
        """What runs as the hook."""
        self.reached.set()
        self._released.wait(LONGEST)

    def wait_reached(self, operation: Operation[Any]) -> None:
        """Wait until this operation is held.

        Raises:
            AssertionError: it ended before.
        """
        operation.add_done_callback(lambda _: self.reached.set())
        self.reached.wait(LONGEST)
        assert not operation.done(), f"{operation.verb} never came to its hook: {operation.error or 'it is done'}"

    def release(self) -> None:
        """Let the operation go on."""
        self._released.set()

    def __enter__(self) -> Held:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class HeldUntilCancelled(Held):
    """The same, but a cancel or a deadline of the operation ends it too."""

    def __call__(self, operation: Operation[Any]) -> None:
        """What runs as the hook."""
        self.reached.set()
        operation.wait_until(self._released.is_set)
