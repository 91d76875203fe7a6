"""The role Rescue: Ironic's rescue ramdisk in place of what is on the node's disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.rescue import Rescue
from nova_virt_api.errors import InvalidSpec, InvalidState, NotSupported
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Phase
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.running import leave_running
from nova_virt_ironic.site import OnSite
from nova_virt_ironic.transition import Transition, Transitions

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.image import ImageSource
    from nova_virt_api.model.secret import Secret
    from nova_virt_ironic.instances import Guest

RESCUE: Final = Transition(
    target="rescue", call=Call.RESCUE, stage="rescue", arrives={"rescue"}, under_way={"rescuing", "rescue wait"}
)
UNRESCUE: Final = Transition(
    target="unrescue", call=Call.RESCUE, stage="unrescue", arrives={"active"}, under_way={"unrescuing"}
)

RESCUABLE: Final = frozenset({"active", "rescue failed", "unrescue failed", "service failed"})
UNRESCUABLE: Final = frozenset({"rescue", "rescue failed", "unrescue failed"})
"""Provision states in which Ironic takes the verb."""

NO_RESCUE: Final = "no-rescue"


class IronicRescue(OnSite, Rescue):
    """Starts a node from the rescue ramdisk that it was configured with, and from its own disk again."""

    def rescue(
        self, guest: InstanceRef, op: Operation, *, image: ImageSource | None = None, password: Secret | None = None
    ) -> None:
        if image is not None:
            raise NotSupported(Feature.RESCUE_IMAGE, "image", "the rescue ramdisk belongs to the node")
        found = self.site.guests.owned(guest, op)
        if found.row.provision_state in RESCUE.arrives:
            return
        require(found, RESCUABLE | set(RESCUE.under_way), Lifecycle.READY)
        if found.row.rescue_interface == NO_RESCUE:
            raise NotSupported(Capability.RESCUE, reason=f"node {found.row.label} has the rescue interface {NO_RESCUE}")
        if not password:
            raise InvalidSpec("password", None, "a password for the rescue system, which Ironic asks for")
        row = Transitions(self.site).make(found.row, RESCUE, op, rescue_password=password.reveal())
        leave_running(self.site, row, op)

    def unrescue(self, guest: InstanceRef, op: Operation) -> None:
        found = self.site.guests.owned(guest, op)
        if found.row.provision_state in UNRESCUE.arrives:
            return
        require(found, UNRESCUABLE | set(UNRESCUE.under_way), Lifecycle.RESCUED)
        row = Transitions(self.site).make(found.row, UNRESCUE, op)
        leave_running(self.site, row, op)


def require(guest: Guest, states: frozenset[str], needed: Lifecycle) -> None:
    """Refuse a guest whose node Ironic would not take the verb for.

    Raises:
        InvalidState: it is unfinished, or in the middle of something.
    """
    finished = guest.record is None or guest.record.record.phase is Phase.READY
    if guest.row.provision_state in states and finished:
        return
    raise InvalidState(guest.lifecycle, (needed,), hint=f"its node is {guest.row.provision_state!r}")
