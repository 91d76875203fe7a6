"""libvirt's event loop: a process has one, it must be registered before the first connection, and somebody must run it.

Events, the close callback and keepalive come through it. Nobody can replace or end it once registered, so ours lives as
long as the process.
"""

import os
import threading
from typing import Any, Final

import libvirt

from nova_virt_api.errors import Unavailable

PATIENCE: Final = 5.0
"""Seconds within which a loop that runs must have shown it."""

IDLE_MILLISECONDS: Final = 60_000

_lock = threading.Lock()
_ours: threading.Thread | None = None


def ensure(who: str) -> None:
    """Make sure that a loop is registered and runs. Starts ours if the process has none. Idempotent.

    Also keeps libvirt from printing every error to standard error.

    Args:
        who: ``own`` or ``host``, see the option ``event_loop``.

    Raises:
        Unavailable: it is the application's business and it has registered none, or does not run it.
    """
    global _ours  # noqa: PLW0603 - the loop is the process's
    with _lock:
        if _ours is not None:
            return
        if is_registered():
            wait_for_tick()
        elif who == "host":
            raise Unavailable(
                "no libvirt event loop is registered, and the option event_loop leaves that to the application",
                hint="register and run one before connecting (see libvirtaio), or set event_loop to 'own'",
            )
        else:
            libvirt.registerErrorHandler(ignore, None)
            libvirt.virEventRegisterDefaultImpl()
            libvirt.virEventAddTimeout(IDLE_MILLISECONDS, ignore, None)  # without anything registered it would spin
            _ours = threading.Thread(target=run, name="nova-virt-libvirt-events", daemon=True)
            _ours.start()


def is_registered() -> bool:
    """Whether somebody has registered a loop; libvirt tells by accepting a timer."""
    try:
        timer = libvirt.virEventAddTimeout(-1, ignore, None)
    except libvirt.libvirtError:
        return False
    libvirt.virEventRemoveTimeout(timer)
    return True


def wait_for_tick() -> None:
    """Return once the application's loop has shown that it runs.

    Raises:
        Unavailable: it does not.
    """
    ticked = threading.Event()
    reader, writer = os.pipe()  # asyncio's loop sees a file at once, but a timer of another thread only when it wakes
    watch = libvirt.virEventAddHandle(reader, libvirt.VIR_EVENT_HANDLE_READABLE, lambda *_: ticked.set(), None)
    try:
        os.write(writer, b".")
        if not ticked.wait(PATIENCE):
            raise Unavailable(
                "the application has registered a libvirt event loop that does not run",
                hint="run it on a thread of its own, e.g. virEventRunDefaultImpl() in a loop, before connecting",
            )
    finally:
        libvirt.virEventRemoveHandle(watch)
        os.close(reader)
        os.close(writer)


def run() -> None:
    """Run the default loop for ever."""
    while True:
        libvirt.virEventRunDefaultImpl()


def ignore(*_: Any) -> None:
    """A callback that does nothing."""
