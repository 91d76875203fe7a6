"""Which nodes the verbs of this process try to claim, so that they do not run after the same ones."""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Tries:
    """The tries of one endpoint. Usable from any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}

    @contextmanager
    def one(self, node_uuid: str, listed_at: float) -> Iterator[bool]:
        """A block that may try to claim a node; False if somebody here does, or has since the node was listed.

        Args:
            node_uuid: the node.
            listed_at: when the list in which it is free was asked for, on the monotonic clock.
        """
        with self._lock:
            ours = self._ended.get(node_uuid, -math.inf) < listed_at
            if ours:
                self._ended[node_uuid] = math.inf
        try:
            yield ours
        finally:
            if ours:
                with self._lock:
                    self._ended[node_uuid] = time.monotonic()
