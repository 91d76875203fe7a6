"""Keeping what guests hold, and bringing it back."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.checkpoint import Checkpoint
from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InvalidSpec, InvalidState
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest, Volume
from nova_virt_api.fake.kept import Kept
from nova_virt_api.fake.listing import find
from nova_virt_api.fake.places import check_host, check_pool
from nova_virt_api.fake.shares import refuse_shares
from nova_virt_api.fake.spawn import SIDE_VOLUME_SIZE
from nova_virt_api.fake.state import HOLDS_MEMORY, State
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.checkpoint import CheckpointInfo
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState

KIND = "checkpoint"
STATES = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SHUTDOWN)


class FakeCheckpoint(Checkpoint):
    """The role ``Checkpoint`` of the fake driver: a checkpoint remembers in words what was on the disks."""

    connection: Connection

    def checkpoints(self, guest: InstanceRef) -> Sequence[CheckpointInfo]:
        self.connection.require(Capability.CHECKPOINT)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            return infos(find(guest, state.claimants(guest.uuid)))

    def create_checkpoint(
        self, guest: InstanceRef, name: str, op: Operation, *, memory: bool = False, description: str = ""
    ) -> CheckpointInfo:
        connection = self.connection
        connection.require(Capability.CHECKPOINT)
        if memory:
            connection.require(Feature.CHECKPOINT_MEMORY)
        with connection.hold(guest.uuid, "create checkpoint"):
            with connection.world.reading() as state:
                there = self._asked_for(state, guest, name, memory, description)
            if there is None:
                connection.step(Step.CREATE_CHECKPOINT, op)
                with connection.world.changing() as state:
                    there = self._asked_for(state, guest, name, memory, description) or self._keep(
                        state, self._usable(state, guest), name, memory, description
                    )
            return there

    def revert_to_checkpoint(self, guest: InstanceRef, name: str, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.CHECKPOINT)
        with connection.hold(guest.uuid, "revert to checkpoint"):
            with connection.world.reading() as state:
                required(self._usable(state, guest), name)
            connection.step(Step.REVERT_TO_CHECKPOINT, op)
            with connection.world.changing() as state:
                found = self._usable(state, guest)
                self._bring_back(state, found, required(found, name))

    def delete_checkpoint(self, guest: InstanceRef, name: str, op: Operation, *, children: bool = False) -> None:
        connection = self.connection
        connection.require(Capability.CHECKPOINT)
        with connection.hold(guest.uuid, "delete checkpoint"):
            with connection.world.reading() as state:
                found = self._usable(state, guest)
            if named(found, name) is None:
                return
            connection.step(Step.DELETE_CHECKPOINT, op)
            with connection.world.changing() as state:
                found = self._usable(state, guest)
                kept = named(found, name)
                if kept is not None:
                    forget(state, found, family(found, kept) if children else {kept.id})

    def _usable(self, state: State, ref: InstanceRef) -> Guest:
        guest = self.connection.ready(state, ref)
        if guest.power_state not in STATES:
            raise InvalidState(guest.power_state, STATES)
        return guest

    def _asked_for(
        self, state: State, ref: InstanceRef, name: str, memory: bool, description: str
    ) -> CheckpointInfo | None:
        """The checkpoint of this name; None if there is none and one can be made."""
        guest = self._usable(state, ref)
        runs = guest.power_state is not PowerState.SHUTDOWN
        there = named(guest, name)
        if there is None:
            if memory:
                refuse_shares(guest, Feature.CHECKPOINT_MEMORY)
            if memory and runs and guest.attached:
                raise InvalidSpec("memory", memory, "False while the guest uses volumes of a storage service")
            return None
        if there.description != description or (memory and runs and not there.has_memory):
            raise InvalidSpec("name", name, "a name that no other checkpoint of the guest has")
        return next(info for info in infos(guest) if info.name == name)

    def _keep(self, state: State, guest: Guest, name: str, memory: bool, description: str) -> CheckpointInfo:
        has_memory = memory and guest.power_state is not PowerState.SHUTDOWN
        pool = guest.disks[0][0] if guest.disks else self.connection.world.shape.pools[0]
        size = guest.memory_bytes if has_memory else SIDE_VOLUME_SIZE
        check_pool(state, self.connection.world.shape, pool, size)
        kept = Kept(
            id=f"point-{guest.points_made + 1}",
            name=name,
            description=description,
            created=time.time(),
            has_memory=has_memory,
            power_state=guest.power_state,
            parent=guest.came_from,
            contents={key[1]: state.volumes[key].content for key in guest.own_disks},
        )
        state.put_volume(
            Volume(
                pool=pool,
                name=volume_name(guest, kept.id),
                kind=KIND,
                size_bytes=size,
                uuid=guest.uuid,
                owner=guest.owner,
                content="what was kept at a checkpoint",
            )
        )
        made = replace(guest, points=(*guest.points, kept), points_made=guest.points_made + 1, came_from=kept.id)
        state.put(made)
        return next(info for info in infos(made) if info.name == name)

    def _bring_back(self, state: State, guest: Guest, kept: Kept) -> None:
        if kept.has_memory and guest.power_state not in HOLDS_MEMORY:
            check_host(state, self.connection.world.shape, guest.node, guest.vcpus, guest.memory_bytes)
        for key in guest.own_disks:
            if key[1] in kept.contents:
                state.put_volume(replace(state.volumes[key], content=kept.contents[key[1]]))
        state.put(
            replace(guest.stopped(kept.power_state if kept.has_memory else PowerState.SHUTDOWN), came_from=kept.id)
        )


def named(guest: Guest, name: str) -> Kept | None:
    """A guest's checkpoint of this name; None if it has none."""
    return next((kept for kept in guest.points if kept.name == name), None)


