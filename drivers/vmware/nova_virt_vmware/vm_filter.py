"""What the server keeps for us to tell of all virtual machines: a view, a collector of our own, and its filter."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim, vmodl

from nova_virt_api.errors import Unavailable, VirtError
from nova_virt_vmware.errors import NATIVE
from nova_virt_vmware.stub import Way
from nova_virt_vmware.vm_reading import KINDS

if TYPE_CHECKING:
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.plain import Told, Updates
    from nova_virt_vmware.vm_reading import VmReader

Collector: Final = vmodl.query.PropertyCollector

WAIT: Final = 20
"""Seconds after which the server answers although there is nothing to tell: a sign of life, and for a session too."""


class VmFilter:
    """A property filter over all virtual machines and hosts, which tells each change once.

    It ends with the session that it was made in. Only :meth:`give_up` is for other threads than the one that waits.

    Args:
        connection: asks the server.
        reader: knows what is read.
    """

    def __init__(self, connection: Connection, reader: VmReader) -> None:
        self._connection = connection
        self._reader = reader
        self._view: Any = None
        self._collector: Any = None
        self._version = ""
        self._given_up = False

    def open(self) -> list[Told]:
        """Make it, and tell of all that there is: one reading, page by page.

        Raises:
            VirtError: see :meth:`Connection.read`. Nothing is left at the server, if it can be reached.
        """
        return self._connection.read("list the virtual machines", self._opened)

    def wait(self) -> Updates | None:
        """What has changed since it was asked last; None when nothing did for :data:`WAIT` seconds.

        Raises:
            VirtError: see :meth:`Connection.read`. The filter is good for nothing any more.
        """
        return self._connection.read("wait for changes of virtual machines", lambda: self._ask(WAIT))

    def give_up(self) -> None:
        """Ask the server for nothing more: what waits is not begun anew when it was broken off."""
        self._given_up = True

    def part(self) -> None:
        """Remove it from the server. Idempotent; never raises.

        Nobody wants to wait for that long, and if it fails, it ends with the session.
        """
        collector, self._collector, view, self._view = self._collector, None, self._view, None
        with suppress(*NATIVE, VirtError):
            if collector is not None:
                parting: Any = self._connection.parting_object(Collector, collector._moId)
                parting.CancelWaitForUpdates()
                parting.DestroyPropertyCollector()
            if view is not None:
                self._connection.parting_object(vim.view.ContainerView, view._moId).DestroyView()

    # --- within one read ------------------------------------------------------------------------------------------

    def _opened(self) -> list[Told]:
        connection = self._connection
        content = connection.content
        self._version = ""
        self._view = content.viewManager.CreateContainerView(content.rootFolder, KINDS, True)
        try:
            made = content.propertyCollector.CreatePropertyCollector()
            self._collector = connection.plain_object(Collector, made._moId, Way.WAITING)
            made.CreateFilter(self._reader.everything_in(self._view), partialUpdates=False)
            return self._first()
        except BaseException:
            self.part()
            raise

    def _first(self) -> list[Told]:
        told: list[Told] = []
        more = True
        while more:
            updates = self._ask(0)
            told.extend(updates.told if updates is not None else ())
            more = updates is not None and updates.truncated
        if not told:
            self._connection.still_logged_in()
        return told

    def _ask(self, seconds: int) -> Updates | None:
        options = Collector.WaitOptions(maxWaitSeconds=seconds, maxObjectUpdates=self._connection.page_size)
        if self._given_up:
            raise Unavailable("the connection to vSphere was closed", hint="connect anew")
        updates: Updates | None = self._collector.WaitForUpdatesEx(self._version, options)
        if updates is not None:
            self._version = updates.version
        return updates
