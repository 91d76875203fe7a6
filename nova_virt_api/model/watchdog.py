"""A device that acts when the guest's operating system no longer answers it."""

import enum
from dataclasses import dataclass

from nova_virt_api.model.check import check_type


class WatchdogAction(enum.Enum):
    """What becomes of a guest that hangs."""

    RESET = "reset"
    """It is restarted at once."""

    POWER_OFF = "power_off"
    """Its power is cut."""

    PAUSE = "pause"
    """It is paused, so that somebody can look."""

    NONE = "none"
    """Nothing but a note of the hypervisor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """A watchdog. It begins to watch when the guest's operating system opens it.

    Args:
        action: what becomes of a guest that hangs.
    """

    action: WatchdogAction = WatchdogAction.RESET

    def __post_init__(self) -> None:
        check_type("action", self.action, WatchdogAction, "a WatchdogAction")
