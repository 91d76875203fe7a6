"""What happened to a node, as Ironic wrote it down (API reference: "Node history", API version 1.78)."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.model.diagnostics import Incident
from nova_virt_ironic.errors import NotThere, cleaned
from nova_virt_ironic.microversions import Call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.connection import Connection
    from nova_virt_ironic.node import NodeRow

MOST: Final = 100
"""Events that are read; Ironic itself keeps some hundred of a node."""

ERROR: Final = "ERROR"


class History:
    """Reads the histories of nodes.

    Args:
        connection: where it asks.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def incidents(self, node_uuid: str, op: Operation | None = None) -> Sequence[Incident]:
        """What happened to a node, the latest first. One request; nothing where Ironic is too old or has forgotten."""
        if not self._connection.serves(Call.HISTORY):
            return ()
        query = f"detail=True&sort_key=created_at&sort_dir=desc&limit={MOST}"
        path = f"/v1/nodes/{node_uuid}/history?{query}"
        try:
            _, body = self._connection.read(
                f"read the history of node {node_uuid}",
                lambda client: client.http_client.json_request("GET", path),
                at=Call.HISTORY,
                op=op,
            )
        except NotThere:
            return ()
        events = body.get("history", ()) if isinstance(body, dict) else ()
        return tuple(incident(event) for event in events)

    def cause(self, row: NodeRow, since: NodeRow, op: Operation | None = None) -> str:
        """Why a node came into the state that it is in, one line; empty when nobody knows.

        Ironic empties ``last_error`` when the next thing begins, e.g. a look at the power state; the history keeps it.

        Args:
            row: the node as it is now.
            since: the node before what failed was asked for; older errors do not count.
            op: the operation worked for.
        """
        if row.last_error:
            return cleaned(row.last_error)
        began = seconds_of(since.provision_updated_at) or -math.inf
        errors = (event for event in self.incidents(row.uuid, op) if event.error and event.at > began)
        return next((event.message for event in errors), "")


def incident(event: Mapping[str, Any]) -> Incident:
    """An event of the history."""
    return Incident(
        at=seconds_of(event.get("created_at")) or 0.0,
        kind=str(event.get("event_type") or "").lower(),
        message=cleaned(str(event.get("event") or "")),
        error=event.get("severity") == ERROR,
    )


def seconds_of(text: str | None) -> float | None:
    """A time of Ironic's, ISO 8601, in seconds since the epoch; None when there is none."""
    return datetime.fromisoformat(text).timestamp() if text else None
