"""What one verb sees of the objects that it waits for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from nova_virt_vmware.errors import moref_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyVmomi import vmodl

    from nova_virt_api.errors import VirtError


class Sight:
    """Takes what is told on one thread, and wakes the verb that waits on another.

    Args:
        objects: what the verb waits for.
    """

    def __init__(self, objects: Sequence[vmodl.ManagedObject]) -> None:
        self.since = time.monotonic()
        self._objects = {moref_of(each): each for each in objects}
        self._news = threading.Event()
        self._lock = threading.Lock()
        self._values: dict[str, dict[str, Any]] = {moref: {} for moref in self._objects}
        self._gone: set[str] = set()
        self._error: VirtError | None = None

    # --- for the verb ---------------------------------------------------------------------------------------------

    def values(self, watched: vmodl.ManagedObject) -> Mapping[str, Any]:
        """What was told of an object, by property path; empty before anything was."""
        with self._lock:
            return dict(self._values[moref_of(watched)])

    def is_gone(self, watched: vmodl.ManagedObject) -> bool:
        """Whether the server does not know the object any more."""
        return moref_of(watched) in self._gone

    def wait(self, seconds: float) -> None:
        """Return as soon as there is news, somebody woke it, or the time is over.

        Raises:
            VirtError: there will be no more news.
        """
        self._news.wait(max(0.0, min(seconds, threading.TIMEOUT_MAX)))
        self._news.clear()
        if self._error is not None:
            raise self._error

    def wake(self) -> None:
        """Let the verb look around, e.g. as it was cancelled."""
        self._news.set()

    # --- for who tells --------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> Mapping[str, vmodl.ManagedObject]:
        """What is to be told of, by id."""
        return {moref: each for moref, each in self._objects.items() if moref not in self._gone}

    def tell(self, moref: str, changes: Mapping[str, Any]) -> None:
        """These properties of an object are like this now."""
        if moref in self._objects:
            with self._lock:
                self._values[moref].update(changes)
            self._news.set()

    def lose(self, moref: str) -> None:
        """The server does not know this object."""
        if moref in self._objects:
            self._gone.add(moref)
            self._news.set()

    def fail(self, error: VirtError) -> None:
        """There will be no more news."""
        self._error = error
        self._news.set()
