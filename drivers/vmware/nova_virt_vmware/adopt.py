"""The role Adopt: our record on virtual machines that were made by other means, and off again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from nova_virt_api.driver.adopt import Adopt
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import PermissionDenied
from nova_virt_api.model.record import Phase, Record
from nova_virt_vmware import switch
from nova_virt_vmware.reconfigure import reconfigure, record_option
from nova_virt_vmware.record import GuestRecord
from nova_virt_vmware.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_vmware.instances import Guest
    from nova_virt_vmware.machine import Machine

FINGERPRINT: Final = "adopted"
"""In the record of a guest that was not asked for by a spec; no spec's fingerprint is equal to it."""


class VmwareAdopt(OnSite, Adopt):
    """Writes the record into ``config.extraConfig`` by comparing and swapping; nothing else is changed."""

    def check_adoptable(self, guest: InstanceRef) -> None:
        self._require_adoptable(self.site.guests.find(guest))

    def adopt(self, guest: InstanceRef, op: Operation) -> Instance:
        op.stage(Stage.CLAIM, CancelMode.AT_NEXT_STEP)
        found = self.site.guests.find(guest, op)
        self._require_adoptable(found)

        def mark(now: Machine) -> vim.vm.ConfigSpec | None:
            if now.record is not None:
                self._require_ours(now.record.record.owner)
                return None
            record = Record(
                uuid=found.uuid,
                owner=self.site.endpoint.owner,
                fingerprint=FINGERPRINT,
                phase=Phase.READY,
                native_id=now.moref,
            )
            option = record_option(GuestRecord(record=record, name=found.name))
            return vim.vm.ConfigSpec(extraConfig=[option])

        reconfigure(self.site, found.row.moref, f"adopt guest {found.name}", mark, op)
        return self.site.guests.instance(guest, fresh=True)

    def release(self, guest: InstanceRef, op: Operation) -> None:
        found = self.site.guests.find(guest, op)
        self._require_adoptable(found)

        def unmark(now: Machine) -> vim.vm.ConfigSpec | None:
            if now.record is None:
                return None
            self._require_ours(now.record.record.owner)
            return vim.vm.ConfigSpec(extraConfig=[record_option(None)])

        reconfigure(self.site, found.row.moref, f"release guest {found.name}", unmark, op)

    def _require_adoptable(self, guest: Guest) -> None:
        """Refuse a guest that is another owner's, or with which something is going on.

        Raises:
            PermissionDenied: it is another owner's.
            InvalidState: it is in the middle of something.
        """
        if guest.owner is not None:
            self._require_ours(guest.owner)
        switch.require_settled(guest)

    def _require_ours(self, owner: str) -> None:
        if owner != self.site.endpoint.owner:
            raise PermissionDenied(f"the guest belongs to {owner!r}", hint="let its owner release it")
