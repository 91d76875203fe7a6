"""The role Adopt: our record on machines that were deployed by other means, and off again.

Not to be confused with Ironic's own ``adopt``, which makes a node active whose machine was never deployed by Ironic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.adopt import Adopt
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, InvalidState, PermissionDenied
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.toolkit.committed import Committed
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_ironic.claim import Claims
from nova_virt_ironic.errors import Conflict
from nova_virt_ironic.hold import SETTLE
from nova_virt_ironic.pause import pause
from nova_virt_ironic.provision_states import meaning_of
from nova_virt_ironic.record import PATH, GuestRecord
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.instance import Instance
    from nova_virt_ironic.instances import Guest

FINGERPRINT: Final = "adopted"
"""In the record of a guest that was not asked for by a spec; no spec's fingerprint is equal to it."""


class IronicAdopt(OnSite, Adopt):
    """Writes the record into ``instance_info``; where the node has no ``instance_uuid``, its own uuid becomes that."""

    def check_adoptable(self, guest: InstanceRef) -> None:
        self._require_adoptable(self.site.guests.find(guest))

    def adopt(self, guest: InstanceRef, op: Operation) -> Instance:
        op.stage(Stage.CLAIM, CancelMode.AT_NEXT_STEP)
        while True:
            found = self.site.guests.find(guest, op)
            self._require_adoptable(found)
            if found.owner is not None or self._write_mark(found, op):
                return self.site.guests.instance(guest, fresh=True)
            op.checkpoint()

    def release(self, guest: InstanceRef, op: Operation) -> None:
        found = self.site.guests.find(guest, op)
        self._require_adoptable(found)
        if found.owner is not None:
            patch = [{"op": "remove", "path": PATH}]
            Claims(self.site).patch(found.row, patch, f"release guest {found.uuid}", op)

    def _write_mark(self, guest: Guest, op: Operation) -> bool:
        """Write our record; whether it stayed.

        ``instance_info`` cannot be compared and swapped. So the record is written right after a look, once, and looked
        at again when another's, written after a look that was as early as ours, must be there too.
        """
        record = Record(
            uuid=guest.uuid,
            owner=self.site.endpoint.owner,
            fingerprint=FINGERPRINT,
            phase=Phase.READY,
            native_id=guest.row.uuid,
        )
        value = GuestRecord(record=record, name=guest.name).encode()
        patch: list[dict[str, Any]] = [{"op": "add", "path": PATH, "value": value}]
        if guest.row.instance_uuid is None:
            patch.insert(0, {"op": "add", "path": "/instance_uuid", "value": str(guest.uuid)})
        try:
            Claims(self.site).patch(guest.row, patch, f"adopt guest {guest.uuid}", Unstoppable(0.0))
        except (Conflict, Busy) as error:
            if op.remaining() < 2 * SETTLE:
                raise Busy(error.message, hint="somebody else changes the node; try again later") from error
            pause(op, SETTLE)
            return False
        pause(Committed(op), SETTLE)
        return (
            self.site.guests.find(InstanceRef(uuid=guest.uuid, native_id=guest.row.uuid), op).owner
            == self.site.endpoint.owner
        )

    def _require_adoptable(self, guest: Guest) -> None:
        """Refuse a guest that is another owner's, or with which something is going on.

        Raises:
            PermissionDenied: it is another owner's.
            InvalidState: it is in the middle of something.
        """
        if guest.owner not in {None, self.site.endpoint.owner}:
            raise PermissionDenied(f"the guest belongs to {guest.owner!r}", hint="let its owner release it")
        finished = guest.record is None or guest.record.record.phase is Phase.READY
        if not (finished and meaning_of(guest.row).stable):
            current = meaning_of(guest.row).lifecycle if finished else guest.lifecycle
            raise InvalidState(current, (Lifecycle.READY,), hint=f"its node is {guest.row.provision_state!r}")
