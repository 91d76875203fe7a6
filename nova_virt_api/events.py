"""What drivers report and watchers see: level-triggered changes of guests, and gaps."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

from nova_virt_api.model.instance import Instance

# --- from a driver ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changed:
    """A guest appeared or changed; this is how it is now."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class Gone:
    """A guest is no longer there."""

    uuid: UUID


@dataclass(frozen=True, slots=True)
class Gap:
    """Events may have been missed; sent once events flow again. Whoever keeps state compares it now.

    Args:
        reason: in a few words.
    """

    reason: str


DriverEvent: TypeAlias = Changed | Gone | Gap
"""What a driver emits."""

Emit: TypeAlias = Callable[[DriverEvent], None]
"""Takes a driver's event; never blocks and never raises."""


class Subscription(Protocol):
    """Running delivery of events."""

    def close(self) -> None:
        """Stop; no event is emitted after it returned. Idempotent."""


# --- to a watcher -----------------------------------------------------------------------------------------------------


class Change(enum.Enum):
    """What happened to a guest."""

    PRESENT = "present"
    """It was there when the watch began."""

    APPEARED = "appeared"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceEvent:
    """One change of one guest; intermediate states may have been merged.

    Args:
        change: what happened.
        instance: the guest now, or as last seen when it is gone.
        previous: as last told to this watcher, if it was.
        synthetic: found by comparing states after a gap and not reported by the backend.
    """

    change: Change
    instance: Instance
    previous: Instance | None = None
    synthetic: bool = False


WatchEvent: TypeAlias = InstanceEvent | Gap
"""What ``Compute.watch`` yields."""
