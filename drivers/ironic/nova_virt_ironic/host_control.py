"""The role HostControl: Ironic's maintenance mode (API reference: "Set Maintenance Flag")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.host_control import HostControl
from nova_virt_api.errors import PermissionDenied
from nova_virt_api.model.check import check_text
from nova_virt_ironic.instances import guest_on
from nova_virt_ironic.inventory import pick
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.retry import Again
from nova_virt_ironic.site import OnSite

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironicclient.v1.client import Client

    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.node import NodeRow

LONGEST_REASON = 1024


class IronicHostControl(OnSite, HostControl):
    """Takes nodes out of use. Ironic refuses to deploy, rebuild or rescue a node in maintenance; its power works."""

    def enter_maintenance(self, node: str, reason: str, op: Operation) -> None:
        check_text("reason", reason, LONGEST_REASON)
        row = self._node_to_control(node)
        self._refuse_guest_of_others(row)
        if row.maintenance and (row.maintenance_reason or "") == reason:
            return
        self._set_maintenance(
            row, "take out of use", lambda client: client.node.set_maintenance(row.uuid, True, reason), op
        )

    def leave_maintenance(self, node: str, op: Operation) -> None:
        row = self._node_to_control(node)
        if not row.maintenance:
            return
        self._set_maintenance(row, "take into use", lambda client: client.node.set_maintenance(row.uuid, False), op)

    def _node_to_control(self, node: str) -> NodeRow:
        return pick(self.site.listing.snapshot(fresh=True).rows.values(), node)

    def _refuse_guest_of_others(self, row: NodeRow) -> None:
        """Refuse a node that carries somebody else's guest, whose verbs Ironic would refuse from then on.

        Raises:
            PermissionDenied: it does.
        """
        guest = guest_on(row)
        endpoint = self.site.endpoint
        if guest is not None and endpoint.manage is not Manage.ALL and guest.owner != endpoint.owner:
            whose = f"of {guest.owner!r}" if guest.owner is not None else "of other making"
            raise PermissionDenied(
                f"node {row.label} carries the guest {guest.name} ({guest.uuid}) {whose}",
                hint="connect(manage='all') to do it all the same",
            )

    def _set_maintenance(self, row: NodeRow, doing: str, request: Callable[[Client], Any], op: Operation) -> None:
        self.site.connection.change(
            f"{doing} node {row.label}", request, at=Call.MAINTENANCE, op=op, again=Again.ALWAYS
        )
