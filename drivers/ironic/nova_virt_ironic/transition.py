"""Asking a node for another provision state, and waiting until it is there or somewhere else for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import BackendError, ConnectionLost, InstanceNotFound, StateAfter
from nova_virt_api.toolkit.committed import Committed
from nova_virt_ironic.history import History
from nova_virt_ironic.provision_states import meaning_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from nova_virt_api.driver.operation import Operation, Stage
    from nova_virt_ironic.microversions import Call
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

ATTEMPTS: Final = 3
"""Times that a request is sent whose connection broke, each after a look that shows that it was not heard."""

HOLDS: Final = frozenset({"deploy hold", "service hold"})
"""Where a step of the operator's own lets a node wait for somebody who says ``unhold``."""

IN_HAND: Final = frozenset({"deploying", "servicing", "rescuing", "unrescuing"})
"""Provision states in which a conductor is at work, and holds the node's lock."""

HINTS: Final = {
    "servicing": "Ironic gave up without saying so; restart the conductor, which makes it 'service failed'",
    "service failed": "look at the cause, then run the service anew, or abort it: openstack baremetal node abort",
    "rescue failed": "look at the cause, then rescue or unrescue it anew, or destroy it",
    "unrescue failed": "look at the cause, then unrescue it anew, or destroy it",
    "deploy failed": "look at the cause, then rebuild it anew, or destroy it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One way from one provision state to another (API reference: "Change Node Provision State").

    Args:
        target: the verb that Ironic is given.
        call: the version that it needs.
        stage: what people call it while it is under way.
        arrives: the provision states in which it has succeeded.
        under_way: those that it passes through.
    """

    target: str
    call: Call
    stage: Stage | str
    arrives: Collection[str]
    under_way: Collection[str]


class Transitions:
    """Takes nodes from one provision state to another.

    Once Ironic has begun it cannot be told to take it back: a request to cancel comes too late, and at the deadline the
    operation goes on until Ironic is done.

    Args:
        site: the endpoint.
    """

    def __init__(self, site: Site) -> None:
        self._connection = site.connection
        self._listing = site.listing
        self._watcher = site.watcher
        self._history = History(site.connection)

    def make(self, row: NodeRow, transition: Transition, op: Operation, **arguments: Any) -> NodeRow:
        """Ask for a transition and return the node once it has arrived; one that is under way already is awaited.

        Args:
            row: the node as it is now.
            transition: where it is to go.
            op: the operation worked for.
            **arguments: of the client's ``node.set_provision_state``.

        Raises:
            BackendError: the node ended in another state; the message tells the cause as far as Ironic does.
            InstanceNotFound: the node is gone.
        """
        op.stage(transition.stage, CancelMode.AT_NEXT_STEP)
        if row.provision_state not in transition.under_way:
            self._ask(row, transition, op, arguments)
        op.stage(transition.stage, CancelMode.NONE)
        rest = Committed(op)

        def arrived(now: NodeRow | None) -> bool:
            if now is None:
                raise InstanceNotFound(f"node {row.label} is gone", state_after=StateAfter.CHANGED)
            return has_settled(now)

        now = self._watcher.wait(rest, row.uuid, arrived)
        if now is None or now.provision_state not in transition.arrives:
            raise self._failure(now or row, row, transition, rest)
        return now

    def _ask(self, row: NodeRow, transition: Transition, op: Operation, arguments: dict[str, Any]) -> None:
        doing = f"{transition.target} node {row.label}"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._connection.change(
                    doing,
                    lambda client: client.node.set_provision_state(row.uuid, transition.target, **arguments),
                    at=transition.call,
                    op=op,
                )
            except ConnectionLost:
                if self._heard(row, op):
                    return
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def _heard(self, before: NodeRow, op: Operation) -> bool:
        """Whether a request had an effect although the connection broke."""
        now = self._listing.node(before.uuid, op)
        return now is not None and (now.provision_state, now.provision_updated_at) != (
            before.provision_state,
            before.provision_updated_at,
        )

    def _failure(self, now: NodeRow, before: NodeRow, transition: Transition, op: Operation) -> BackendError:
        cause = self._history.cause(now, before, op)
        why = f": {cause}" if cause else ""
        return BackendError(
            f"{transition.target} node {before.label}: it ended as {now.provision_state!r}{why}",
            hint=HINTS.get(now.provision_state, ""),
            state_after=StateAfter.CHANGED,
        )


def has_settled(row: NodeRow) -> bool:
    """Whether a node stays as it is until somebody asks for something.

    Also when Ironic has given up in the middle: e.g. a service step that does not exist leaves the node ``servicing``
    with an error and without a lock (seen with Ironic 39).
    """
    if row.provision_state in IN_HAND:
        return row.reservation is None and row.last_error is not None
    return meaning_of(row).stable and row.provision_state not in HOLDS
