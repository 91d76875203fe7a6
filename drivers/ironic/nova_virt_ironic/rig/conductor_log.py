"""What the conductor did to machines, from its log: how often each was started."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

STARTED: Final = re.compile(rb"Successfully set node (?P<node>[0-9a-f-]{36}) power state to power on by ")
"""What Ironic's conductor logs of each start and restart (ironic/conductor/utils.py, ``node_power_action``)."""


class ConductorLog:
    """Counts what is written from now on.

    Args:
        path: the log of the conductor that serves the nodes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin = path.stat().st_size

    def starts(self, node: str) -> int:
        """How often a node was started since this object was made."""
        with self._path.open("rb") as log:
            log.seek(self._begin)
            return sum(found["node"] == node.encode() for found in STARTED.finditer(log.read()))
