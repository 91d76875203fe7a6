"""Taking a guest off its node, from whatever provision state: a claim is given back, a machine is undeployed.

Ironic itself clears ``instance_uuid``, ``instance_info`` and the VIFs when it has undeployed a node, and cleans it
afterwards: then the guest is gone already, and the node not yet to be had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import BackendError, StateAfter, VirtError
from nova_virt_api.model.instance import PowerState
from nova_virt_ironic import vifs, volume_targets
from nova_virt_ironic.claim import Claims
from nova_virt_ironic.console import switch_off
from nova_virt_ironic.effect import bring_about
from nova_virt_ironic.errors import Refused
from nova_virt_ironic.history import History
from nova_virt_ironic.instances import guest_on
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.power import OFF, switch
from nova_virt_ironic.provision_states import meaning_of, power_state_of

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

UNDEPLOYABLE: Final = frozenset(
    {
        "active",
        "wait call-back",
        "deploy failed",
        "error",
        "rescue",
        "rescue wait",
        "rescue failed",
        "unrescue failed",
        "service failed",
        "service wait",
    }
)
"""States out of which Ironic's verb ``deleted`` leads (its state machine, event ``delete``)."""

DELETING: Final = "deleting"
ON_HOLD: Final = frozenset({"deploy hold", "service hold"})
"""States out of which only ``abort`` and ``unhold`` lead."""

NEVER_DEPLOYED: Final = frozenset({"available", "manageable", "enroll", "inspect failed", "clean failed", "clean hold"})
"""Stable states of nodes on which nothing is deployed: a claim on them is only taken back."""

ADOPT_FAILED: Final = "adopt failed"
"""Nothing was deployed, though Ironic was told that something was."""

ATTEMPTS: Final = 2
"""Times that an undeployment is tried that ends in ``error``."""


