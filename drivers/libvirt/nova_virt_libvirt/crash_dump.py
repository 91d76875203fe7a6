"""Interrupting a guest's kernel."""

from nova_virt_api.driver.crash_dump import CrashDump
from nova_virt_api.driver.operation import CancelMode, Operation
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.verbs import OnDomains


class LibvirtCrashDump(OnDomains, CrashDump):
    """The role CrashDump."""

    def trigger_crash_dump(self, guest: InstanceRef, op: Operation) -> None:
        domain = self.domains.owned(guest)
        domain.require(PowerState.RUNNING)
        op.stage("interrupt the guest", CancelMode.NONE)
        with translated("send the guest a non-maskable interrupt"):
            domain.native.injectNMI(0)  # virDomainInjectNMI
