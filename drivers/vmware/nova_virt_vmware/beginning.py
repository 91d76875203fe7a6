"""Whether a virtual machine without a record may still be about to get one, as while it is being cloned."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from nova_virt_vmware.errors import moref_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.tasks import Tasks

MAKING: Final = frozenset({"VirtualMachine.clone", "Folder.createVm"})
"""How the server calls tasks that make virtual machines (``TaskInfo.descriptionId``)."""


class Beginning:
    """Remembers which tasks could be the one that makes a virtual machine. Thread-safe.

    The task that makes it began before it was seen. So those count that were under way when it was looked at for the
    first time, whoever began them, until the last of them is over; what begins later does not. A server that always
    clones something puts nobody off for ever.

    Args:
        tasks: tells what is under way.
    """

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._lock = threading.Lock()
        self._makers: dict[str, frozenset[str]] = {}

    def includes(self, moref: str, op: Operation | None = None) -> bool:
        """Whether somebody may be making this virtual machine, which has been seen already. One request."""
        return moref in self.among([moref], op)

    def among(self, morefs: Sequence[str], op: Operation | None = None) -> set[str]:
        """Those of these virtual machines, seen already, that somebody may be making. One request at most."""
        if not morefs:
            return set()
        active = frozenset(moref_of(each.task) for each in self._tasks.active_anywhere(MAKING, op))
        with self._lock:
            for moref in morefs:
                self._makers[moref] = self._makers.get(moref, active) & active
            return {moref for moref in morefs if self._makers[moref]}