class Removal:
    """The removal of one guest from one node. Every step may be repeated, by this process or another.

    Args:
        site: the endpoint.
        guest: the guest.
        op: the operation worked for.
    """

    def __init__(self, site: Site, guest: UUID, op: Operation) -> None:
        self._site = site
        self._guest = guest
        self._op = op
        self._undeployments = 0

    def run(self, row: NodeRow) -> None:
        """Return once the guest is not on the node any more.

        Raises:
            BackendError: Ironic could not undeploy or clean the node; says why.
            StorageError: a volume could not be disconnected.
            NetworkError: a VIF could not be disconnected.
        """
        first = row
        now: NodeRow | None = row
        while now is not None and self._is_there(now):
            self._step(now)
            now = self._site.listing.node(row.uuid, self._op)
        if now is not None:
            self._see_to(now, first)

    def _is_there(self, row: NodeRow) -> bool:
        there = guest_on(row)
        return there is not None and there.uuid == self._guest

    def _step(self, row: NodeRow) -> None:
        """The next step that this provision state allows."""
        state = row.provision_state
        if state in NEVER_DEPLOYED:
            self._give_back(row)
        elif state in UNDEPLOYABLE:
            self._undeploy(row)
        elif state in ON_HOLD:
            self._provision(row, "abort", Call.ABORT_DEPLOY if state == "deploy hold" else Call.SERVICE)
            self._wait_past(row)
        elif state == ADOPT_FAILED:
            self._provision(row, "manage", Call.PROVIDE)
            self._wait_past(row)
        else:
            self._wait_past(row)

    def _give_back(self, row: NodeRow) -> None:
        switch_off(self._site, row, self._op)
        for vif in vifs.attached(self._site.connection, row, self._op):
            vifs.detach(self._site.connection, row, vif, self._op)
        self._disconnect_volumes(row)
        Claims(self._site).give_back(row, self._op)

    def _undeploy(self, row: NodeRow) -> None:
        if self._undeployments == ATTEMPTS:
            raise self._failure(row, row, "undeploy")
        self._undeployments += 1
        switch_off(self._site, row, self._op)
        self._disconnect_volumes(row)
        self._provision(row, "deleted", Call.UNDEPLOY)
        self._wait_past(row)

    def _disconnect_volumes(self, row: NodeRow) -> None:
        """Remove the volume targets, for which the machine has to be off; the record comes last."""
        connection = self._site.connection
        if not connection.serves(Call.VOLUMES):
            return
        ours = [one for one in volume_targets.targets(connection, self._op, row) if one.guest == self._guest]
        if ours and power_state_of(row) is not PowerState.SHUTDOWN:
            switch(self._site, row, OFF, self._op)
        for target in ours:
            volume_targets.remove(connection, row, target, self._op)

    def _provision(self, row: NodeRow, verb: str, call: Call) -> None:
        """Ask for another provision state; that Ironic refuses since the state has changed meanwhile does no harm."""

        def has_changed() -> bool:
            now = self._site.listing.node(row.uuid, self._op)
            return now is None or stamp(now) != stamp(row)

        def ask() -> None:
            self._site.connection.change(
                f"{verb} node {row.label}",
                lambda client: client.node.set_provision_state(row.uuid, verb),
                at=call,
                op=self._op,
            )

        try:
            bring_about(ask, has_changed, self._op)
        except Refused as error:
            if not has_changed():
                raise BackendError(error.message, hint=self._advice(row), state_after=error.state_after) from error

    def _wait_past(self, row: NodeRow) -> None:
        """Wait until the node is in another state, or the guest is gone."""

        def is_past(now: NodeRow | None) -> bool:
            return now is None or not self._is_there(now) or stamp(now) != stamp(row)

        self._site.watcher.wait(self._op, row.uuid, is_past)

    # --- the end --------------------------------------------------------------------------------------------------

    def _see_to(self, row: NodeRow, first: NodeRow) -> None:
        """Tell what went wrong although the guest is gone.

        Ironic clears the node's ``instance_uuid`` also when it fails to undeploy it: then the machine may still run
        what was deployed.
        """
        row = self._let_go(row)
        while row.provision_state == "error" and row.instance_uuid is None and self._undeployments:
            if self._undeployments == ATTEMPTS:
                raise self._failure(row, first, "undeploy")
            self._undeployments += 1
            self._provision(row, "deleted", Call.UNDEPLOY)
            row = self._let_go(self._site.listing.node(row.uuid, self._op) or row)
        if row.provision_state == "clean failed" and row.instance_uuid is None:
            raise self._failure(row, first, "clean")

    def _let_go(self, row: NodeRow) -> NodeRow:
        """The node once Ironic has undeployed it: the claim goes a moment before."""

        def is_let_go(now: NodeRow | None) -> bool:
            return now is None or now.provision_state != DELETING or now.instance_uuid is not None

        if is_let_go(row):
            return row
        self._site.watcher.wait(self._op, row.uuid, is_let_go)
        return self._site.listing.node(row.uuid, self._op) or row

    def _failure(self, row: NodeRow, since: NodeRow, what: str) -> VirtError:
        cause = History(self._site.connection).cause(row, since, self._op)
        gone = "the guest is gone, its node is not to be had" if what == "clean" else "the machine may still run"
        return BackendError(
            f"node {row.label} ended as {row.provision_state!r}, {gone}" + (f": {cause}" if cause else ""),
            hint=f"see to the node, then {what} it anew"
            if what == "undeploy"
            else "see to the node, then make it available",
            state_after=StateAfter.CHANGED,
        )

    def _advice(self, row: NodeRow) -> str:
        if row.maintenance:
            return f"node {row.label} is in maintenance; take it out: openstack baremetal node maintenance unset"
        return f"node {row.label} is {row.provision_state}" if not meaning_of(row).stable else ""


def stamp(row: NodeRow) -> tuple[str, str | None]:
    """What differs once a node's provision state has changed, also if it is the same again."""
    return row.provision_state, row.provision_updated_at
