"""What is there of a guest beside the guest itself, and how all of it is removed."""

from collections.abc import Sequence
from uuid import UUID

from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.state import State
from nova_virt_api.model.leftover import Leftover


def of(state: State, uuid: UUID) -> list[Leftover]:
    """Everything that was made for a guest."""
    record = state.records.get(uuid)
    found = []
    if record is not None:
        found.append(Leftover(uuid=uuid, kind="record", name=str(uuid), owner=record.owner))
    for guest in state.claimants(uuid):
        found.append(Leftover(uuid=uuid, kind="guest", name=guest.name, place=guest.node, owner=guest.owner))
    for port in state.ports_of(uuid):
        found.append(Leftover(uuid=uuid, kind="port", name=port.name, place=port.network, owner=port.owner))
    for volume in state.volumes_of(uuid):
        found.append(Leftover(uuid=uuid, kind=volume.kind, name=volume.name, place=volume.pool, owner=volume.owner))
    return found


def remove_all(state: State, uuid: UUID) -> None:
    """Remove everything that was made for a guest, its record last."""
    for guest in state.claimants(uuid):
        state.drop(guest.native_id)
    for port in state.ports_of(uuid):
        state.drop_port(port.name)
    for volume in state.volumes_of(uuid):
        state.drop_volume(volume.key)
    if uuid in state.records:
        state.drop_record(uuid)


def leftovers(connection: Connection) -> Sequence[Leftover]:
    """See ``Driver.leftovers``."""
    with connection.world.reading() as state:
        return [
            leftover
            for uuid in state.known_uuids()
            if not finished(state, uuid) and not worked_on(connection, state, uuid)
            for leftover in of(state, uuid)
            if leftover.owner == connection.owner
        ]


def finished(state: State, uuid: UUID) -> bool:
    """Whether there is a guest that is all there."""
    return any(guest.finished for guest in state.claimants(uuid))


def worked_on(connection: Connection, state: State, uuid: UUID) -> bool:
    """Whether somebody who is alive is making or removing the guest."""
    record = state.records.get(uuid)
    held = connection.world.held(uuid) is not None
    return held or (record is not None and connection.at_work(record))
