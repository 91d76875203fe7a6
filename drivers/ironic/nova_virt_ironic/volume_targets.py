"""The volumes that a node boots from or uses (API reference: "Volume targets"), tagged with the guest they are for.

Ironic keeps volume targets over an undeployment. So they are removed first, and bear the guest's uuid and owner.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nova_virt_api.errors import InvalidSpec, StateAfter, StorageError
from nova_virt_api.model.volume_connection import IscsiVolume, OpaqueVolume
from nova_virt_ironic.effect import bring_about
from nova_virt_ironic.errors import Conflict, NotThere, Refused
from nova_virt_ironic.microversions import Call
from nova_virt_ironic.retry import Again

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.volume import Volume
    from nova_virt_ironic.connection import Connection
    from nova_virt_ironic.node import NodeRow

TAG: Final = "nova_virt"
NO_STORAGE: Final = "noop"
EXTERNAL: Final = "external"
"""Ironic's way of using volumes that somebody else has connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A volume target that was made for a guest.

    Args:
        uuid: Ironic's.
        node_uuid: the node.
        volume_id: the storage service's id of the volume.
        guest: whom it was made for.
        owner: whose guest that is.
    """

    uuid: str
    node_uuid: str
    volume_id: str
    guest: UUID
    owner: str | None


def storage_interface(volumes: Sequence[Volume], row: NodeRow) -> dict[str, str]:
    """What ``instance_info`` must say for a node to use volumes, for this deployment only."""
    return {"storage_interface": EXTERNAL} if volumes and row.storage_interface in (None, NO_STORAGE) else {}


def create(
    connection: Connection, row: NodeRow, volumes: Iterable[Volume], guest: UUID, owner: str | None, op: Operation
) -> None:
    """Make a target for each volume that has none yet: the one to boot from is number 0, the others follow.

    Raises:
        StorageError: Ironic does not take one.
    """
    there = {target.volume_id for target in targets(connection, op, row) if target.guest == guest}
    ordered = sorted(volumes, key=lambda volume: not volume.boot)
    first = 0 if any(volume.boot for volume in ordered) else 1
    for index, volume in enumerate(ordered, start=first):
        if volume.id in there:
            continue
        kind, properties = connection_of(volume)
        request: dict[str, Any] = {
            "node_uuid": row.uuid,
            "volume_type": kind,
            "volume_id": volume.id,
            "boot_index": index,
            "properties": properties,
            "extra": {TAG: {"guest": str(guest), "owner": owner}},
        }
        create_one(connection, row, request, guest, op)


def create_one(connection: Connection, row: NodeRow, request: dict[str, Any], guest: UUID, op: Operation) -> None:
    """Make one target.

    Raises:
        StorageError: Ironic does not take it.
    """
    volume = request["volume_id"]
    doing = f"connect volume {volume} to node {row.label}"
    try:
        bring_about(
            lambda: connection.change(
                doing, lambda client: client.volume_target.create(**request), at=Call.VOLUMES, op=op
            ),
            lambda: any((one.volume_id, one.guest) == (volume, guest) for one in targets(connection, op, row)),
            op,
        )
    except (Conflict, NotThere, Refused) as error:
        raise StorageError(error.message) from error


def connection_of(volume: Volume) -> tuple[str, dict[str, Any]]:
    """Type and properties of a volume's connection, with the names that Cinder and Ironic use."""
    how = volume.connection
    if isinstance(how, OpaqueVolume):
        return how.kind, json.loads(how.properties.reveal())
    if not isinstance(how, IscsiVolume):
        raise InvalidSpec("volumes", type(how).__name__, "an IscsiVolume or an OpaqueVolume")
    properties: dict[str, Any] = {"target_portal": how.portal, "target_iqn": how.iqn, "target_lun": how.lun}
    if how.chap_username is not None and how.chap_password is not None:
        properties |= {
            "auth_method": "CHAP",
            "auth_username": how.chap_username,
            "auth_password": how.chap_password.reveal(),
        }
    return "iscsi", properties


def targets(connection: Connection, op: Operation | None, row: NodeRow | None = None) -> list[Target]:
    """The targets that were made for guests of this API: those of one node, or all. One request for a thousand."""
    where: dict[str, Any] = {} if row is None else {"node": row.uuid}
    found = connection.read(
        f"list the volume targets{f' of node {row.label}' if row else ''}",
        lambda client: client.volume_target.list(limit=0, fields=["uuid", "node_uuid", "volume_id", "extra"], **where),
        at=Call.VOLUMES,
        op=op,
    )
    return [target for one in found if (target := target_of(vars(one))) is not None]


def target_of(found: dict[str, Any]) -> Target | None:
    """A target that bears our tag; None for one of other making."""
    tag = (found.get("extra") or {}).get(TAG)
    if not isinstance(tag, dict):
        return None
    try:
        guest = UUID(str(tag["guest"]))
    except (KeyError, ValueError):
        return None
    return Target(
        uuid=str(found["uuid"]),
        node_uuid=str(found.get("node_uuid") or ""),
        volume_id=str(found.get("volume_id") or ""),
        guest=guest,
        owner=tag.get("owner"),
    )


def remove(connection: Connection, row: NodeRow, target: Target, op: Operation) -> None:
    """Remove a target from a node that is off; one that is not there stays away.

    Raises:
        StorageError: Ironic does not let go of it.
    """
    doing = f"disconnect volume {target.volume_id} from node {row.label}"
    try:
        connection.change(
            doing,
            lambda client: client.volume_target.delete(target.uuid),
            at=Call.VOLUMES,
            op=op,
            again=Again.ALWAYS,
        )
    except NotThere:
        return
    except (Conflict, Refused) as error:
        raise StorageError(error.message, state_after=StateAfter.CHANGED) from error
