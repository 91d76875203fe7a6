"""Starting, stopping and restarting guests: the power of their machines (API reference: "Change Node Power State").

Ironic answers at once and works on: ``target_power_state`` says where the power is on the way to, and is None once it
is there, or once Ironic gave up; then ``last_error`` tells why.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import (
    BackendError,
    Busy,
    Cancelled,
    InstanceNotFound,
    InvalidState,
    NotSupported,
    StateAfter,
    Timeout,
    VirtError,
)
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState
from nova_virt_api.toolkit.committed import Committed
from nova_virt_ironic.effect import bring_about
from nova_virt_ironic.errors import Refused, cleaned
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.provision_states import power_settled, power_state_of
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_ironic.instances import Guest
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

ON: Final = "on"
OFF: Final = "off"
REBOOT: Final = "reboot"
"""What ironicclient calls the states that can be asked for."""

RESULTS: Final = {ON: PowerState.RUNNING, OFF: PowerState.SHUTDOWN, REBOOT: PowerState.RUNNING}
SWITCHABLE: Final = (Lifecycle.READY, Lifecycle.RESCUED, Lifecycle.ERROR)
SHORTEST_GRACE: Final = 1
"""Seconds; Ironic takes whole ones only."""


class IronicPower(OnSite, Driver):
    """The power verbs."""

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        found = settled(self.site, self._switchable(guest, op), op)
        if power_state_of(found) is PowerState.RUNNING:
            return
        op.stage(Stage.BEFORE_START)
        op.stage(Stage.START, CancelMode.NONE)
        switch(self.site, found, ON, op)

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        found = settled(self.site, self._switchable(guest, op), op)
        state = power_state_of(found)
        if state is PowerState.SHUTDOWN:
            return
        if mode is PowerOff.GRACEFUL and state is PowerState.RUNNING and ask(self.site, found, OFF, op, grace_seconds):
            return
        op.stage(Stage.STOP, CancelMode.NONE)
        switch(self.site, found, OFF, op)

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        """Ironic's own reboot, as a machine that must never be off (``disable_power_off``) knows no other."""
        found = settled(self.site, self._switchable(guest, op), op)
        if power_state_of(found) is PowerState.SHUTDOWN:
            op.stage(Stage.START, CancelMode.NONE)
            switch(self.site, found, ON, op)
            return
        if mode is PowerOff.GRACEFUL and ask(self.site, found, REBOOT, op, grace_seconds):
            return
        op.stage(Stage.START, CancelMode.NONE)
        switch(self.site, found, REBOOT, Committed(op))

    def _switchable(self, guest: InstanceRef, op: Operation) -> NodeRow:
        """The guest's node, if its power is the guest's own affair now.

        Raises:
            InvalidState: the guest is being made, moved or removed.
        """
        found: Guest = self.site.guests.owned(guest, op)
        if found.lifecycle not in SWITCHABLE:
            raise InvalidState(found.lifecycle, SWITCHABLE, hint="wait until that is over")
        return found.row


def switch(site: Site, row: NodeRow, target: str, op: Operation) -> None:
    """Switch a node's power and wait until it is there.

    Raises:
        BackendError: Ironic could not do it; says why.
        Busy: somebody else switched it to another state meanwhile.
    """
    request(site, row, target, op)
    now = settled(site, row, Committed(op))
    if power_state_of(now) is not RESULTS[target] or (target == REBOOT and now.last_error):
        raise failure(now, target)


def ask(site: Site, row: NodeRow, target: str, op: Operation, grace_seconds: float) -> bool:
    """Ask the guest itself to stop or restart; False if it has not obeyed within the grace time.

    Raises:
        NotSupported: the node's power interface cannot ask.
        Cancelled: somebody asked to; the guest may still obey.
        Timeout: the deadline came first; the guest may still obey.
    """
    if grace_seconds <= 0:
        return False
    op.stage(Stage.STOP, CancelMode.IMMEDIATE)
    try:
        request(site, row, target, op, soft=True, seconds=max(SHORTEST_GRACE, math.ceil(grace_seconds)))
    except Refused as error:
        reason = f"the power interface of node {row.label} cannot ask: {error.message}"
        raise NotSupported(Feature.GRACEFUL_POWER_OFF, "mode", reason, hint="say mode=HARD") from error
    try:
        now = settled(site, row, op)
    except (Cancelled, Timeout) as error:
        error.state_after = StateAfter.UNKNOWN
        raise
    return power_state_of(now) is RESULTS[target] and not (target == REBOOT and now.last_error)


def request(
    site: Site, row: NodeRow, target: str, op: Operation, *, soft: bool = False, seconds: int | None = None
) -> None:
    """Ask Ironic to switch; it goes on by itself.

    Raises:
        ConnectionLost: nobody knows whether a machine is being restarted; twice would be once too often.
    """

    def ask() -> None:
        site.connection.change(
            f"switch {target} node {row.label}",
            lambda client: client.node.set_power_state(row.uuid, target, soft=soft, timeout=seconds),
            at=Call.SOFT_POWER if soft else Call.POWER,
            op=op,
        )

    def is_heard() -> bool:
        now = look(site, row, op)
        return not power_settled(now) or power_state_of(now) is RESULTS[target]

    if target == REBOOT:
        ask()
    else:
        bring_about(ask, is_heard, op)


def settled(site: Site, row: NodeRow, op: Operation) -> NodeRow:
    """The node once no power action is under way."""
    guest = row.instance_uuid

    def is_settled(now: NodeRow | None) -> bool:
        if now is None or now.instance_uuid != guest:
            raise InstanceNotFound(f"guest {guest} was removed meanwhile", state_after=StateAfter.CHANGED)
        return power_settled(now)

    now = look(site, row, op)
    return now if is_settled(now) else site.watcher.wait(op, row.uuid, is_settled) or now


def look(site: Site, row: NodeRow, op: Operation) -> NodeRow:
    """The node as it is now.

    Raises:
        InstanceNotFound: it is gone.
    """
    now = site.listing.node(row.uuid, op)
    if now is None:
        raise InstanceNotFound(f"node {row.label} is gone", state_after=StateAfter.CHANGED)
    return now


def failure(row: NodeRow, target: str) -> VirtError:
    """The error for a node whose power is not as it was asked for."""
    doing = f"switch {target} node {row.label}"
    if row.last_error:
        return BackendError(
            f"{doing}: {cleaned(row.last_error)}",
            hint="see that its management controller answers: openstack baremetal node validate",
            state_after=StateAfter.UNKNOWN,
        )
    return Busy(
        f"{doing}: somebody else switched it meanwhile, it is {row.power_state}", state_after=StateAfter.UNKNOWN
    )
