"""Seeing an operation or a wait through: progress, Ctrl-C, and what became of it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nova_virt_api.cli.interruption import Interruption
from nova_virt_api.cli.progress import progress_on
from nova_virt_api.compute.hub import Slots
from nova_virt_api.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.cli.app import App
    from nova_virt_api.cli.progress import Progress
    from nova_virt_api.compute.face import OnProgress
    from nova_virt_api.compute.operation import Operation
    from nova_virt_api.compute.until import Condition
    from nova_virt_api.model.instance import Instance

T = TypeVar("T")

REDRAW: Final = 0.1
CLEAN_UP: Final = 30.0
"""Seconds that an operation gets after its deadline to take back what it did, before the process ends under it."""


def run_operation(app: App, what: str, submit: Callable[[OnProgress], Operation[T]]) -> T:
    """Begin an operation and see it through. Ctrl-C cancels it; a second one leaves it alone.

    Raises:
        Cancelled: it was cancelled in time.
        KeyboardInterrupt: it was too late to cancel, or somebody did not want to wait for the outcome.
        VirtError: it failed.
    """
    progress = progress_on(app.stderr, what, quiet=app.options.quiet)
    operation = submit(progress.reached)
    with Interruption() as interruption:
        try:
            see_through(operation, progress, interruption)
            if interruption.came:
                cancel(app, operation, progress)
        finally:
            progress.erase()
    return operation.result()


def see_through(operation: Operation[Any], progress: Progress, interruption: Interruption | None = None) -> None:
    """Wait until the outcome is known, the time to clean up after the deadline is over, or somebody interrupts."""
    progress.look(operation)
    told = False
    while not (interruption and interruption.came) and not operation.wait(REDRAW):
        progress.look(operation)
        late = time.monotonic() - operation.deadline
        if late > 0 and not told:
            progress.note(f"{progress.what}: time is up; taking back what was done")
            told = True
        if late > CLEAN_UP:
            return


def cancel(app: App, operation: Operation[Any], progress: Progress) -> None:
    """Ask the operation to stop and wait for what becomes of it."""
    try:
        operation.cancel()
        progress.note(f"{progress.what}: cancelling; Ctrl-C again leaves it as it is")
        see_through(operation, progress)
    except KeyboardInterrupt:
        app.connection.forget()
        progress.note(f"{progress.what}: left while: {operation.stage}; look at the guest before trying again")
        raise
    if isinstance(operation.error, Cancelled):
        operation.error.hint = operation.error.hint or "all is as it was before"
    if operation.done() and operation.error is None:
        progress.note(f"{progress.what}: too late to cancel, it is done")
        raise KeyboardInterrupt


def run_wait(app: App, guest: Instance, condition: Condition, timeout: float | None) -> Instance | None:
    """Wait until a condition of a guest holds, and show that this is going on.

    Raises:
        Timeout: it did not in time.
        InstanceNotFound: the guest is not there, unless that was waited for.
    """
    progress = progress_on(app.stderr, f"wait {guest.name}", quiet=app.options.quiet)
    compute = app.connection.compute
    waiting = compute.waiting(guest, condition, timeout)
    try:
        with compute.listening(Slots(guest.uuid)) as slots:
            while not waiting.look():
                progress.waits(f"waiting for {condition}")
                slots.take(waiting.pause)
    finally:
        progress.erase()
    return waiting.instance


def time_left(began: float, timeout: float | None) -> float | None:
    """What is left of a time limit."""
    return None if timeout is None or math.isinf(timeout) else max(0.0, began + timeout - time.monotonic())
