"""vSphere's own API, spoken plainly by pyvmomi: no cache, no attempts, a session of its own."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

from nova_virt_api.config.secret_reference import resolve
from nova_virt_vmware.options import OPTIONS
from nova_virt_vmware.rig.pinned import PinnedContext
from nova_virt_vmware.trust import context, digits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

Query: Final = vim.PropertyCollector


class Native:
    """The server as somebody else uses it.

    Args:
        options: the driver's options; of these it takes where the server is and how to log in.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        named = SimpleNamespace(**{opt.dest: options.get(opt.dest, opt.default) for opt in OPTIONS})
        self.options = named
        self.password: Final = resolve("password", named.password).reveal()
        self.trust: Final = trusting(named)
        self._instance = SmartConnect(
            host=named.host,
            port=int(named.port),
            user=named.username,
            pwd=self.password,
            path=named.path,
            sslContext=self.trust,
        )
        self.content = self._instance.content

    def close(self) -> None:
        """Log out."""
        Disconnect(self._instance)

    def wait(self, task: Any) -> Any:
        """Wait for a task; its result. Raises its fault."""
        WaitForTask(task, self._instance)
        return task.info.result

    def all(self, kind: type[Any], *paths: str) -> list[tuple[Any, dict[str, Any]]]:
        """All objects of a kind, each with these properties as far as it has them."""
        view = self.content.viewManager.CreateContainerView(self.content.rootFolder, [kind], True)
        try:
            seen = Query.TraversalSpec(name="seen", type=vim.view.ContainerView, path="view", skip=False)
            spec = Query.FilterSpec(
                objectSet=[Query.ObjectSpec(obj=view, skip=True, selectSet=[seen])],
                propSet=[Query.PropertySpec(type=kind, pathSet=list(paths))],
            )
            page = self.content.propertyCollector.RetrievePropertiesEx([spec], Query.RetrieveOptions())
            found = []
            while page is not None:
                found += [(one.obj, {prop.name: prop.val for prop in one.propSet}) for one in page.objects]
                more = page.token
                page = self.content.propertyCollector.ContinueRetrievePropertiesEx(more) if more else None
            return found
        finally:
            view.DestroyView()

    def named(self, kind: type[Any], name: str) -> Any:
        """The object of a kind that has this name or id.

        Raises:
            LookupError: there is none.
        """
        for entity, properties in self.all(kind, "name"):
            if name in (properties.get("name"), entity._moId):
                return entity
        raise LookupError(f"there is no {kind.__name__} {name}")

    def machines(self, guest: UUID) -> list[Any]:
        """The virtual machines that bear a uuid; no templates."""
        found = self.content.searchIndex.FindAllByUuid(uuid=str(guest), vmSearch=True, instanceUuid=True)
        return [machine for machine in found if not machine.config.template]

    def machine(self, guest: UUID) -> Any:
        """A guest's virtual machine.

        Raises:
            LookupError: there is none.
        """
        for machine in self.machines(guest):
            return machine
        raise LookupError(f"there is no guest {guest}")

    def top_of(self, store: Any) -> list[str]:
        """The files and directories that lie on a datastore itself."""
        listing = store.browser.SearchDatastore_Task(
            datastorePath=f"[{store.name}]", searchSpec=vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*"])
        )
        return [file.path for file in self.wait(listing).file]

    def remove(self, machine: Any) -> None:
        """Remove a virtual machine, whatever state it is in."""
        if machine.runtime.powerState == vim.VirtualMachine.PowerState.poweredOn:
            self.wait(machine.PowerOffVM_Task())
        self.wait(machine.Destroy_Task())


def trusting(options: Any) -> ssl.SSLContext:
    """Whom to trust: whom the driver trusts, on every connection.

    Raises:
        ConfigError: a file cannot be read, or a fingerprint is none.
    """
    if options.thumbprint:
        return PinnedContext(digits(options.thumbprint))
    trusted = context(options.cafile)
    if options.insecure:
        trusted.check_hostname = False
        trusted.verify_mode = ssl.CERT_NONE
    return trusted
