"""Asking a guest itself to stop or to restart, by its VMware Tools, and seeing whether it obeys."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

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
from nova_virt_vmware.errors import Refused, WrongPowerState
from nova_virt_vmware.switch import look, machine_of
from nova_virt_vmware.unstoppable import Unstoppable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.driver.operation import Operation
    from nova_virt_vmware.instances import Guest
    from nova_virt_vmware.site import Site

AGAIN_SECONDS: Final = 10.0
"""After which it is asked again: VMware Tools may not have run yet when it was asked before."""

UNHEARD: Final = (GuestAgentUnavailable, Refused, WrongPowerState, Busy, ConnectionLost, Unavailable)
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

    def __init__(self, site: Site, guest: Guest) -> None:
        self.site = site
        self.guest = guest
        self.vm = machine_of(site, guest)

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
        doing = f"ask guest {self.guest.name} to {self.word}"
        with suppress(*UNHEARD):
            self.site.connection.change(doing, self.ask, Unstoppable(0.0))  # once: it is asked again by the loop


class Stop(Request):
    """To stop (vSphere API reference: ``ShutdownGuest``, which returns at once)."""

    word = "stop"

    def ask(self) -> None:
        self.vm.ShutdownGuest()

    def is_obeyed(self, values: Mapping[str, Any], op: Operation) -> bool:
        told = values.get(POWER_PATH) == "poweredOff"
        return told and look(self.site, self.guest, op).power_state is PowerState.SHUTDOWN


class Restart(Request):
    """To restart (vSphere API reference: ``RebootGuest``, which returns at once).

    The server does not tell when a guest restarts by itself. It takes the request only while VMware Tools run, which
    are seen to stop as the guest goes down.
    """

    word = "restart"

    def __init__(self, site: Site, guest: Guest) -> None:
        super().__init__(site, guest)
        self._heard = False

    def ask(self) -> None:
        if not self._heard:
            self.vm.RebootGuest()
            self._heard = True

    def is_obeyed(self, values: Mapping[str, Any], op: Operation) -> bool:
        told = self._heard and values.get(TOOLS_PATH) == NO_TOOLS
        return told and look(self.site, self.guest, op).row.tools is False
