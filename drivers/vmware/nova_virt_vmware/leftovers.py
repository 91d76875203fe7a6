"""Virtual machines of guests that were never finished, or never quite removed, and that nobody works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from nova_virt_api.driver.driver import Driver
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase
from nova_virt_vmware.claim import owner_folders
from nova_virt_vmware.guest_names import owner_folder
from nova_virt_vmware.hold import worker
from nova_virt_vmware.machine import Machine, machines
from nova_virt_vmware.property_collector import retrieve
from nova_virt_vmware.record import record_of
from nova_virt_vmware.site import OnSite
from nova_virt_vmware.vm_row import as_uuid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nova_virt_vmware.record import GuestRecord

MACHINE: Final = "virtual machine"


class VmwareLeftovers(OnSite, Driver):
    """The read ``leftovers``."""

    def leftovers(self) -> Sequence[Leftover]:
        owner = self.site.endpoint.owner
        known, begun = self._recorded(), self._begun()
        found = []
        for one in machines(self.site.connection, list(dict.fromkeys([*known, *begun])), None):
            claim = one.claim if one.moref in begun else None
            record = known.get(one.moref) if one.is_unreadable else one.record or claim
            uuid = as_uuid(one.name) if record is None else record.record.uuid
            if uuid is not None and self._is_left(one, record):
                found.append(Leftover(uuid=uuid, kind=MACHINE, name=one.name, place=owner_folder(owner), owner=owner))
        return found

    def _recorded(self) -> Mapping[str, GuestRecord]:
        """Records of this owner's unfinished machines by id, as the list of all guests shows, or remembers, them."""
        owner = self.site.endpoint.owner
        return {
            row.moref: record
            for row in self.site.cache.known(fresh=True).vms.values()
            if (record := record_of(row)) is not None
            and record.record.owner == owner
            and record.record.phase is not Phase.READY
        }

    def _begun(self) -> list[str]:
        """Ids of machines under a bare uuid in this owner's folders; whole ones would have another name by now."""
        found: list[str] = []
        connection = self.site.connection
        for folder in owner_folders(connection, self.site.endpoint.owner, None):
            container = connection.object(vim.Folder, folder)
            rows = retrieve(connection, vim.VirtualMachine, ("name",), container)
            found += [moref for moref, values in rows if as_uuid(values.get("name")) is not None]
        beginning = self.site.beginning.among(found)
        return [moref for moref in found if moref not in beginning]

    def _is_left(self, machine: Machine, record: GuestRecord | None) -> bool:
        """Whether nobody will finish it."""
        if machine.template:
            return False
        if record is not None:
            ours = record.record.owner == self.site.endpoint.owner
            return ours and record.record.phase is not Phase.READY and worker(record) is None
        return machine.uuid in (None, as_uuid(machine.name))
