"""The virtual CPUs of a guest that runs: libvirt adds them at once, a guest's system gives them back if it wants."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.capability import Feature
from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import InvalidSpec, NotSupported, StateAfter, Timeout, VirtError
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.letting_go import LET_GO_SECONDS, is_asked, lets_go
from nova_virt_libvirt.machine.spare_cpus import Vcpus, vcpus_of
from nova_virt_libvirt.native_call import in_time, is_left_behind

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation

LIVE: Final[int] = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG: Final[int] = libvirt.VIR_DOMAIN_AFFECT_CONFIG
HINT: Final = (
    "a guest's system gives back CPUs that ACPI asks for, once it has started; stop the guest, then resize() it"
)
NO_WORD: Final = "QEMU without KVM does not tell when a virtual CPU is gone; stop the guest, then resize() it"
"""Its TCG keeps a reference to each CPU (7.2), so the event that libvirt waits for never comes."""


def tells_of_removal(definition: Any) -> bool:
    """Whether libvirt hears that a virtual CPU of this guest is gone."""
    return bool(definition.get("type") == "kvm")


class LiveVcpus:
    """One guest that is to have another number of virtual CPUs. Nothing is changed before :meth:`change`.

    Args:
        native: the ``virDomain``, which runs.
        wanted: how many it is to have.
        op: the operation worked for.

    Raises:
        InvalidSpec: it cannot have so many, or so few.
        NotSupported: none can be taken away.
    """

    def __init__(self, native: Any, wanted: int, op: Operation) -> None:
        self._native = native
        self._wanted = wanted
        self._op = op
        definition = self._definition(0)
        there = vcpus_of(definition)
        if not min(there.least, there.count) <= wanted <= there.most:
            raise InvalidSpec("size.vcpus", wanted, f"{there.least} to {there.most}, the guest's max_vcpus")
        if wanted < there.count and not tells_of_removal(definition):
            raise NotSupported(Feature.LIVE_VCPUS_REMOVAL, "size.vcpus", NO_WORD)

    def change(self) -> None:
        """Add them, or take them away; in the end what the guest is started with agrees with what it has.

        Raises:
            Timeout: the guest did not give them all back; it may still do so.
            NoCapacity: the host has not as many.
        """
        self._op.stage("change the guest's virtual CPUs", CancelMode.NONE)
        before = self._there(0).count
        try:
            if self._wanted > before:
                in_time(partial(self._set, self._wanted, LIVE), self._op)
            elif self._wanted < before:
                self._take_away()
        except VirtError as error:
            if is_left_behind(error):
                raise
            if isinstance(error, Timeout):
                error.hint = HINT
            with suppress(VirtError):  # then the next call does it
                self._agree()
                if self._wanted > before:  # else the guest may still give them back
                    grown = self._there(0).count != before
                    error.state_after = StateAfter.CHANGED if grown else StateAfter.UNCHANGED
            raise
        self._agree()

    def _take_away(self) -> None:
        asking = partial(in_time, self._ask, self._op)
        if lets_go(lambda: self._there(0).count > self._wanted, asking, self._op, paused=False):
            return
        left = self._there(0).count
        message = f"the guest did not give back virtual CPUs within {LET_GO_SECONDS:g} s: it has {left}"
        raise Timeout("change the guest's virtual CPUs", message)

    def _ask(self) -> None:
        """Ask for all of them, one after the other; libvirt waits some seconds for the guest."""
        try:
            self._native.setVcpusFlags(self._wanted, LIVE)
        except libvirt.libvirtError as error:
            late = error.get_error_code() == libvirt.VIR_ERR_OPERATION_TIMEOUT
            if not late and not is_asked(error):
                with translated("take virtual CPUs away from the guest"):
                    raise

    def _agree(self) -> None:
        """Write down what it is started with."""
        count = self._there(0).count
        if self._there(libvirt.VIR_DOMAIN_XML_INACTIVE).count != count:
            self._set(count, CONFIG | libvirt.VIR_DOMAIN_VCPU_HOTPLUGGABLE)

    def _set(self, count: int, flags: int) -> None:
        with translated("change the guest's virtual CPUs"):
            self._native.setVcpusFlags(count, flags)

    def _there(self, flags: int) -> Vcpus:
        return vcpus_of(self._definition(flags))

    def _definition(self, flags: int) -> Any:
        with translated("look at the guest's virtual CPUs"):
            return etree.fromstring(self._native.XMLDesc(flags), PARSER)
