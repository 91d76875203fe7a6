"""A closer look at guests, in Nova's old form and its new one."""

from __future__ import annotations

from typing import Any, Final

from nova import objects
from nova.compute import power_state
from nova.objects import fields
from nova.virt import configdrive

from nova_virt_bridge.errors import GUEST, nova_errors
from nova_virt_bridge.site import Bridged, guest

NANOSECONDS: Final = 10**9
DRIVERS: Final = {
    "libvirt": fields.HypervisorDriver.LIBVIRT,
    "vmware": fields.HypervisorDriver.VMWAREAPI,
    "xenserver": fields.HypervisorDriver.XENAPI,
    "ironic": fields.HypervisorDriver.IRONIC,
}
"""Nova's closed list of drivers, by ours. One that Nova does not know is told as libvirt, as no other means: any."""


class Diagnostics(Bridged):
    """Nova's methods that look closer at a guest."""

    def get_diagnostics(self, instance: Any) -> dict[str, Any]:
        """Numbers under names as Nova's libvirt driver gives them; what is not known is left out."""
        with nova_errors(GUEST, instance):
            told = self.compute.diagnostics(guest(instance))
            seen = self.compute.instance(guest(instance))
        found: dict[str, Any] = {"memory": seen.memory_bytes // 1024, "state": told.native_state or seen.native_state}
        known = {
            "cpu0_time": None if told.cpu_seconds is None else int(told.cpu_seconds * NANOSECONDS),
            "memory-rss": None if told.memory_used_bytes is None else told.memory_used_bytes // 1024,
            "uptime": None if told.uptime_seconds is None else int(told.uptime_seconds),
        }
        found |= {name: value for name, value in known.items() if value is not None}
        return found | {f"sensor_{sensor.name}": sensor.value for sensor in told.sensors if sensor.value is not None}

    def get_instance_diagnostics(self, instance: Any) -> Any:
        with nova_errors(GUEST, instance):
            told = self.compute.diagnostics(guest(instance))
            seen = self.compute.instance(guest(instance))
            backend = self.compute.capabilities().backend
        found = objects.diagnostics.Diagnostics(
            state=power_state.STATE_MAP[seen.power_state.code],
            driver=DRIVERS.get(self.site.driver, fields.HypervisorDriver.LIBVIRT),
            hypervisor=backend.lower(),
            hypervisor_os=None,
            uptime=None if told.uptime_seconds is None else int(told.uptime_seconds),
            config_drive=configdrive.required_by(instance),
        )
        found.memory_details = objects.diagnostics.MemoryDiagnostics(
            maximum=seen.memory_bytes // 1024**2,
            used=None if told.memory_used_bytes is None else told.memory_used_bytes // 1024**2,
        )
        if told.cpu_seconds is not None:
            found.add_cpu(id=0, time=int(told.cpu_seconds * NANOSECONDS))
        return found
