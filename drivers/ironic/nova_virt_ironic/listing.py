"""Lists of nodes: paged, with exactly the driver's fields, shared by all who may see a list of some age."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import UUID

from nova_virt_ironic.errors import NotThere
from nova_virt_ironic.microversions import Call, Microversion
from nova_virt_ironic.node import NodeRow, fields_at, node_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironicclient.v1.client import Client

    from nova_virt_api.driver.operation import Operation
    from nova_virt_ironic.connection import Connection

ATTEMPTS: Final = 3
"""Times that a list is begun anew because the last node of a page was deleted before the next page was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which nodes are looked at; None and ``()`` mean all.

    Args:
        resource_class: of this resource class.
        shards: of one of these shards.
        conductor_group: of this conductor group.
        owner: of this owner, a field of Ironic's nodes.
    """

    resource_class: str | None = None
    shards: tuple[str, ...] = ()
    conductor_group: str | None = None
    owner: str | None = None

    @classmethod
    def of(cls, options: Any) -> Scope:
        """As the driver's options say."""
        return cls(
            resource_class=options.resource_class,
            shards=tuple(options.shards),
            conductor_group=options.conductor_group,
            owner=options.node_owner,
        )

    def query(self) -> dict[str, Any]:
        """The arguments of the client's ``node.list``, which puts them into the URL as they are."""
        asked = {"resource_class": self.resource_class, "conductor_group": self.conductor_group, "owner": self.owner}
        said: dict[str, Any] = {name: quote(value, safe="") for name, value in asked.items() if value is not None}
        return said | ({"shards": [quote(shard, safe="") for shard in self.shards]} if self.shards else {})

    def calls(self) -> list[Call]:
        """What the endpoint must be new enough for."""
        return [*([Call.SHARDS] if self.shards else []), *([Call.OWNER] if self.owner is not None else [])]

    def admits(self, row: NodeRow) -> bool:
        """Whether a node belongs to it."""
        return (
            self.resource_class in (None, row.resource_class)
            and (not self.shards or row.shard in self.shards)
            and (self.conductor_group is None or row.conductor_group.lower() == self.conductor_group.lower())
            and self.owner in (None, row.owner)
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All nodes as one list showed them.

    Args:
        rows: by the node's uuid, in the endpoint's order. A node that did not change has the same row as in the
            snapshot before.
        began: when the list was asked for, on the monotonic clock: what was done before is seen in it.
        seconds: how long it took.
    """

    rows: Mapping[str, NodeRow]
    began: float
    seconds: float

    def differs_from(self, before: Snapshot) -> bool:
        """Whether any node came, went or changed since an earlier list."""
        if self.rows.keys() != before.rows.keys():
            return True
        return any(before.rows[uuid] is not row for uuid, row in self.rows.items())


class Listing:
    """Reads nodes. Keeps the last list for as long as it may be shown again.

    Args:
        connection: where it asks.
        scope: which nodes are looked at.
        staleness: for how many seconds a list is shown again; 0 for not at all.
    """

    def __init__(self, connection: Connection, scope: Scope, staleness: float) -> None:
        self._connection = connection
        self._scope = scope
        self._staleness = staleness
        self._asking = threading.Lock()
        self._last: Snapshot | None = None

    @property
    def staleness_seconds(self) -> float:
        """How old a list may be that was not asked to be fresh: it shows what was when it was asked for."""
        took = self._last.seconds if self._last is not None else 0.0
        return self._staleness + took if self._staleness else 0.0

    @property
    def last(self) -> Snapshot | None:
        """The last list, however old; None before the first."""
        return self._last

    def snapshot(self, *, fresh: bool = False) -> Snapshot:
        """All nodes: ``ceil(n / 1000)`` requests, at most one more, or none.

        A list is shown again until the declared staleness, unless this driver has changed something since it began.
        Threads that want one at the same time share it.

        Args:
            fresh: ask now.
        """
        wanted = time.monotonic() - (0.0 if fresh else self.staleness_seconds)
        shown = self._since(wanted)
        if shown is not None:
            return shown
        with self._asking:
            return self._since(wanted) or self._listed()

    def begun_after(self, moment: float) -> Snapshot:
        """All nodes by a list that was asked for after a moment; what this driver did since need not be in it.

        Any number of threads that want one at the same time share it, while they change nodes.

        Args:
            moment: on the monotonic clock.
        """
        with self._asking:
            last = self._last
            return last if last is not None and last.began >= moment else self._listed()

    def shown(self) -> Snapshot | None:
        """The last list, if it may be shown again; asks nobody."""
        return self._since(time.monotonic() - self.staleness_seconds)

    def node(self, uuid: str, op: Operation | None = None) -> NodeRow | None:
        """One node as it is now; None when there is none. One request, or none for what is no uuid."""
        if not is_uuid(uuid):
            return None
        return self._one(f"look at node {uuid}", lambda client, names: client.node.get(uuid, fields=names), op)

    def holder_of(self, guest: UUID, op: Operation | None = None) -> NodeRow | None:
        """The node that was claimed for a guest, as it is now; None when there is none. One request."""
        return self._one(
            f"look for the node of guest {guest}",
            lambda client, names: client.node.get_by_instance_uuid(str(guest), fields=names),
            op,
        )

    def _one(self, doing: str, ask: Callable[[Client, list[str]], Any], op: Operation | None) -> NodeRow | None:
        names, version = fields_at(self._connection.versions)
        try:
            found = self._connection.read(doing, lambda client: ask(client, names), at=version, op=op)
        except NotThere:
            return None
        if found is None:
            return None
        row = node_row(vars(found))
        return row if self._scope.admits(row) else None

    # --- all nodes ------------------------------------------------------------------------------------------------

    def _since(self, wanted: float) -> Snapshot | None:
        """The last list, if it began late enough."""
        last = self._last
        return last if last is not None and last.began >= max(wanted, self._connection.changed_at) else None

    def _listed(self) -> Snapshot:
        began = time.monotonic()
        names, version = fields_at(self._connection.versions)
        for call in self._scope.calls():
            version = max(version, call.needs)
        found = self._pages(names, version)
        before = self._last.rows if self._last is not None else {}
        rows = MappingProxyType({row.uuid: kept(before.get(row.uuid), row) for row in map(node_row, map(vars, found))})
        self._last = Snapshot(rows, began, time.monotonic() - began)
        return self._last

    def _pages(self, names: Sequence[str], version: Microversion) -> Sequence[Any]:
        def ask(client: Client) -> Sequence[Any]:
            return client.node.list(limit=0, fields=list(names), **self._scope.query())

        for _ in range(ATTEMPTS - 1):
            try:
                return self._connection.read("list the nodes", ask, at=version)
            except NotThere:
                continue
        return self._connection.read("list the nodes", ask, at=version)


def is_uuid(text: str) -> bool:
    """Whether it can be a node's uuid."""
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def kept(before: NodeRow | None, now: NodeRow) -> NodeRow:
    """The row that was there before, if nothing has changed."""
    return before if before is not None and before == now else now
