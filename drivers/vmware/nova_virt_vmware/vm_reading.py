"""Reading virtual machines, and where their hosts are, as they are now: all of them, or some by their ids."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim, vmodl

from nova_virt_vmware.errors import NotThere
from nova_virt_vmware.plain import LEAVE
from nova_virt_vmware.property_collector import forget, view_of
from nova_virt_vmware.vm_row import EXTRA_CONFIG_PATH, RECORD_PATH, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.connection import Connection
    from nova_virt_vmware.plain import Page, Told

Collector: Final = vmodl.query.PropertyCollector

PLACE_PATHS: Final = {vim.HostSystem: "parent", vim.ComputeResource: "name"}
"""By which a virtual machine's host leads to the name of its node."""

KINDS: Final[list[type[Any]]] = [vim.VirtualMachine, *PLACE_PATHS]

ATTEMPTS: Final = 5
"""Times that a read is begun anew because a machine vanished meanwhile and the server made a fault of that."""


class VmReader:
    """Reads virtual machines, page by page. What vanishes meanwhile is left out.

    Args:
        connection: asks the server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._record_path: str | None = None

    def all(self) -> list[Told]:
        """All virtual machines and places that the account sees: ``ceil(n / page_size) + 2`` requests.

        Raises:
            VirtError: see :meth:`Connection.read`.
        """

        def ask() -> list[Told]:
            with view_of(self._connection.content, KINDS, None) as view:
                return self._read(self.everything_in(view))

        return self._persist("list the virtual machines", ask)

    def some(self, morefs: Iterable[str], op: Operation | None = None) -> list[Told]:
        """These virtual machines: one request, as far as they fit on a page.

        Raises:
            VirtError: see :meth:`Connection.read`.
        """
        wanted = sorted(morefs)
        doing = f"look at virtual machine {', '.join(wanted[:3])}{' ...' if wanted[3:] else ''}"

        def ask() -> list[Told]:
            starts = [Collector.ObjectSpec(obj=self._connection.object(vim.VirtualMachine, moref)) for moref in wanted]
            return self._read(self._spec(starts)) if starts else []

        while True:
            try:
                return self._connection.read(doing, ask, op)
            except NotThere as error:
                if error.moref not in wanted:
                    raise
                wanted.remove(error.moref)  # a server that makes a fault of it although it was asked not to

    def ids_of(self, uuid: UUID, op: Operation | None = None) -> list[str]:
        """Ids of all virtual machines and templates that bear a uuid as their ``instanceUuid``, else as their ``uuid``.

        One request, or two and one to see that the session is still good.

        Raises:
            VirtError: see :meth:`Connection.read`.
        """

        def ask() -> list[str]:
            index = self._connection.content.searchIndex
            for by_instance_uuid in (True, False):
                found = index.FindAllByUuid(None, str(uuid), True, by_instance_uuid)
                if found:
                    return [vm._moId for vm in found]
            self._connection.still_logged_in()
            return []

        return self._connection.read(f"look for virtual machine {uuid}", ask, op)

    def everything_in(self, view: vim.view.View) -> vmodl.query.PropertyCollector.FilterSpec:
        """What to tell of all that is in a view. Call it in the block of a read."""
        if self._record_path is None:
            self._record_path = self._asked_for_path(view)
        return self._spec([through(view)])

    # --- within one read ------------------------------------------------------------------------------------------

    def _spec(self, starts: list[vmodl.query.PropertyCollector.ObjectSpec]) -> vmodl.query.PropertyCollector.FilterSpec:
        wanted = [
            Collector.PropertySpec(
                type=vim.VirtualMachine, pathSet=list(paths(self._record_path or EXTRA_CONFIG_PATH)), all=False
            ),
            *(Collector.PropertySpec(type=kind, pathSet=[path], all=False) for kind, path in PLACE_PATHS.items()),
        ]
        return Collector.FilterSpec(objectSet=starts, propSet=wanted, reportMissingObjectsInResults=True)

    def _read(self, spec: vmodl.query.PropertyCollector.FilterSpec) -> list[Told]:
        found = [one for page in self._pages(spec, self._connection.page_size) for one in page.told]
        if not found:
            self._connection.still_logged_in()
        return [one for one in found if one.change != LEAVE]

    def _pages(self, spec: vmodl.query.PropertyCollector.FilterSpec, size: int) -> Generator[Page, None, None]:
        """The answer's pages; the rest is cancelled at the server when nobody wants it any more."""
        collector: Any = self._connection.plain_object(Collector, self._connection.content.propertyCollector._moId)
        page: Page | None = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions(maxObjects=size))
        token = None
        try:
            while page is not None:
                token = page.token
                yield page
                if token is None:
                    return
                page = collector.ContinueRetrievePropertiesEx(token)
            token = None
        finally:
            if token is not None:
                rest = token
                forget("rest of a list", lambda: collector.CancelRetrievePropertiesEx(rest))

    def _asked_for_path(self, view: vim.view.View) -> str | None:
        """Whether the server takes the record's own path, as asked of one machine; None while there is none to ask."""
        wanted = [Collector.PropertySpec(type=vim.VirtualMachine, pathSet=[RECORD_PATH], all=False)]
        spec = Collector.FilterSpec(objectSet=[through(view)], propSet=wanted)  # a view that is gone is not empty
        reading = self._pages(spec, 1)
        try:
            for page in reading:
                for one in page.told:
                    return EXTRA_CONFIG_PATH if one.missing.get(RECORD_PATH) == "InvalidProperty" else RECORD_PATH
        except vmodl.query.InvalidProperty:
            return EXTRA_CONFIG_PATH
        finally:
            reading.close()
        return None

    def _persist(self, doing: str, ask: Callable[[], list[Told]]) -> list[Told]:
        for _ in range(ATTEMPTS - 1):
            with suppress(NotThere):
                return self._connection.read(doing, ask)
        return self._connection.read(doing, ask)


def through(view: vim.view.View) -> vmodl.query.PropertyCollector.ObjectSpec:
    """Where a filter begins that goes over all that is in a view."""
    seen = Collector.TraversalSpec(name="seen", type=vim.view.ContainerView, path="view", skip=False)
    return Collector.ObjectSpec(obj=view, skip=True, selectSet=[seen])
