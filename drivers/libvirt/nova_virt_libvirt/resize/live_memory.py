"""The memory of a guest that runs: its system takes and gives back what is asked of it, piece by piece."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import Cancelled, InvalidSpec, StateAfter, Timeout, VirtError
from nova_virt_libvirt.definition import PARSER, size_of
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.machine.plugged_memory import PluggedMemory, idle_bytes, plugged_memory
from nova_virt_libvirt.native_call import in_time, is_left_behind

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation

STANDSTILL_SECONDS: Final = 20.0
"""After so long without a single piece a guest's system counts as unwilling; it takes or gives hundreds a second."""

HINT: Final = (
    "its system needs the driver virtio_mem, and has to bring new memory online by itself "
    "(Linux: memhp_default_state=online_movable); it keeps memory that it cannot free"
)


class LiveMemory:
    """One guest that is to have another amount of memory. Nothing is changed before :meth:`change`.

    Args:
        native: the ``virDomain``, which runs.
        wanted: bytes that it is to have.
        op: the operation worked for.

    Raises:
        InvalidSpec: it cannot have so much, or so little.
    """

    def __init__(self, native: Any, wanted: int, op: Operation) -> None:
        self._native = native
        self._op = op
        self._wanted = wanted
        live = self._definition(0)
        found, total = plugged_memory(live), size_of(live.find("memory"))
        self._there = total - idle_bytes(live)
        self._least = total if found is None else total - found.size_bytes
        if found is None:
            if wanted != self._there:
                allowed = f"{self._there}, which it has: it was made without max_memory_bytes"
                raise InvalidSpec("size.memory_bytes", wanted, allowed)
            return
        if not self._least <= wanted <= total or (wanted - self._least) % found.block_bytes:
            allowed = f"{self._least} and more, up to {total}, in steps of {found.block_bytes}"
            raise InvalidSpec("size.memory_bytes", wanted, allowed)

    def change(self) -> bool:
        """Give the memory, or take it; return whether it has another size now.

        Raises:
            Timeout: the guest does not take it, or not give it back. It has what it had.
            Cancelled: somebody asked to. It has what it had.
            NoCapacity: the host has not as much.
        """
        found = plugged_memory(self._definition(0))
        if found is None:
            return False
        wanted, before = self._wanted - self._least, found.requested_bytes
        try:
            self._op.stage("resize the guest's memory", CancelMode.IMMEDIATE)
            in_time(partial(self._request, wanted), self._op)
            self._await(wanted)
        except (Timeout, Cancelled) as error:
            if is_left_behind(error):
                raise
            self._op.stage("give the memory back", CancelMode.NONE)
            with suppress(VirtError):  # then the next call does it
                self._request(before)
                error.state_after = StateAfter.UNCHANGED
            raise
        return wanted != before

    def _request(self, size_bytes: int) -> None:
        """Ask the guest that runs, then write down what it is started with."""
        for flag, inactive in (
            (libvirt.VIR_DOMAIN_AFFECT_LIVE, 0),
            (libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_XML_INACTIVE),
        ):
            device = plugged_memory(self._definition(inactive))  # in each of its own: libvirt compares all of it
            if device is not None and device.requested_bytes != size_bytes:
                with translated("change the guest's memory"):
                    self._native.updateDeviceFlags(device.request(size_bytes), flag)

    def _await(self, size_bytes: int) -> None:
        used, since = -1, time.monotonic()

        def arrived() -> bool:
            nonlocal used, since
            found = plugged_memory(self._definition(0))
            now = size_bytes if found is None or found.used_bytes is None else found.used_bytes
            if now != used:
                used, since = now, time.monotonic()
            if now != size_bytes and time.monotonic() - since > STANDSTILL_SECONDS:
                raise self._unwilling(found, size_bytes)
            return now == size_bytes

        self._op.wait_until(arrived)

    def _unwilling(self, found: PluggedMemory | None, size_bytes: int) -> Timeout:
        used = 0 if found is None else found.used_bytes or 0
        does = "take" if size_bytes > used else "give back"
        message = f"the guest did not {does} memory: it uses {self._least + used} bytes, {self._wanted} were asked for"
        return Timeout("resize the guest's memory", message, hint=HINT)

    def _definition(self, flags: int) -> Any:
        with translated("look at the guest's memory"):
            return etree.fromstring(self._native.XMLDesc(flags), PARSER)
