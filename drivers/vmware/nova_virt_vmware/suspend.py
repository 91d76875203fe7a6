"""The role Suspend: a guest's memory in a file beside its disks, which goes with the virtual machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.driver.suspend import Suspend
from nova_virt_api.errors import InvalidState, NoCapacity, StorageError
from nova_virt_api.model.instance import PowerState
from nova_virt_vmware import switch
from nova_virt_vmware.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_vmware.instances import Guest

ALLOWED: Final = (PowerState.RUNNING, PowerState.SUSPENDED)


class VmwareSuspend(OnSite, Suspend):
    """``SuspendVM_Task``, and ``PowerOnVM_Task``, which goes on from the memory that is there."""

    def suspend(self, guest: InstanceRef, op: Operation) -> None:
        found = self._usable(guest, op, switch.SUSPEND.word)
        if found.power_state is PowerState.SUSPENDED:
            return
        op.checkpoint()
        op.stage("save memory", CancelMode.NONE)
        try:
            switch.make(self.site, found, switch.SUSPEND, op, CancelMode.IMMEDIATE)
        except NoCapacity as error:
            hint = "free some space on the datastore with its files"
            raise StorageError(error.message, hint=hint, state_after=error.state_after) from error.__cause__

    def resume(self, guest: InstanceRef, op: Operation) -> None:
        found = self._usable(guest, op, "resume")
        if found.power_state is PowerState.RUNNING:
            return
        op.stage(Stage.BEFORE_START)
        op.checkpoint()
        op.stage("restore memory", CancelMode.NONE)
        switch.make(self.site, found, switch.ON, op, CancelMode.IMMEDIATE)

    def _usable(self, guest: InstanceRef, op: Operation, word: str) -> Guest:
        """The guest as it is now.

        Raises:
            InvalidState: it is stopped, or being made, moved or removed.
            Questioned: it stands still with a question.
        """
        found = self.site.guests.owned(guest, op)
        switch.require_settled(found)
        if found.power_state not in ALLOWED:
            raise InvalidState(found.power_state, ALLOWED, hint="start it first")
        switch.require_unasking(found, word)
        return found
