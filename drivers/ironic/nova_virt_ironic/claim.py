"""Claiming a node for a guest, and giving it back.

A claim is one PATCH which writes ``instance_uuid`` together with everything that says what is to be deployed, our
record first. Ironic takes it only for a node that has no other ``instance_uuid``, and only if no other node has that
one, so of any number of guests one wins. Two who claim the same node for the *same* guest may both succeed; then they
do the same steps, each of which finds what the other has done, and neither takes the other's guest off the node. Ironic
would also take nodes that are in maintenance or not available, hence the look at what it answers.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nova_virt_api.errors import Busy, ConnectionLost, NoCapacity
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_ironic.choice import candidates, taken
from nova_virt_ironic.deployment import BEGUN
from nova_virt_ironic.effect import bring_about
from nova_virt_ironic.errors import Conflict, NotThere
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.node import fields_at, node_row
from nova_virt_ironic.pause import pause
from nova_virt_ironic.provision_states import meaning_of
from nova_virt_ironic.record import DISPLAY_NAME, KEY
from nova_virt_ironic.retry import Again

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_ironic.node import NodeRow
    from nova_virt_ironic.site import Site

MOST_TRIES: Final = 2
"""Nodes that are tried from one list: after these were lost to others the list is too old to go on with."""

QUICK_ROUNDS: Final = 3
LONGEST_PAUSE: Final = 2.0
"""Lists that are tried without a pause in between, and the most seconds of one: a free node may be locked for long."""

GIVE_BACK_SECONDS: Final = 60.0

Patch = list[dict[str, Any]]


class Claims:
    """Takes nodes for guests.

    Args:
        site: the endpoint.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def take(
        self,
        spec: InstanceSpec,
        info: Callable[[NodeRow], Mapping[str, Any]],
        fits: Callable[[NodeRow], str],
        op: Operation,
    ) -> NodeRow | None:
        """Claim one of the nodes that will do; None if the guest turns out to have one already.

        Args:
            spec: the guest.
            info: what to write into a node's ``instance_info``, the record included.
            fits: looks at a node more closely; why it will not do, empty when it will.
            op: the operation worked for.

        Raises:
            InvalidSpec: there is no node of the name that was asked for.
            NoCapacity: no node will do, or all that would are taken.
        """
        unfit: dict[str, str] = {}
        round_ = 0
        while True:
            op.checkpoint()
            snapshot = self._site.listing.begun_after(time.monotonic())
            rows = snapshot.rows.values()
            if any(row.instance_uuid == spec.uuid for row in rows):
                return None
            wanted = [row for row in candidates(spec, rows) if row.uuid not in unfit]
            if not wanted:
                raise NoCapacity("nodes", f"no free node will do: {'; '.join(sorted(set(unfit.values())))}")
            tries = 0
            for row in wanted:
                with self._site.tries.one(row.uuid, snapshot.began) as ours:
                    if not ours:
                        continue
                    if reason := fits(row):
                        unfit[row.uuid] = reason
                    elif (claimed := self._attempt(row, spec.uuid, info(row), op)) is not None:
                        return claimed
                tries += 1
                if tries == MOST_TRIES:
                    break
            round_ += 1
            if round_ > QUICK_ROUNDS:
                pause(op, random.uniform(0, min(LONGEST_PAUSE, 0.1 * round_)))  # noqa: S311 - to spread racers

    def give_back(self, row: NodeRow, op: Operation) -> None:
        """Take the claim off a node on which nothing was deployed. All that was made for the guest must be gone."""
        patch: Patch = [
            {"op": "remove", "path": "/instance_uuid"},
            {"op": "replace", "path": "/instance_info", "value": {}},
        ]
        if row.instance_name is not None:
            patch.append({"op": "remove", "path": "/instance_name"})

        def is_given_back() -> bool:
            now = self._site.listing.node(row.uuid, op)
            return now is None or now.instance_uuid != row.instance_uuid

        bring_about(lambda: self.patch(row, patch, f"give back node {row.label}", op), is_given_back, op)

    def patch(
        self,
        row: NodeRow,
        patch: Sequence[Mapping[str, Any]],
        doing: str,
        op: Operation,
        again: Again = Again.UNHEARD,
    ) -> NodeRow:
        """Change a node's fields (API reference: "Update Node"); the node as it is then.

        Asked at the version of a list, as older ones do not show all that there is of a node.
        """
        _, version = fields_at(self._site.connection.versions)
        found = self._site.connection.change(
            doing,
            lambda client: client.node.update(row.uuid, [dict(change) for change in patch]),
            at=version,
            op=op,
            again=again,
        )
        return node_row(vars(found))

    def _attempt(self, row: NodeRow, guest: UUID, info: Mapping[str, Any], op: Operation) -> NodeRow | None:
        """Claim this node; None if somebody else was faster, or it is not to be had any more.

        A lock is not waited for: whoever holds it is probably claiming the node, and other nodes may be free.
        """
        patch = claim_patch(guest, info, self._site)
        claimed: NodeRow | None
        try:
            claimed = self.patch(row, patch, f"claim node {row.label}", op, again=Again.UNLOCKED)
        except (Conflict, Busy, NotThere):
            return None
        except ConnectionLost:
            claimed = self._site.listing.node(row.uuid, Unstoppable(GIVE_BACK_SECONDS))
            if claimed is None or claimed.instance_uuid != guest or claimed.instance_info.get(KEY) != info.get(KEY):
                return None
        meaning = meaning_of(claimed)
        if meaning.deployed or meaning.lifecycle is Lifecycle.DELETING:  # by another spawn of the same guest
            return claimed if claimed.provision_state in BEGUN else None
        if taken(replace(claimed, instance_uuid=None)):  # changed since it was listed
            self.give_back(claimed, Unstoppable(GIVE_BACK_SECONDS))
            return None
        return claimed


def claim_patch(guest: UUID, info: Mapping[str, Any], site: Site) -> Patch:
    """What makes a node a guest's."""
    patch: Patch = [
        {"op": "add", "path": "/instance_uuid", "value": str(guest)},
        {"op": "add", "path": "/instance_info", "value": dict(info)},
    ]
    if DISPLAY_NAME in info and site.connection.serves(Call.INSTANCE_NAME):
        patch.append({"op": "add", "path": "/instance_name", "value": info[DISPLAY_NAME]})
    return patch
