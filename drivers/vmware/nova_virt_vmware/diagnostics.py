"""The role Diagnostics: a virtual machine's counters, and what vCenter finds wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyVmomi import vim

from nova_virt_api.driver.diagnostics import Diagnostics
from nova_virt_api.model.diagnostics import Diagnosis, Incident
from nova_virt_vmware.errors import shown
from nova_virt_vmware.property_collector import look_at
from nova_virt_vmware.site import OnSite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nova_virt_api.model.identity import InstanceRef

UPTIME: Final = "summary.quickStats.uptimeSeconds"
MEMORY: Final = "summary.quickStats.hostMemoryUsage"
ISSUES: Final = "configIssue"
PATHS: Final = (UPTIME, MEMORY, ISSUES)
MEBIBYTE: Final = 1024**2


class VmwareDiagnostics(OnSite, Diagnostics):
    """Two requests: the guest, and its virtual machine's quick statistics, which a host renews every few seconds."""

    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        found = self.site.guests.find(guest)
        instance = self.site.guests.instance(guest, fresh=True)
        read = look_at(self.site.connection, vim.VirtualMachine, [found.row.moref], PATHS)
        values: Mapping[str, Any] = next((values for _, values in read), {})
        memory = values.get(MEMORY)
        return Diagnosis(
            health=instance.health,
            native_state=instance.native_state,
            uptime_seconds=values.get(UPTIME) or None,
            memory_used_bytes=memory * MEBIBYTE if memory is not None else None,
            incidents=incidents(values.get(ISSUES) or ()),
        )


def incidents(issues: Sequence[vim.event.Event]) -> tuple[Incident, ...]:
    """What vCenter finds wrong with a virtual machine's configuration, the latest first."""
    found = [
        Incident(
            at=issue.createdTime.timestamp(),
            kind=type(issue).__name__.rpartition(".")[2],
            message=shown(issue.fullFormattedMessage or ""),
            error=True,
        )
        for issue in issues
    ]
    return tuple(sorted(found, key=lambda incident: incident.at, reverse=True))
