"""Nodes that carry guests, as guests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.errors import InstanceNotFound, PermissionDenied
from nova_virt_api.model.instance import Instance, Lifecycle
from nova_virt_api.model.labels import NO_LABELS
from nova_virt_api.model.record import Phase
from nova_virt_ironic.provision_states import health_of, meaning_of, power_state_of
from nova_virt_ironic.record import DISPLAY_NAME, GuestRecord, record_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_ironic.listing import Listing, Snapshot
    from nova_virt_ironic.node import NodeRow

MEBIBYTE: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest and the node that it is on, as they were when they were looked at.

    Args:
        uuid: the guest: the node's ``instance_uuid``; the node's own where it is deployed without one.
        row: the node.
        record: our record; None for guests of other making.
    """

    uuid: UUID
    row: NodeRow
    record: GuestRecord | None

    @property
    def owner(self) -> str | None:
        """Who made it by this API, if anybody did."""
        return None if self.record is None else self.record.record.owner

    @property
    def name(self) -> str:
        """Its name: ours, Ironic's, Nova's, or the node's."""
        if self.record is not None:
            return self.record.name
        return str(self.row.instance_name or self.row.instance_info.get(DISPLAY_NAME) or self.row.label)

    @property
    def lifecycle(self) -> Lifecycle:
        """Where it stands; of other making, it always counts as READY."""
        if self.record is None:
            return Lifecycle.READY
        found = meaning_of(self.row)
        if self.record.record.phase is Phase.DELETING and not found.failed:
            return Lifecycle.DELETING
        if self.record.record.phase is Phase.BUILDING and found.lifecycle is Lifecycle.READY:
            return Lifecycle.BUILDING
        return found.lifecycle


def guest_on(row: NodeRow) -> Guest | None:
    """The guest that a node carries or was claimed for; None when there is none."""
    if row.instance_uuid is not None:
        return Guest(row.instance_uuid, row, record_of(row))
    return Guest(UUID(row.uuid), row, None) if meaning_of(row).deployed else None


class Guests:
    """Reads guests. Keeps what it showed, so that what did not change is the same object.

    Args:
        endpoint: whose guests are ours.
        listing: reads the nodes.
    """

    def __init__(self, endpoint: Endpoint, listing: Listing) -> None:
        self._owner = endpoint.owner
        self._manage = endpoint.manage
        self._listing = listing
        self._shown: dict[str, tuple[NodeRow, Instance]] = {}

    # --- all ------------------------------------------------------------------------------------------------------

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        """All guests, from one list of all nodes."""
        return self.on(self._listing.snapshot(fresh=fresh))

    def on(self, snapshot: Snapshot) -> Sequence[Instance]:
        """The guests on these nodes; the same objects as last time for those that did not change."""
        shown = {row.uuid: (row, found) for row in snapshot.rows.values() if (found := self.shown(row)) is not None}
        self._shown = shown
        return tuple(instance for _, instance in shown.values())

    def shown(self, row: NodeRow) -> Instance | None:
        """The guest that a node carries, if any, as users see it."""
        before = self._shown.get(row.uuid)
        if before is not None and before[0] is row:
            return before[1]
        guest = guest_on(row)
        if guest is None:
            return None
        now = self._instance(guest)
        return before[1] if before is not None and before[1] == now else now

    # --- one ------------------------------------------------------------------------------------------------------

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        """One guest.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """
        last = None if fresh else self._listing.shown()
        for instance in () if last is None else self.on(last):
            if instance.uuid == guest.uuid:
                return instance
        found = self.find(guest)
        return self.shown(found.row) or self._instance(found)

    def find(self, guest: InstanceRef, op: Operation | None = None) -> Guest:
        """A guest as it is now, for a verb to decide on. One request, a few where the reference's hint is stale.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
        """
        found = self.look_for(guest, op)
        if found is None:
            raise InstanceNotFound(f"no guest {guest} here")
        return found

    def look_for(self, guest: InstanceRef, op: Operation | None = None) -> Guest | None:
        """Like :meth:`find`; None when there is no such guest."""
        if guest.native_id is not None:
            hinted = self._listing.node(guest.native_id, op)
            found = None if hinted is None else guest_on(hinted)
            if found is not None and found.uuid == guest.uuid:
                return found
        row = self._listing.holder_of(guest.uuid, op) or self._listing.node(str(guest.uuid), op)
        found = None if row is None else guest_on(row)
        return found if found is not None and found.uuid == guest.uuid else None

    def owned(self, guest: InstanceRef, op: Operation | None = None) -> Guest:
        """A guest that this connection may change, as it is now.

        Raises:
            InstanceNotFound: no such guest at this endpoint.
            PermissionDenied: it is somebody else's.
        """
        found = self.find(guest, op)
        self.check_owned(found)
        return found

    def check_owned(self, guest: Guest) -> None:
        """Refuse a guest that this connection may not change.

        Raises:
            PermissionDenied: it is somebody else's.
        """
        if self._manage is not Manage.ALL and guest.owner != self._owner:
            whose = "was not made by this API" if guest.owner is None else f"belongs to {guest.owner!r}"
            raise PermissionDenied(
                f"guest {guest.name} ({guest.uuid}) {whose}, this connection is {self._owner!r}",
                hint="connect(owner=...) as its owner, or connect(manage='all')",
            )

    def _instance(self, guest: Guest) -> Instance:
        row = guest.row
        return Instance(
            uuid=guest.uuid,
            name=guest.name,
            owner=guest.owner,
            owned=guest.owner == self._owner,
            power_state=power_state_of(row),
            lifecycle=guest.lifecycle,
            health=health_of(row),
            native_id=row.uuid,
            native_state=row.provision_state,
            node=row.label,
            vcpus=count(row.properties.get("cpus")),
            memory_bytes=count(row.properties.get("memory_mb")) * MEBIBYTE,
            addresses=None,
            labels=NO_LABELS if guest.record is None else guest.record.labels,
        )


def count(value: Any) -> int:
    """A number among a node's properties, which may be text; 0 when it was never found out."""
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return 0
