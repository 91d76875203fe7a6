"""Stopping and continuing a guest's CPUs."""

from nova_virt_api.driver.operation import Operation
from nova_virt_api.driver.pause import Pause
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.verbs import OnDomains


class LibvirtPause(OnDomains, Pause):
    """The role Pause."""

    def pause(self, guest: InstanceRef, op: Operation) -> None:
        domain = self.domains.owned(guest)
        if domain.require(PowerState.RUNNING, PowerState.PAUSED) is PowerState.RUNNING:
            with translated("pause the guest"):
                domain.native.suspend()  # returns once the vCPUs are stopped

    def unpause(self, guest: InstanceRef, op: Operation) -> None:
        domain = self.domains.owned(guest)
        if domain.require(PowerState.PAUSED, PowerState.RUNNING) is PowerState.PAUSED:
            with translated("unpause the guest"):
                domain.native.resume()
