"""A watchdog: a card of which every Linux has a driver."""

from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.watchdog import Watchdog, WatchdogAction

ACTIONS: Final = {
    WatchdogAction.RESET: "reset",
    WatchdogAction.POWER_OFF: "poweroff",
    WatchdogAction.PAUSE: "pause",
    WatchdogAction.NONE: "none",
}


def watchdog_elements(watchdog: Watchdog | None) -> Iterator[etree._Element]:
    """The watchdog; nothing for a guest without."""
    if watchdog is not None:
        yield E.watchdog(model="i6300esb", action=ACTIONS[watchdog.action])
