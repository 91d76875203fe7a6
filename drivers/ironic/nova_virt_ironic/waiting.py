"""Waiting until nobody else works on a guest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Busy
from nova_virt_ironic.hold import worker
from nova_virt_ironic.instances import guest_on

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.instances import Guest
    from nova_virt_ironic.site import Site

LAST_WORD: Final = 0.75
"""Seconds before the deadline at which waiting ends, so that the caller still gets to know whom it was for."""


def wait_for_worker(site: Site, guest: Guest, holder: str, op: Operation) -> None:
    """Return once somebody else does not work on the guest any more, or the guest has left its node.

    Not by the watcher: that a process died changes nothing at the endpoint.

    Raises:
        Busy: he went on working until right before the deadline.
    """
    op.stage(f"wait for {holder}", CancelMode.IMMEDIATE)
    late = False

    def is_over() -> bool:
        nonlocal late
        late = op.remaining() < LAST_WORD
        row = site.listing.node(guest.row.uuid, op)
        there = None if row is None else guest_on(row)
        free = there is None or there.uuid != guest.uuid or worker(there.row, there.record) is None
        late = late and not free
        return free or late

    op.wait_until(is_over)
    if late:
        raise Busy(f"somebody else works on guest {guest.uuid}", holder, hint="try again later")
