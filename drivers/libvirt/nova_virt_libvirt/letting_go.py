"""Devices that a running guest has to give back: it is asked until it lets go, or has had its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import Cancelled, StateAfter, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    import libvirt

    from nova_virt_api.driver.operation import Operation

LET_GO_SECONDS: Final = 20.0
"""A guest's system lets go of a device within a second or some, one that is being booted when that is done."""

PAUSED_SECONDS: Final = 7.0
"""A paused guest lets go only if somebody resets it, or lets it run; libvirt itself waits for five seconds of these."""

ASK_AGAIN_SECONDS: Final = 5.0
"""A guest that is still booting may miss the first request."""

ASKED_TEXTS: Final = ("in the process of unplug", "rejected by the guest")


def lets_go(has: Callable[[], bool], ask: Callable[[], None], op: Operation, *, paused: bool) -> bool:
    """Return whether the guest has given a device back.

    Each request waits for the guest itself, some seconds long.

    Args:
        has: whether the guest has it still.
        ask: asks for it; does not mind having asked before.
        op: the operation worked for.
        paused: whether the guest cannot do anything now.

    Raises:
        Cancelled: somebody asked to; the guest may still obey.
        Timeout: the deadline came first; the guest may still obey.
    """
    end = time.monotonic() + (PAUSED_SECONDS if paused else LET_GO_SECONDS)
    asked: float | None = None

    def is_over() -> bool:
        nonlocal asked
        if not has():
            return True
        now = time.monotonic()
        if asked is not None and now >= end:
            return True
        if asked is None or now - asked >= ASK_AGAIN_SECONDS:
            asked = now
            ask()
        return False

    try:
        op.wait_until(is_over)
    except (Cancelled, Timeout) as error:
        if asked is not None:
            error.state_after = StateAfter.UNKNOWN
        raise
    return not has()


def is_asked(error: libvirt.libvirtError) -> bool:
    """Whether the guest has been asked already and not yet answered, or said no for now."""
    return any(text in str(error) for text in ASKED_TEXTS)
