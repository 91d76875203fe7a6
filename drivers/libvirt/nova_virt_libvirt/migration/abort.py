"""The end of a move that is not to go on: libvirt is told until it has ended.

A cancel that comes while the last of the guest is about to go over can leave QEMU, or libvirt, waiting for a word that
nobody says any more; the first lets the guest stand still as well. Only QEMU's own protocol tells, and helps.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import libvirt

if TYPE_CHECKING:
    from collections.abc import Callable

LOG: Final = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Seconds after which a move that was told to end is looked at closely; mostly it ends within a tenth."""


class Abort:
    """One move that is to end.

    Args:
        domain: the guest at the source.
    """

    def __init__(self, domain: libvirt.virDomain) -> None:
        self._domain = domain
        self._begun = time.monotonic()
        self.stopped = False
        """Whether the guest was stopped for it. Libvirt lets it go on when the move has ended, if it still can."""

    def until(self, is_over: Callable[[], bool]) -> bool:
        """Tell libvirt to end it if it has not ended; whether it has."""
        if is_over():
            return True
        with suppress(libvirt.libvirtError):  # there is nothing to abort yet, or not any more
            self._domain.abortJob()
        if time.monotonic() - self._begun > PATIENCE:
            with suppress(libvirt.libvirtError):  # it has just ended, or its QEMU does not answer
                self._say_what_is_missing()
        return False

    def _say_what_is_missing(self) -> None:
        status = (self._ask("query-migrate") or {}).get("status")
        if status == "cancelling":
            # QEMU 4.0 to 9.2 (migration_maybe_pause): it waits to hear that it may hand over the disks, and has missed
            # that it need not. Where nothing waits, this is forgotten when the next move begins.
            self._ask("migrate-continue", state=status)
        elif status == "cancelled" and self._is_running() and self._has_mirrors():
            # libvirt 9.0 (qemuMigrationSrcRun): it saw that the guest had been stopped for its last memory, not that
            # it went on since, and waits for its stop.
            LOG.info("guest %s is stopped for a moment, since libvirt waits for that", self._domain.name())
            self.stopped = True
            self._domain.suspend()

    def _is_running(self) -> bool:
        return bool(self._domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING)

    def _has_mirrors(self) -> bool:
        """Whether all disks are still being copied: then what QEMU said last was said of this move."""
        return any(job.get("type") == "mirror" and job.get("ready") for job in self._ask("query-block-jobs") or ())

    def _ask(self, command: str, **arguments: str) -> Any:
        """QEMU's answer; None if it refuses."""
        import libvirt_qemu

        text = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(libvirt_qemu.qemuMonitorCommand(self._domain, text, 0)).get("return")
