"""Nodes for tests: one is enrolled by the API and brought to `available`, the others are its copies in the database.

The API takes about a quarter of a second for a node, which is four minutes for the thousand of a benchmark. The rows
are those that Ironic itself wrote, but for identifiers, names and addresses.
"""

import itertools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tools.ironic.api import Api
from tools.ironic.script import INTERFACES, Script


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """What the nodes of one enrolment have in common.

    Args:
        name: of each, before its number.
        resource_class: as operators name a kind of machine.
        cpus: shown in its properties.
        memory_mib: shown in its properties as `memory_mb`.
        disk_gib: shown in its properties as `local_gb`.
        cpu_arch: shown in its properties.
        capabilities: shown in its properties, as `key:value,...`.
        traits: standard or CUSTOM_ ones.
        ports: how many Ethernet ports it has, each with an address of its own.
        script: what shall happen to it, instead of success at once.
        fields: of the API's node, further ones or instead of ours, e.g. `{"deploy_interface": "scripted"}`.
    """

    name: str = "node"
    resource_class: str = "baremetal"
    cpus: int = 8
    memory_mib: int = 16384
    disk_gib: int = 100
    cpu_arch: str = "x86_64"
    capabilities: Mapping[str, str] = field(default_factory=lambda: {"boot_mode": "uefi"})
    traits: Sequence[str] = ()
    ports: int = 2
    script: Script | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledNode:
    """A node that is there.

    Args:
        uuid: Ironic's.
        name: Ironic's.
        addresses: the MAC addresses of its ports.
    """

    uuid: str
    name: str
    addresses: tuple[str, ...]


class Enrolment:
    """Makes nodes and forgets them.

    Args:
        api: of the Ironic.
        connection: SQLAlchemy's URL of its database.
    """

    def __init__(self, api: Api, connection: str) -> None:
        self._api = api
        self._engine = sa.create_engine(connection, poolclass=sa.NullPool)
        self._tables = sa.MetaData()
        self._numbers = itertools.count(1)

    def enroll(self, count: int, spec: NodeSpec) -> list[EnrolledNode]:
        """Give so many new nodes of one kind, `available` and powered off."""
        first = self._by_api(spec)
        others = [self._next(spec) for _ in range(count - 1)]
        if others:
            self._copy(first, others)
        return [first, *others]

    def forget(self, nodes: Iterable[EnrolledNode]) -> None:
        """Remove nodes from the database, whatever state they are in. Ironic is not asked: what it does fails."""
        uuids = [node.uuid for node in nodes]
        table = self._table("nodes")
        with self._engine.begin() as database:
            ids = sa.select(table.c.id).where(table.c.uuid.in_(uuids))
            numbers = list(database.scalars(ids))
            database.execute(sa.update(table).where(table.c.id.in_(numbers)).values(allocation_id=None))
            for owned in self._owned():
                database.execute(sa.delete(owned).where(owned.c.node_id.in_(numbers)))
            database.execute(sa.delete(table).where(table.c.id.in_(numbers)))

    def _by_api(self, spec: NodeSpec) -> EnrolledNode:
        """Enroll one node as an operator does."""
        node = self._next(spec)
        capabilities = ",".join(f"{key}:{value}" for key, value in spec.capabilities.items())
        properties = {
            "cpus": spec.cpus,
            "memory_mb": spec.memory_mib,
            "local_gb": spec.disk_gib,
            "cpu_arch": spec.cpu_arch,
            "capabilities": capabilities,
        }
        body = {
            "uuid": node.uuid,
            "name": node.name,
            "driver": "fake-hardware",
            "resource_class": spec.resource_class,
            "properties": properties,
            **({} if spec.script is None else INTERFACES),
            **spec.fields,
        }
        path = f"/v1/nodes/{node.uuid}"
        self._api.post("/v1/nodes", body)
        for address in node.addresses:
            self._api.post("/v1/ports", {"node_uuid": node.uuid, "address": address})
        if spec.traits:
            self._api.put(f"{path}/traits", {"traits": list(spec.traits)})
        for verb, state in (("manage", "manageable"), ("provide", "available")):
            self._api.put(f"{path}/states/provision", {"target": verb})
            self._wait_for(path, provision_state=state)
        self._api.put(f"{path}/states/power", {"target": "power off"})
        self._wait_for(path, power_state="power off", reservation=None)
        if spec.script is not None:  # only now: it is about what tests do
            change = {"op": "add", "path": "/driver_info/script", "value": spec.script.as_json()}
            self._api.patch(path, change)
        return node

    def _wait_for(self, path: str, **wanted: str | None) -> None:
        self._api.wait(path, lambda shown: all(shown[field] == value for field, value in wanted.items()))

    def _next(self, spec: NodeSpec) -> EnrolledNode:
        number = next(self._numbers)
        tail = [f"{number:06x}"[at : at + 2] for at in (0, 2, 4)]
        addresses = tuple(":".join(["52", "54", f"{port:02x}", *tail]) for port in range(spec.ports))
        return EnrolledNode(uuid=str(uuid.uuid4()), name=f"{spec.name}-{number}", addresses=addresses)

    def _copy(self, first: EnrolledNode, others: Sequence[EnrolledNode]) -> None:
        """Copy a node's rows in one transaction."""
        nodes = self._table("nodes")
        with self._engine.begin() as database:
            original = database.execute(sa.select(nodes).where(nodes.c.uuid == first.uuid)).mappings().one()
            insert(database, nodes, [{**without_id(dict(original)), "uuid": n.uuid, "name": n.name} for n in others])
            uuids = [node.uuid for node in others]
            numbers = {row.uuid: row.id for row in database.execute(sa.select(nodes).where(nodes.c.uuid.in_(uuids)))}
            for table in self._owned():
                owned = sa.select(table).where(table.c.node_id == original["id"])
                rows = [dict(row) for row in database.execute(owned).mappings()]
                insert(
                    database, table, [row for node in others for row in copies(rows, first, node, numbers[node.uuid])]
                )

    def _owned(self) -> list[sa.Table]:
        """The tables whose rows belong to a node."""
        self._table("nodes")
        return [table for table in self._tables.sorted_tables if "node_id" in table.c]

    def _table(self, name: str) -> sa.Table:
        if not self._tables.tables:
            self._tables.reflect(self._engine)
        return self._tables.tables[name]


def copies(
    rows: Sequence[Mapping[str, Any]], first: EnrolledNode, node: EnrolledNode, number: int
) -> Iterable[dict[str, Any]]:
    """Give a node's own copies of rows that belong to the first."""
    for row in rows:
        copy = {**without_id(row), "node_id": number}
        if "uuid" in copy:
            copy["uuid"] = str(uuid.uuid4())
        if "address" in copy:
            copy["address"] = node.addresses[first.addresses.index(copy["address"])]
        yield copy


def without_id(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row's values but for the number that the database counts."""
    return {column: value for column, value in row.items() if column != "id"}


def insert(database: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, if there are any."""
    if rows:
        database.execute(sa.insert(table), rows)
