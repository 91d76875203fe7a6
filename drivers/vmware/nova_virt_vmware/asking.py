"""Asking a guest itself to stop or to restart, by its VMware Tools, and seeing whether it obeys."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pyVmomi import vim

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import (
    Busy,
    Cancelled,
    ConnectionLost,
    GuestAgentUnavailable,
    StateAfter,
    Timeout,
    Unavailable,
)
from nova_virt_api.model.instance import PowerState
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_vmware.diagnostics import UPTIME
from nova_virt_vmware.errors import Refused, WrongPowerState
from nova_virt_vmware.property_collector import look_at
from nova_virt_vmware.switch import look, machine_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.instances import Guest
    from nova_virt_vmware.site import Site

AGAIN_SECONDS: Final = 10.0
"""After which it is asked again: VMware Tools may not have run yet when it was asked before."""

UNHEARD: Final = (GuestAgentUnavailable, Refused, WrongPowerState, Busy, Unavailable)
"""The guest could not be asked. It has its grace time all the same, as Tools may come up in it."""

POWER_PATH: Final = "runtime.powerState"
TOOLS_PATH: Final = "guest.toolsRunningStatus"
NO_TOOLS: Final = "guestToolsNotRunning"


class Request(ABC):
    """Something that a guest is asked for.

    Args:
        site: the endpoint.
        guest: the guest.
    """

    word: ClassVar[str]
    once: ClassVar[bool] = False
    """Whether it must not be asked for again when the guest may have heard it."""

    def __init__(self, site: Site, guest: Guest) -> None:
        self.site = site
        self.guest = guest
        self.vm = machine_of(site, guest)
        self.asked = False
        """Whether the guest may have heard it."""
        self.heard = False
        """Whether it has heard it for certain."""

    @abstractmethod
    def ask(self) -> None:
        """Ask once; raises what pyvmomi does."""

    @abstractmethod
    def is_obeyed(self, values: Mapping[str, Any], op: Operation) -> bool:
        """Whether the guest has done it, by what was told of its virtual machine just now."""

    def make(self, op: Operation, grace_seconds: float) -> bool:
        """Ask, and wait until the guest obeys; False if it has not within the grace time.

        Raises:
            Cancelled: somebody asked to; the guest may still obey.
            Timeout: the deadline came first; the guest may still obey.
            InstanceNotFound: the guest was removed meanwhile.
        """
        if grace_seconds <= 0:
            return False
        op.stage(Stage.STOP, CancelMode.IMMEDIATE)
        try:
            return self._await(op, time.monotonic() + grace_seconds)
        except (Cancelled, Timeout, ConnectionLost, Unavailable) as error:
            error.state_after = StateAfter.UNKNOWN  # it was asked, and may still obey
            raise

    def _await(self, op: Operation, end: float) -> bool:
        now = again = time.monotonic()
        with self.site.tasks.watching(self.vm) as sight:
            op.on_cancel(sight.wake)
            while now < end:
                if now >= again:
                    self._ask_gently()
                    again = now + AGAIN_SECONDS
                if self.is_obeyed(sight.values(self.vm), op):
                    return True
                op.checkpoint()
                sight.wait(min(again - now, end - now, op.remaining()))
                now = time.monotonic()
        return False

    def _ask_gently(self) -> None:
        if self.once and self.asked:
            return
        doing = f"ask guest {self.guest.name} to {self.word}"
        try:
            self.site.connection.change(doing, self.ask, Unstoppable(0.0))  # once: it is asked again by the loop
        except UNHEARD:
            return
        except ConnectionLost:
            self.asked = True
        else:
            self.asked = self.heard = True


class Stop(Request):
    """To stop (vSphere API reference: ``ShutdownGuest``, which returns at once)."""

    word = "stop"

    def ask(self) -> None:
        self.vm.ShutdownGuest()

    def is_obeyed(self, values: Mapping[str, Any], op: Operation) -> bool:
        told = values.get(POWER_PATH) == "poweredOff"
        return told and look(self.site, self.guest, op).power_state is PowerState.SHUTDOWN


class Restart(Request):
    """To restart (vSphere API reference: ``RebootGuest``, which returns at once). Asked once: twice would be too often.

    The server does not tell when a guest restarts by itself. It takes the request only while VMware Tools run, which
    stop as the guest goes down. A guest that is quick has them again before anybody can look, so that they were told
    to stop is enough. Where even that was not told, its uptime may show it (vSphere API reference:
    ``VirtualMachineQuickStats.uptimeSeconds``).
    """

    word = "restart"
    once = True

    def __init__(self, site: Site, guest: Guest) -> None:
        super().__init__(site, guest)
        self._ran = False
        self._uptime_before = 0

    def make(self, op: Operation, grace_seconds: float) -> bool:
        self._uptime_before = self._uptime(op) if grace_seconds > 0 else 0
        return super().make(op, grace_seconds)

    def ask(self) -> None:
        self.vm.RebootGuest()

    def is_obeyed(self, values: Mapping[str, Any], op: Operation) -> bool:
        tools = values.get(TOOLS_PATH)
        if not self.asked or tools is None:
            return False
        if tools != NO_TOOLS:
            self._ran = True
            return False
        # what was never told to run may have been told before it was asked
        return self._ran or (self.heard and look(self.site, self.guest, op).row.tools is False)

    def _await(self, op: Operation, end: float) -> bool:
        return super()._await(op, end) or 0 < self._uptime(op) < self._uptime_before

    def _uptime(self, op: Operation) -> int:
        """Seconds since the guest was started, as far as the server knows; 0 when it does not."""
        for _, values in look_at(self.site.connection, vim.VirtualMachine, [self.guest.row.moref], [UPTIME], op):
            return int(values.get(UPTIME) or 0)
        return 0
