"""Starting and stopping guests, their CPUs, their memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import nova.conf
from nova.compute import power_state, task_states, vm_states
from nova.objects import external_event

import nova_virt_api as virt
from nova_virt_bridge.errors import GUEST, STOP, nova_errors
from nova_virt_bridge.shares import match_shares
from nova_virt_bridge.site import Bridged, guest
from nova_virt_bridge.volumes_at_start import attach_missing

if TYPE_CHECKING:
    from nova_virt_bridge.site import Site

CONF = nova.conf.CONF
SOFT: Final = "SOFT"
STOPPED: Final = (virt.PowerState.SHUTDOWN, virt.PowerState.CRASHED)
SWITCHED: Final = {
    external_event.POWER_ON: (power_state.RUNNING, vm_states.ACTIVE, task_states.POWERING_ON),
    external_event.POWER_OFF: (power_state.SHUTDOWN, vm_states.STOPPED, task_states.POWERING_OFF),
}
"""What Nova's database says of a machine that was switched past Nova, and the task that Nova makes of it."""


class Power(Bridged):
    """Nova's methods that change a guest's power state."""

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        """A ``timeout`` of 0 takes the power away. How often a guest is reminded meanwhile is up to the endpoint."""
        with nova_errors(STOP, instance):
            self.compute.power_off(
                guest(instance),
                mode=mode(self.site, graceful=timeout > 0),
                grace_seconds=timeout,
                timeout=self.site.verb_timeout + timeout,
            )

    def power_on(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        """With the volumes and shares that Nova has for the guest, should it miss one."""
        with nova_errors(GUEST, instance):
            attach_missing(self.site, context, instance, block_device_info)
            match_shares(self.site, instance, share_info)
            self.compute.power_on(guest(instance), timeout=self.site.verb_timeout)

    def reboot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        reboot_type: str,
        block_device_info: Any = None,
        bad_volumes_callback: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        """A hard reboot of a suspended guest gives its saved memory up, as Nova allows it to."""
        with nova_errors(GUEST, instance):
            uuid = guest(instance)
            soft = reboot_type == SOFT
            if not soft and self.compute.instance(uuid, fresh=True).power_state is virt.PowerState.SUSPENDED:
                self.compute.resume(uuid, timeout=self.site.verb_timeout)
            if not soft:
                attach_missing(self.site, context, instance, block_device_info)
                match_shares(self.site, instance, share_info)
            grace = CONF.shutdown_timeout if soft else 0
            self.compute.reboot(
                uuid,
                mode=mode(self.site, graceful=soft),
                grace_seconds=grace,
                timeout=self.site.verb_timeout + grace,
            )

    def power_update_event(self, instance: Any, target_power_state: str) -> None:
        """Ironic has switched the machine already and tells Nova, which leaves it to the driver to write that down."""
        instance.power_state, instance.vm_state, expected = SWITCHED[target_power_state]
        instance.task_state = None
        instance.save(expected_task_state=expected)

    def pause(self, instance: Any) -> None:
        with nova_errors(GUEST, instance):
            self.compute.pause(guest(instance), timeout=self.site.verb_timeout)

    def unpause(self, instance: Any) -> None:
        with nova_errors(GUEST, instance):
            self.compute.unpause(guest(instance), timeout=self.site.verb_timeout)

    def suspend(self, context: Any, instance: Any) -> None:
        with nova_errors(GUEST, instance):
            self.compute.suspend(guest(instance), timeout=self.site.verb_timeout)

    def resume(
        self, context: Any, instance: Any, network_info: Any, block_device_info: Any = None, share_info: Any = None
    ) -> None:
        with nova_errors(GUEST, instance):
            self.compute.resume(guest(instance), timeout=self.site.verb_timeout)

    def resume_state_on_host_boot(
        self, context: Any, instance: Any, network_info: Any, share_info: Any, block_device_info: Any = None
    ) -> None:
        """A guest that is off runs again; one that runs, is paused or suspended is left alone."""
        with nova_errors(GUEST, instance):
            uuid = guest(instance)
            if self.compute.instance(uuid, fresh=True).power_state in STOPPED:
                attach_missing(self.site, context, instance, block_device_info)
                match_shares(self.site, instance, share_info)
                self.compute.power_on(uuid, timeout=self.site.verb_timeout)


def mode(site: Site, *, graceful: bool) -> virt.PowerOff:
    """How to stop a guest; one that cannot be asked loses its power, as Nova would have it in the end."""
    if graceful and site.has(virt.Feature.GRACEFUL_POWER_OFF):
        return virt.PowerOff.GRACEFUL
    return virt.PowerOff.HARD
