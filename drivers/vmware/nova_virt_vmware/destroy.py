"""Removing a guest and all that it owned, from every state, or what is left of one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import ConnectionLost, PermissionDenied, StateAfter, VirtError
from nova_virt_api.model.instance import DiskPolicy
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_vmware.claim import Claims
from nova_virt_vmware.errors import ChangedMeanwhile, NotThere
from nova_virt_vmware.hold import held, option, token
from nova_virt_vmware.leftovers import MACHINE
from nova_virt_vmware.machine import CONNECTED, Machine, machine
from nova_virt_vmware.record import KEY
from nova_virt_vmware.removal import Removal
from nova_virt_vmware.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_vmware.site import Site

LONGEST: Final = 3600.0
"""Seconds that a removal which has begun goes on after its operation's deadline."""


class VmwareDestroy(OnSite, Driver):
    """The verb ``destroy``."""

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        with token() as taking:
            destruction = Destruction(self.site, guest, taking, op, foreign=foreign)
            return destruction.run(keep_disks=disks is DiskPolicy.KEEP)


class Destruction:
    """One removal.

    Args:
        site: the endpoint.
        guest: what to remove.
        taking: the token under which it is removed.
        op: the operation worked for.
        foreign: allow a guest of another owner or of none.
    """

    def __init__(self, site: Site, guest: InstanceRef, taking: str, op: Operation, *, foreign: bool) -> None:
        self._site = site
        self._guest = guest
        self._taking = taking
        self._op = op
        self._foreign = foreign
        self._claims = Claims(site, guest.uuid, taking, op)

    def run(self, *, keep_disks: bool) -> bool:
        """Return whether there was anything to remove."""
        found = self._take(keep_disks)
        if found is None:
            return False
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        self._remove(found, keep_disks=keep_disks or keeps_disks(found))
        for other in self._claims.abandoned():
            self._remove(other, keep_disks=keep_disks)
        return True

    def _take(self, keep_disks: bool) -> Machine | None:
        """The guest, marked as being removed by us; None if there is nothing to be removed."""
        while True:
            self._op.stage(Stage.CLAIM, CancelMode.IMMEDIATE)
            found = self._find()
            if found is None:
                return None
            if (refusal := self._refusal(found)) is not None:
                raise refusal
            if self._mark(found, keep_disks or keeps_disks(found)):
                return found

    def _find(self) -> Machine | None:
        """The guest: by the id that the caller knows where two claim its uuid, else by its uuid.

        Before its remains, which go along; where nothing may be removed, whatever there is.
        """
        if self._guest.native_id is not None:
            hinted = machine(self._site.connection, self._guest.native_id, self._op)
            if hinted is not None:
                hinted.check_readable()
            ours = hinted is not None and hinted.uuid == self._guest.uuid and not hinted.template
            if hinted is not None and ours and self._claims.worker(hinted) is None:
                return hinted
        found = self._claims.settled()
        guests = [each for each in found if not self._claims.is_remains(each)]
        permitted = (each for each in (*guests, *found) if self._refusal(each) is None)
        return next(permitted, next(iter(found), None))

    def _mark(self, found: Machine, keep_disks: bool) -> bool:
        """Write that it is on its way out, by whom, and what stays; False if it has changed since it was looked at.

        One that takes no change any more is removed without.
        """
        if found.record is None or self._site.endpoint.manage is Manage.ALL or found.connection_state != CONNECTED:
            return True
        record = replace(held(found.record.changed(phase=Phase.DELETING), self._taking), keeps_disks=keep_disks)
        spec = vim.vm.ConfigSpec(changeVersion=found.version or None, extraConfig=[option(KEY, record.encode())])
        vm = self._site.connection.object(vim.VirtualMachine, found.moref)
        try:
            self._site.tasks.run(f"mark {found.label}", partial(vm.ReconfigVM_Task, spec), self._op, on=vm)
        except (ChangedMeanwhile, NotThere):
            return False
        except ConnectionLost:
            now = machine(self._site.connection, found.moref, self._op)
            marked = None if now is None else now.record or now.claim
            return marked is not None and marked.hold == self._taking
        return True

    def _remove(self, found: Machine, *, keep_disks: bool) -> None:
        rest = Unstoppable(LONGEST, self._op)
        try:
            Removal(self._site, found.moref, rest, keep_disks=keep_disks).run()
        except VirtError as error:
            if error.state_after is StateAfter.UNCHANGED:
                error.state_after = StateAfter.CHANGED  # it is marked, and maybe stopped
            with suppress(VirtError):
                if machine(self._site.connection, found.moref, rest) is not None:
                    owner = found.record.record.owner if found.record is not None else None
                    left = Leftover(uuid=self._guest.uuid, kind=MACHINE, name=found.name, owner=owner)
                    error.leftovers = error.leftovers or (left,)
            raise

    def _refusal(self, found: Machine) -> PermissionDenied | None:
        """Why this connection may not remove a machine; None if it may."""
        endpoint = self._site.endpoint
        owner = found.record.record.owner if found.record is not None else None
        if owner == endpoint.owner or (owner is None and self._claims.is_remains(found)):
            return None
        whose = f"belongs to {owner!r}" if owner else "was not made by this API"
        what = f"guest {found.name} ({self._guest.uuid})"
        if endpoint.manage is not Manage.ALL:
            return PermissionDenied(f"{what} {whose}", hint="connect(manage='all') to change it")
        if not self._foreign:
            return PermissionDenied(f"{what} {whose}", hint="say foreign=True to remove it all the same")
        return None


def keeps_disks(machine: Machine) -> bool:
    """Whether a removal that was begun is to leave the disks: then whoever ends it leaves them, too."""
    return machine.record is not None and machine.record.keeps_disks
