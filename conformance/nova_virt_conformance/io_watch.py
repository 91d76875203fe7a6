"""Sees whether Python code reaches out: to the network, or to another program."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTWARD: Final = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen"}) | {
    "os.posix_spawn",
    "os.system",
}
"""Audit events of Python, see "Audit events table" in its library reference; C libraries raise none of their own."""

SEEN: Final = threading.local()
"""``events``: the list that a watching thread's events go to, while it watches."""


@contextmanager
def watching_io() -> Iterator[list[str]]:
    """Collect what the calling thread reaches out for; the list is filled while the block runs."""
    install()
    SEEN.events = []
    try:
        yield SEEN.events
    finally:
        SEEN.events = None


@cache
def install() -> None:
    """Add the hook, once: Python cannot take one away again, so it stays and mostly does nothing."""
    sys.addaudithook(note)


def note(event: str, _: tuple[Any, ...]) -> None:
    """Take an event down if its thread is watched."""
    if event in OUTWARD and (events := getattr(SEEN, "events", None)) is not None:
        events.append(event)
