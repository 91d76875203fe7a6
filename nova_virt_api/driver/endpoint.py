"""What a driver is built with."""

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Manage(enum.Enum):
    """Which guests a connection may change."""

    OWNED = "owned"
    """Only those that its owner made through this API."""

    ALL = "all"
    """Every guest that the account may change; no marks are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint as configured.

    Args:
        driver: name under which the driver was found.
        options: the driver's options with their values, one attribute each (an oslo.config group).
        owner: name that owned guests are marked with.
        manage: which guests may be changed.
        cache_dir: where the client keeps images; shared by processes, made on first use.
        state_dir: a directory for hypervisors without a store of their own; made on first use.
    """

    driver: str
    options: Any
    owner: str
    manage: Manage = Manage.OWNED
    cache_dir: Path
    state_dir: Path
