"""Virtual machines of guests that were never finished, or never quite removed, and that nobody works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from nova_virt_api.driver.driver import Driver
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase
from nova_virt_vmware.claim import MAKING, owner_folders
from nova_virt_vmware.guest_names import owner_folder
from nova_virt_vmware.hold import worker_on
from nova_virt_vmware.machine import Machine, machines
from nova_virt_vmware.property_collector import retrieve
from nova_virt_vmware.record import record_of
from nova_virt_vmware.site import OnSite
from nova_virt_vmware.vm_row import as_uuid

if TYPE_CHECKING:
    from collections.abc import Sequence

MACHINE: Final = "virtual machine"


class VmwareLeftovers(OnSite, Driver):
    """The read ``leftovers``."""

    def leftovers(self) -> Sequence[Leftover]:
        owner = self.site.endpoint.owner
        found = []
        for one in machines(self.site.connection, list(dict.fromkeys(self._recorded() + self._nameless())), None):
            uuid = one.uuid if one.record is not None else as_uuid(one.name)
            if uuid is not None and self._is_left(one):
                found.append(Leftover(uuid=uuid, kind=MACHINE, name=one.name, place=owner_folder(owner), owner=owner))
        return found

    def _recorded(self) -> list[str]:
        """Ids of this owner's unfinished machines, as the list of all guests shows them."""
        owner = self.site.endpoint.owner
        return [
            row.moref
            for row in self.site.cache.known(fresh=True).vms.values()
            if (record := record_of(row)) is not None
            and record.record.owner == owner
            and record.record.phase is not Phase.READY
        ]

    def _nameless(self) -> list[str]:
        """Ids of machines under a bare uuid in this owner's folders; whole ones would have a record by now."""
        found: list[str] = []
        connection = self.site.connection
        for folder in owner_folders(connection, self.site.endpoint.owner, None):
            container = connection.object(vim.Folder, folder)
            rows = retrieve(connection, vim.VirtualMachine, ("name",), container)
            found += [moref for moref, values in rows if as_uuid(values.get("name")) is not None]
        return [] if self.site.tasks.active_anywhere(MAKING) else found

    def _is_left(self, machine: Machine) -> bool:
        """Whether nobody will finish it."""
        if machine.template:
            return False
        if machine.record is not None:
            ours = machine.record.record.owner == self.site.endpoint.owner
            return ours and machine.record.record.phase is not Phase.READY and worker_on(machine) is None
        return machine.uuid in (None, as_uuid(machine.name))
