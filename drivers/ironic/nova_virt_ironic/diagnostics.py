"""The role Diagnostics: what Ironic knows of a machine's health, and the history of its node with causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_virt_api.driver.diagnostics import Diagnostics
from nova_virt_api.model.diagnostics import Diagnosis, Incident
from nova_virt_ironic.errors import cleaned
from nova_virt_ironic.history import History, seconds_of
from nova_virt_ironic.provision_states import health_of
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_ironic.node import NodeRow


class IronicDiagnostics(OnSite, Diagnostics):
    """Two requests: the node, and its history.

    Sensors are empty: Ironic hands readings to its own exporters of metrics and offers no request for them.
    """

    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        row = self.site.guests.find(guest).row
        return Diagnosis(
            health=health_of(row),
            native_state=row.provision_state,
            incidents=with_last_error(row, History(self.site.connection).incidents(row.uuid)),
        )


def with_last_error(row: NodeRow, incidents: Sequence[Incident]) -> tuple[Incident, ...]:
    """What happened, with the node's ``last_error`` first unless the history tells it already."""
    if not row.last_error:
        return tuple(incidents)
    message = cleaned(row.last_error)
    if any(incident.message == message for incident in incidents):
        return tuple(incidents)
    at = seconds_of(row.provision_updated_at) or 0.0
    return (Incident(at=at, kind=row.provision_state, message=message, error=True), *incidents)
