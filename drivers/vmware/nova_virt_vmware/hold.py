"""A guest's record while this process works on the guest: its lease is renewed until it is given up.

What is in the making, or on its way out, is never taken over and gone on with: it is removed by its managed object id,
which is never used again, and begun anew. So of any number who find a holder gone no one can hurt what another has
begun since, and a holder that was only thought to be gone finds its virtual machine vanished.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.errors import ConnectionLost, VirtError
from nova_virt_api.toolkit.holder import is_gone, this_process
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_vmware.errors import ChangedMeanwhile, NotThere
from nova_virt_vmware.machine import machine
from nova_virt_vmware.record import KEY, GuestRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.record import Phase
    from nova_virt_vmware.machine import Machine
    from nova_virt_vmware.site import Site

LEASE: Final = 120.0
"""Seconds without a sign of life after which a holder that cannot be looked for counts as gone.

By two clocks: those of the machines that work for one owner must not differ by as much.
"""

TOKEN_BYTES: Final = 8

ATTEMPTS: Final = 5
"""Times that a change is tried which others got in front of, or whose answer was lost."""

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


def held(record: GuestRecord, token: str, more: float = 0.0) -> GuestRecord:
    """The record with this process as its holder.

    Args:
        record: what else it says.
        token: of the taking.
        more: seconds beside those of a lease for which there can be no sign of life.
    """
    return replace(record.changed(holder=this_process(), lease_until=time.time() + more + LEASE), hold=token)


def free(record: GuestRecord, phase: Phase) -> GuestRecord:
    """The record without a holder."""
    return replace(record.changed(phase=phase, holder=None, lease_until=None), hold="", keeps_disks=False)


def worker(record: GuestRecord | None) -> str | None:
    """Who works on the guest now; None when nobody does, or he is gone."""
    if record is None or record.record.holder is None:
        return None
    holder = record.record.holder
    if holder == this_process():
        return holder if record.hold in ACTIVE else None
    if is_gone(holder):
        return None
    return holder if time.time() < (record.record.lease_until or 0.0) else None


class Hold:
    """The record of a virtual machine that this process makes.

    Args:
        site: the endpoint.
        moref: the virtual machine.
        record: as it was born with, held.
    """

    def __init__(self, site: Site, moref: str, record: GuestRecord) -> None:
        self._site = site
        self._vm = site.connection.object(vim.VirtualMachine, moref)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.record = record
        self._renewal = threading.Thread(target=self._renew, name="nova-virt-vmware-lease", daemon=True)
        self._renewal.start()

    def reconfigure(self, doing: str, spec: vim.vm.ConfigSpec, op: Operation) -> None:
        """Change the virtual machine, once; the same change renews the record's lease, which shows that it was made."""
        with self._lock:
            self.record = self.record.changed(lease_until=time.time() + LEASE)
            spec.extraConfig = [*(spec.extraConfig or ()), option(KEY, self.record.encode())]
            self._change(doing, spec, op, lambda now: now.record == self.record)

    def seal(self, doing: str, spec: vim.vm.ConfigSpec, op: Operation) -> None:
        """End the hold by a last change, which says of the record what it is from now on, and gives it its name."""
        self.end()
        with self._lock:
            self._change(doing, spec, op, lambda now: now.name == spec.name)

    def _change(self, doing: str, spec: vim.vm.ConfigSpec, op: Operation, is_done: Callable[[Machine], bool]) -> None:
        """Make a change to the version that is there, so that a request which was thought lost cannot make it twice."""
        for attempt in range(1, ATTEMPTS + 1):
            now = machine(self._site.connection, self._vm._moId, op)
            if now is None:
                raise NotThere(f"{doing}: it was removed meanwhile", self._vm._moId)
            if attempt > 1 and is_done(now):
                return
            spec.changeVersion = now.version or None
            try:
                self._site.tasks.run(doing, partial(self._vm.ReconfigVM_Task, spec), op, on=self._vm)
                return
            except (ChangedMeanwhile, ConnectionLost):
                if attempt == ATTEMPTS:
                    raise
                op.checkpoint()

    def end(self) -> None:
        """Renew no more; what the record says stays. Idempotent."""
        self._ended.set()

    def _renew(self) -> None:
        while not self._ended.wait(LEASE / 3):
            with suppress(VirtError):  # a server that is away now may be back in time
                self._renew_once()

    def _renew_once(self) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            self.record = self.record.changed(lease_until=time.time() + LEASE)
            spec = vim.vm.ConfigSpec(extraConfig=[option(KEY, self.record.encode())])
            doing = f"renew the lease on guest {self.record.record.uuid}"
            self._change(doing, spec, Unstoppable(LEASE / 3), lambda now: now.record == self.record)


def option(key: str, value: str) -> Any:
    """One pair of ``extraConfig``; an empty value removes the key."""
    return vim.option.OptionValue(key=key, value=value)
