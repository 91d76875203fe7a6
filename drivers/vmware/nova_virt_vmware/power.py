"""Starting, stopping and restarting guests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import ConnectionLost, InvalidState
from nova_virt_api.model.instance import PowerOff, PowerState
from nova_virt_vmware import switch
from nova_virt_vmware.asking import Restart, Stop
from nova_virt_vmware.errors import WrongPowerState
from nova_virt_vmware.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_vmware.instances import Guest

SWITCHABLE: Final = (PowerState.RUNNING, PowerState.SHUTDOWN)


class VmwarePower(OnSite, Driver):
    """The power verbs."""

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        found = self._switchable(guest, op)
        if found.power_state is PowerState.RUNNING:
            return
        switch.require_unasking(found, switch.ON.word)
        op.stage(Stage.BEFORE_START)
        op.checkpoint()
        op.stage(Stage.START, CancelMode.NONE)
        switch.make(self.site, found, switch.ON, op, CancelMode.IMMEDIATE)

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        found = self._switchable(guest, op)
        if found.power_state is PowerState.SHUTDOWN:
            return
        if mode is PowerOff.GRACEFUL and Stop(self.site, found).make(op, grace_seconds):
            return
        switch.require_unblocked(self.site, found, switch.OFF.word, op)
        op.stage(Stage.STOP, CancelMode.NONE)
        switch.make(self.site, found, switch.OFF, op)

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        """By the server's own restart: the guest keeps its host and its memory there, so it cannot fail to come back.

        A guest that is asked counts as restarted once its VMware Tools have stopped, or its uptime has begun anew.
        """
        found = self._switchable(guest, op)
        switch.require_unasking(found, switch.RESET.word)
        if found.power_state is PowerState.SHUTDOWN:
            op.stage(Stage.START, CancelMode.NONE)
            switch.make(self.site, found, switch.ON, op)
            return
        if mode is PowerOff.GRACEFUL and Restart(self.site, found).make(op, grace_seconds):
            return
        op.stage(Stage.START, CancelMode.NONE)
        self._reset(found, op)

    def _reset(self, guest: Guest, op: Operation) -> None:
        """Restart a guest once; start it if it is off by now.

        Raises:
            ConnectionLost: nobody knows whether it was restarted; twice would be once too often.
        """
        vm = switch.machine_of(self.site, guest)
        doing = f"{switch.RESET.word} guest {guest.name}"
        try:
            self.site.tasks.run(doing, lambda: switch.RESET.call(vm), op, on=vm)
        except ConnectionLost:
            if not switch.await_active(self.site, vm, switch.RESET, doing, op):
                raise
        except WrongPowerState:
            switch.make(self.site, guest, switch.ON, op)

    def _switchable(self, guest: InstanceRef, op: Operation) -> Guest:
        """The guest as it is now.

        Raises:
            InvalidState: it is suspended, or being made, moved or removed.
        """
        found = self.site.guests.owned(guest, op)
        switch.require_settled(found)
        if found.power_state not in SWITCHABLE:
            raise InvalidState(found.power_state, SWITCHABLE, hint="resume it first")
        return found
