"""Removing a guest and all that was made for it, from every state, or what is left of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import NotSupported, PermissionDenied
from nova_virt_api.model.instance import DiskPolicy
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_ironic import volume_targets
from nova_virt_ironic.hold import worker
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.removal import NEVER_DEPLOYED, Removal
from nova_virt_ironic.site import OnSite
from nova_virt_ironic.waiting import wait_for_worker

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_ironic.instances import Guest

LONGEST: Final = 86400.0
"""Seconds that a removal which has begun goes on after its operation's deadline."""


class IronicDestroy(OnSite, Driver):
    """The verb ``destroy``."""

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        if disks is DiskPolicy.KEEP:
            raise NotSupported(Feature.KEEP_DISKS, "disks", "cleaning a machine wipes its disks")
        op.stage(Stage.CLAIM, CancelMode.IMMEDIATE)
        found = self.site.guests.look_for(guest, op)
        while found is not None:
            self._permit(found, foreign)
            holder = worker(found.row, found.record) if found.row.provision_state in NEVER_DEPLOYED else None
            if holder is None:
                break
            wait_for_worker(self.site, found, holder, op)
            found = self.site.guests.look_for(guest, op)
        if found is None:
            return self._remove_volume_targets(guest, op, foreign=foreign)
        op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        Removal(self.site, found.uuid, Unstoppable(LONGEST, op)).run(found.row)
        return True

    def _permit(self, guest: Guest, foreign: bool) -> None:
        self.site.guests.check_owned(guest)
        self._permit_owner(guest.owner, f"guest {guest.name} ({guest.uuid})", foreign)

    def _permit_owner(self, owner: str | None, what: str, foreign: bool) -> None:
        endpoint = self.site.endpoint
        if owner == endpoint.owner:
            return
        whose = f"belongs to {owner!r}" if owner else "was not made by this API"
        if endpoint.manage is not Manage.ALL:
            raise PermissionDenied(f"{what} {whose}", hint="connect(manage='all') to change it")
        if not foreign:
            raise PermissionDenied(f"{what} {whose}", hint="say foreign=True to remove it all the same")

    def _remove_volume_targets(self, guest: InstanceRef, op: Operation, *, foreign: bool) -> bool:
        """Remove volume targets of a guest that has no node any more: somebody undeployed it by other means."""
        connection = self.site.connection
        if not connection.serves(Call.VOLUMES):
            return False
        left = [target for target in volume_targets.targets(connection, op) if target.guest == guest.uuid]
        for target in left:
            self._permit_owner(target.owner, f"volume target {target.uuid}", foreign)
        op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        rest = Unstoppable(LONGEST, op)
        for target in left:
            row = self.site.listing.node(target.node_uuid, rest)
            if row is not None:
                volume_targets.remove(connection, row, target, rest)
        return bool(left)
