"""Another number of virtual CPUs and another amount of memory for a guest that runs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nova_virt_api.driver.resize import Resize
from nova_virt_api.errors import InvalidState, StateAfter, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.native_call import is_left_behind
from nova_virt_libvirt.resize.live_memory import LiveMemory
from nova_virt_libvirt.resize.live_vcpus import LiveVcpus
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.size import Size
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.site import Site


class LibvirtLiveResize(OnDomains, Resize):
    """The verb ``resize_live``. Repeating it brings an interrupted one to its end: it does what is not as asked."""

    site: Site

    def resize_live(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        domain = self.domains.owned(guest)
        with claimed(self.site, domain, op):
            domain = self.domains.owned(guest)  # whoever had the claim before may have made another guest of it
            if (state := domain.power_state) is not PowerState.RUNNING:
                raise InvalidState(state, (PowerState.RUNNING,), hint="resize() is for guests that are stopped")
            try:
                change(domain, size, op)
            except VirtError as error:
                if error.state_after is not StateAfter.UNCHANGED and not is_left_behind(error):
                    tell(domain)
                raise
            finally:
                self.domains.forget(guest.uuid)
            tell(domain)
        return self.domains.instance(guest, fresh=True)


def change(domain: Domain, size: Size, op: Operation) -> None:
    """Give the guest what it does not have yet, and take what it has too much."""
    native = domain.native
    memory = None if size.memory_bytes is None else LiveMemory(native, size.memory_bytes, op)
    vcpus = None if size.vcpus is None else LiveVcpus(native, size.vcpus, op)
    changed = memory.change() if memory is not None else False
    try:
        if vcpus is not None:
            vcpus.change()
    except VirtError as error:
        if changed and error.state_after is StateAfter.UNCHANGED:
            error.state_after = StateAfter.CHANGED
        raise


def tell(domain: Domain) -> None:
    """Let other connections know: libvirt has no event for this, but one for a mark that is written.

    What goes wrong with that is told to nobody: the guest has its size, or whoever asked for it is told why not.
    """
    with suppress(VirtError), translated("write the guest's mark"):
        native = domain.native
        mark = read_mark(native)
        if mark is not None:
            write_mark(native, mark)
