"""What a driver calls back while it works for somebody."""

import enum
from collections.abc import Callable
from typing import Protocol


class Stage(enum.Enum):
    """Stages that mean the same in every driver.

    The last three may run a caller's hook: in a spawn each of them, in a power_on and a resume BEFORE_START.
    """

    CLAIM = "claim"
    IMAGE = "image"
    DISKS = "disks"
    DEFINE = "define"
    START = "start"
    STOP = "stop"
    CLEAN_UP = "clean up"
    NETWORK_READY = "network ready"
    DISKS_READY = "disks ready"
    BEFORE_START = "before start"


class CancelMode(enum.Enum):
    """When a request to cancel takes effect."""

    IMMEDIATE = "immediate"
    AT_NEXT_STEP = "at_next_step"
    NONE = "none"
    """The step runs to its end and the operation completes."""


class Operation(Protocol):
    """The driver's side of one running verb. Thread-safe."""

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        """Begin a stage that a person understands; resets the counters, runs a caller's hook and is a checkpoint.

        Args:
            stage: a well-known stage, or a few words.
            cancel: when a request to cancel takes effect during this stage.

        Raises:
            Cancelled: see :meth:`checkpoint`. Not raised on entry to a stage with ``CancelMode.NONE``.
            Timeout: see :meth:`checkpoint`. Not raised on entry to a stage with ``CancelMode.NONE``.
        """

    def progress(self, done: float, total: float) -> None:
        """Report progress of the stage in any unit; ``total`` 0 means not known."""

    def checkpoint(self) -> None:
        """Call where stopping is safe and what was made so far will be removed.

        Raises:
            Cancelled: somebody asked to cancel.
            Timeout: the deadline has passed.
        """

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call this, from another thread, as soon as somebody asks to cancel; forgotten at the next stage."""

    def on_complete_now(self, callback: Callable[[], None]) -> None:
        """Call this, from another thread, as soon as somebody asks to end the stage at the guest's expense.

        At most once; forgotten at the next stage.
        """

    def remaining(self) -> float:
        """Seconds until the deadline, never negative; ``math.inf`` without one."""

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; asks it with growing pauses and is a checkpoint in between.

        Raises:
            Cancelled: see :meth:`checkpoint`.
            Timeout: see :meth:`checkpoint`.
        """