def required(guest: Guest, name: str) -> Kept:
    """A guest's checkpoint of this name.

    Raises:
        InvalidSpec: it has none.
    """
    kept = named(guest, name)
    if kept is None:
        names = ", ".join(other.name for other in guest.points)
        raise InvalidSpec("name", name, f"one of: {names}" if names else "none: the guest has no checkpoint")
    return kept


def family(guest: Guest, kept: Kept) -> set[str]:
    """The ids of a checkpoint and all that came from it."""
    found = {kept.id}
    for other in guest.points:  # parents come before their children
        if other.parent in found:
            found.add(other.id)
    return found


def forget(state: State, guest: Guest, ids: set[str]) -> None:
    """Take checkpoints away; what came from them comes from their parents."""
    parents = {kept.id: kept.parent for kept in guest.points}

    def heir(id: str | None) -> str | None:
        while id is not None and id in ids:
            id = parents[id]
        return id

    left = tuple(replace(kept, parent=heir(kept.parent)) for kept in guest.points if kept.id not in ids)
    names = {volume_name(guest, id) for id in ids}
    for volume in state.volumes_of(guest.uuid):
        if volume.name in names:
            state.drop_volume(volume.key)
    state.put(replace(guest, points=left, came_from=heir(guest.came_from)))


def volume_name(guest: Guest, id: str) -> str:
    """Name of the volume that a checkpoint takes."""
    return f"{guest.uuid}-{KIND}-{id}"


def infos(guest: Guest) -> list[CheckpointInfo]:
    """A guest's checkpoints as users see them, each after its parent."""
    names = {kept.id: kept.name for kept in guest.points}
    return [
        CheckpointInfo(
            name=kept.name,
            native_id=kept.id,
            created_at=kept.created,
            description=kept.description,
            has_memory=kept.has_memory,
            power_state=kept.power_state,
            parent=None if kept.parent is None else names[kept.parent],
            is_current=kept.id == guest.came_from,
        )
        for kept in below(guest.points, None)
    ]


def below(points: Sequence[Kept], parent: str | None) -> Iterator[Kept]:
    """The checkpoints that came from this one, each followed by those that came from it."""
    for kept in points:
        if kept.parent == parent:
            yield kept
            yield from below(points, kept.id)
