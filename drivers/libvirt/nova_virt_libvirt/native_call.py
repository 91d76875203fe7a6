"""Native calls that may never return, as QEMU stands still while it waits for a server that does not answer."""

from __future__ import annotations

from concurrent.futures import Future, wait
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeVar

from nova_virt_api.errors import Cancelled, StateAfter, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.errors import VirtError

T = TypeVar("T")

LOOK_SECONDS: Final = 0.5
"""How often a request to cancel is looked for meanwhile."""

GRACE: Final = 3.0
"""Seconds that a call gets after a request to cancel: most are over before."""

SILENT: Final = "if the guest stands still, as a server of its volumes does not answer: cut its power (mode=HARD)"


def in_time(call: Callable[[], T], op: Operation) -> T:
    """What a call returns. One that does not in time is left behind, so that the guest can be stopped or destroyed.

    Args:
        call: the call; it runs on a thread of its own.
        op: the operation worked for.

    Raises:
        Cancelled: somebody asked to; the call may still do what it was to do.
        Timeout: the deadline came first; likewise.
    """
    op.checkpoint()  # too late already, it is not made at all
    return answered(begun(call), op)


def answered(answer: Future[T], op: Operation) -> T:
    """What a call that was begun returns, as :func:`in_time`.

    Args:
        answer: what it is going to return.
        op: the operation worked for.

    Raises:
        Cancelled: somebody asked to; the call may still do what it was to do.
        Timeout: the deadline came first; likewise.
    """
    try:
        while not wait([answer], min(LOOK_SECONDS, op.remaining())).done:
            op.checkpoint()
    except (Cancelled, Timeout) as error:
        if isinstance(error, Cancelled):
            wait([answer], GRACE)
        if not answer.done():
            error.state_after, error.hint = StateAfter.UNKNOWN, SILENT
            raise
    return answer.result()


def in_seconds(call: Callable[[], T], seconds: float, what: str) -> T:
    """What a call returns that no deadline is set to, or that is made after it. One that takes longer is left behind.

    Args:
        call: the call; it runs on a thread of its own.
        seconds: how long it may take.
        what: what it does.

    Raises:
        Timeout: it takes longer; it may still do what it was to do.
    """
    answer = begun(call)
    if not wait([answer], seconds).done:
        raise Timeout(what, f"{what}: no answer for {seconds:g} seconds", hint=SILENT)
    return answer.result()


def begun(call: Callable[[], T]) -> Future[T]:
    """What a call is going to return, made on a thread of its own, which nobody has to wait for."""
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised where the answer is asked for
            answer.set_exception(error)

    Thread(target=ask, name="nova-virt-libvirt-call", daemon=True).start()
    return answer


def is_left_behind(error: VirtError) -> bool:
    """Whether a call was left behind: whoever waits for QEMU after that waits as long."""
    return error.hint == SILENT
