"""A guest's record while this process works on the guest: its lease is renewed until it is given up.

Ironic guards what it does itself: a node that is being deployed or undeployed takes neither changes nor another verb,
and a conductor that dies leaves it in a state of failure. A hold is for the rest: between the claim of a node and its
deployment, while nothing but the record says that somebody is at work.

``instance_info`` cannot be compared and swapped. So who takes a record over writes a token of his own into it, waits
longer than another's change can have been under way, and goes on if the token is still there; it is looked at again
right before every step that must not be done by two.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import Busy, VirtError
from nova_virt_api.toolkit.holder import is_gone, this_process
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_ironic.claim import Claims
from nova_virt_ironic.history import seconds_of
from nova_virt_ironic.pause import pause
from nova_virt_ironic.provision_states import meaning_of
from nova_virt_ironic.record import PATH, GuestRecord, record_of
from nova_virt_ironic.retry import Again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.record import Phase
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

LEASE: Final = 120.0
"""Seconds without a sign of life after which a holder that cannot be looked for counts as gone."""

SETTLE: Final = 1.0
"""Seconds within which a change that was under way when ours was made has been made too."""

TOKEN_BYTES: Final = 8


class HoldLost(Busy):
    """Somebody else holds the record now."""


ACTIVE: Final[set[str]] = set()
"""Tokens of the records that this process holds now."""


@contextmanager
def token() -> Iterator[str]:
    """A token of a taking, which counts as active in this block: from before it is written."""
    text = secrets.token_hex(TOKEN_BYTES)
    ACTIVE.add(text)
    try:
        yield text
    finally:
        ACTIVE.discard(text)


def held(record: GuestRecord, token: str) -> GuestRecord:
    """The record with this process as its holder."""
    return replace(record.changed(holder=this_process(), lease_until=time.time() + LEASE), hold=token)


def free(record: GuestRecord, phase: Phase) -> GuestRecord:
    """The record without a holder."""
    return replace(record.changed(phase=phase, holder=None, lease_until=None), hold="")


def worker(row: NodeRow, record: GuestRecord | None) -> str | None:
    """Who works on the guest now; None when nobody does, or he is gone.

    While Ironic itself is at work no lease can be renewed, so it is as good as if it had been when the node came into
    its state.
    """
    if record is None or record.record.holder is None:
        return None
    holder = record.record.holder
    if holder == this_process():
        return holder if record.hold in ACTIVE else None
    if is_gone(holder):
        return None
    if not meaning_of(row).stable:
        return holder
    until = max(record.record.lease_until or 0.0, (seconds_of(row.provision_updated_at) or 0.0) + LEASE)
    return holder if time.time() < until else None


class Hold:
    """A record that this process holds.

    Args:
        site: the endpoint.
        row: the node.
        record: as it was written, with a token.
    """

    def __init__(self, site: Site, row: NodeRow, record: GuestRecord) -> None:
        self._site = site
        self._row = row
        self._claims = Claims(site)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.record = record
        threading.Thread(target=self._renew, name="nova-virt-ironic-lease", daemon=True).start()

    @classmethod
    def take_over(cls, site: Site, row: NodeRow, record: GuestRecord, token: str, op: Operation) -> Hold | None:
        """Take a record over from a holder that is gone; None if somebody else was faster."""
        record = held(record, token)
        write(site, row, record, op)
        pause(op, SETTLE)
        now = site.listing.node(row.uuid, op)
        found = None if now is None else record_of(now)
        return cls(site, row, record) if found is not None and found.hold == record.hold else None

    def verify(self, op: Operation) -> NodeRow:
        """Call before a step that must not be done by two; returns the node as it is now.

        Raises:
            HoldLost: somebody else took over, or removed the claim.
        """
        row = self._site.listing.node(self._row.uuid, op)
        found = None if row is None else record_of(row)
        if row is None or found is None or found.hold != self.record.hold:
            raise HoldLost(f"somebody else took over guest {self.record.record.uuid}, or destroyed it")
        return row

    def rest(self) -> None:
        """Renew no more: from now on Ironic's own state says that somebody is at work."""
        self._ended.set()

    def end(self) -> None:
        """Hold it no more; what the record says stays. Idempotent."""
        with self._lock:
            self._ended.set()

    def settle(self, phase: Phase, op: Operation) -> None:
        """Write that nobody holds it, and how far the guest has got."""
        self.end()
        write(self._site, self._row, free(self.record, phase), op)

    def _renew(self) -> None:
        while not self._ended.wait(LEASE / 3):
            with self._lock, suppress(VirtError):  # an endpoint that is away now may be back in time
                if not self._ended.is_set():
                    self.record = self.record.changed(lease_until=time.time() + LEASE)
                    write(self._site, self._row, self.record, Unstoppable(LEASE / 3))


def write(site: Site, row: NodeRow, record: GuestRecord, op: Operation) -> None:
    """Write a guest's record over the one that is there."""
    change: dict[str, Any] = {"op": "add", "path": PATH, "value": record.encode()}
    doing = f"write the record of guest {record.record.uuid}"
    Claims(site).patch(row, [change], doing, op, again=Again.ALWAYS)
