"""What happens in a fake world without this API: the hypervisor's console, other programs, guests that crash."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID, uuid5

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.fake.guest import Guest, Image, Parts
from nova_virt_api.fake.listing import find
from nova_virt_api.model.diagnostics import Incident
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Condition, Health, Instance, PowerState
from nova_virt_api.model.labels import NO_LABELS, Labels
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.spec import require_one
from nova_virt_api.model.units import GiB

if TYPE_CHECKING:
    from nova_virt_api.fake.state import State
    from nova_virt_api.fake.world import World

GuestLike: TypeAlias = UUID | Instance | InstanceRef

NAMESPACE: Final = UUID("5a0ac8a2-8f0e-5d61-a4b5-06b1c9b6f7d3")
"""Of the uuids that a world gives to guests of other making."""


class Outside:
    """Somebody else's hands on the world. Every change shows in listings and events at once, as the real thing would.

    Args:
        world: the world of the connection.
    """

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world

    # --- guests of other making -----------------------------------------------------------------------------------

    def add_guest(
        self,
        name: str,
        *,
        owner: str | None = None,
        power_state: PowerState = PowerState.RUNNING,
        vcpus: int = 1,
        memory_bytes: int = GiB(1),
        labels: Mapping[str, str] = NO_LABELS,
    ) -> UUID:
        """Make a guest that this connection did not make; returns its uuid.

        Args:
            name: its name.
            owner: another user of this API who made it; None for a guest that was made natively.
            power_state: whether it runs.
            vcpus: virtual CPUs.
            memory_bytes: memory.
            labels: its labels.
        """
        with self._world().changing() as state:
            guest = self._new(state, name)
            guest = replace(guest, power_state=power_state, vcpus=vcpus, memory_bytes=memory_bytes)
            guest = replace(guest, labels=Labels(labels))
            if owner is not None:
                record = state.put_record(made_by(owner, guest.native_uuid, guest.native_id))
                guest = replace(guest, mark=record, log=b"")
            return state.put(guest).uuid

    def copy(self, guest: GuestLike, name: str) -> UUID:
        """Copy a guest natively, with everything that is written on it, its mark too; returns the copy's own uuid.

        The mark names the original's native id, so the copy is nobody's.
        """
        with self._world().changing() as state:
            original = self._find(state, guest)
            return state.put(self._copy_of(state, original, name, original.mark)).uuid

    def claim_twice(self, guest: GuestLike, name: str) -> None:
        """Make a second guest that claims the same uuid with a mark of its own; every verb on it is ``Ambiguous``."""
        with self._world().changing() as state:
            original = self._find(state, guest)
            if original.mark is None:
                raise InvalidSpec("guest", original.name, "a guest that was made through this API")
            copy = self._copy_of(state, original, name, None)
            state.put(replace(copy, mark=replace(original.mark, native_id=copy.native_id)))

    # --- changes --------------------------------------------------------------------------------------------------

    def alter(
        self,
        guest: GuestLike,
        *,
        name: str | None = None,
        power_state: PowerState | None = None,
        vcpus: int | None = None,
        memory_bytes: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Change a guest, ours or not; what is None stays as it is."""
        given = {
            "name": name,
            "power_state": power_state,
            "vcpus": vcpus,
            "memory_bytes": memory_bytes,
            "labels": None if labels is None else Labels(labels),
        }
        changes = {field: value for field, value in given.items() if value is not None}
        self._change(guest, lambda before: replace(before, **changes))  # type: ignore[arg-type]

    def remove(self, guest: GuestLike) -> None:
        """Take a guest away. What this API made for it, its record and its volumes, stays: see ``leftovers``."""
        with self._world().changing() as state:
            state.drop(self._find(state, guest).native_id)

    def crash(self, guest: GuestLike) -> None:
        """Let a guest crash."""
        crash = Incident(at=time.time(), kind="crash", message="the guest crashed", error=True)
        self._change(guest, lambda before: before.stopped(PowerState.CRASHED).met(crash))

    def shut_down(self, guest: GuestLike) -> None:
        """Let a guest stop of its own will."""
        self._change(guest, Guest.stopped)

    def set_health(self, guest: GuestLike, condition: Condition, reason: str = "") -> None:
        """Say how well the hypervisor gets on with a guest; a restart makes it OK again."""
        self._change(guest, lambda before: replace(before, health=Health(condition, reason)))

    def ignore_shutdown(self, guest: GuestLike, *, ignores: bool = True) -> None:
        """Let a guest take no notice when it is asked to stop."""
        self._change(guest, lambda before: replace(before, obeys=not ignores))

    def set_agent(self, guest: GuestLike, *, connected: bool) -> None:
        """Say whether a guest's agent is connected while the guest runs."""
        self._change(guest, lambda before: replace(before, has_agent=connected))

    def print(self, guest: GuestLike, *lines: str) -> None:
        """Let a guest write lines to its serial console."""
        self._change(guest, lambda before: before.printed(lines))

    def write_disk(self, guest: GuestLike, text: str) -> None:
        """Let a guest write to its boot disk: what a rebuild wipes and a snapshot shows."""
        with self._world().changing() as state:
            found = self._find(state, guest)
            if found.boot_disk is None:
                raise InvalidSpec("guest", found.name, "a guest with a boot disk of its own")
            volume = state.volumes[found.boot_disk]
            state.put_volume(replace(volume, content=f"{volume.content}; {text}"))

    def set_maintenance(self, node: str, reason: str | None) -> None:
        """Take a host out of use natively, for this reason, or back with None."""
        with self._world().changing() as state:
            state.set_maintenance(require_one("node", node, self._world().shape.nodes), reason)

    def add_image(self, name: str, virtual_size_bytes: int = GiB(1)) -> None:
        """Give the hypervisor an image, to be named by ``Native(name)``."""
        with self._world().changing() as state:
            state.put_image(Image(name=name, virtual_size_bytes=virtual_size_bytes))

    def remove_image(self, name: str) -> None:
        """Take an image away, with the volume that a snapshot put it in. Idempotent."""
        with self._world().changing() as state:
            state.drop_image(name)

    def remove_kept_disks(self, guest: UUID) -> None:
        """Remove the disks that a destroy of this guest kept. Idempotent."""
        with self._world().changing() as state:
            kept = [volume.key for volume in state.volumes.values() if volume.uuid == guest and not volume.belongs]
            for key in kept:
                state.drop_volume(key)

    # --- what is there --------------------------------------------------------------------------------------------

    def parts(self, guest: GuestLike) -> Parts:
        """What a guest is made of."""
        with self._world().reading() as state:
            found = self._find(state, guest)
            return Parts(
                guest=found,
                volumes=tuple(state.volumes[key] for key in found.disks if key in state.volumes),
                ports=tuple(state.ports[name] for name in found.ports if name in state.ports),
            )

    def boots(self, guest: GuestLike) -> int:
        """How often a guest was started; restored memory does not count."""
        with self._world().reading() as state:
            return self._find(state, guest).boots

    def interrupts(self, guest: GuestLike) -> int:
        """How often a guest was interrupted for a crash dump."""
        with self._world().reading() as state:
            return self._find(state, guest).interrupts

    def passwords(self, guest: GuestLike) -> tuple[str, ...]:
        """Whose passwords a guest's agent has set, in this order."""
        with self._world().reading() as state:
            return self._find(state, guest).passwords

    def write(self, guest: GuestLike, offset: int, data: bytes, *, disk: int = 0) -> None:
        """Let a guest write to one of its own disks.

        Args:
            guest: the guest.
            offset: where on the disk.
            data: what it writes.
            disk: which of its disks, counted from 0.
        """
        with self._world().changing() as state:
            volume = state.volumes[self._find(state, guest).own_disks[disk]]
            state.put_volume(replace(volume, written=(*volume.written, (offset, data))))

    def frozen(self, guest: GuestLike) -> bool:
        """Whether a guest's file systems are at rest."""
        with self._world().reading() as state:
            return self._find(state, guest).frozen

    def objects(self) -> tuple[str, ...]:
        """Everything that exists, whoever made it, sorted: for checks that nothing is left."""
        with self._world().reading() as state:
            return tuple(
                sorted(
                    [
                        *(f"guest {guest.name} {guest.native_id}" for guest in state.guests.values()),
                        *(f"record {uuid}" for uuid in state.records),
                        *(f"{volume.kind} {volume.pool}/{volume.name}" for volume in state.volumes.values()),
                        *(f"port {port.network}/{port.name}" for port in state.ports.values()),
                    ]
                )
            )

    # --- inside ---------------------------------------------------------------------------------------------------

    def _change(self, guest: GuestLike, change: Callable[[Guest], Guest]) -> None:
        with self._world().changing() as state:
            state.put(change(self._find(state, guest)))

    def _find(self, state: State, guest: GuestLike) -> Guest:
        ref = InstanceRef(uuid=guest) if isinstance(guest, UUID) else InstanceRef(uuid=guest.uuid)
        if isinstance(guest, Instance | InstanceRef):
            ref = replace(ref, native_id=guest.native_id)
        return find(ref, state.claimants(ref.uuid))

    def _new(self, state: State, name: str) -> Guest:
        world = self._world()
        nodes = [name for name in world.shape.nodes if not world.shape.whole_nodes or not state.guests_on(name)]
        native_id = state.new_native_id()
        return Guest(
            native_id=native_id,
            native_uuid=uuid5(NAMESPACE, f"{world.name} {native_id}"),
            name=name,
            node=nodes[0] if nodes else world.shape.nodes[0],
            vcpus=1,
            memory_bytes=GiB(1),
            log=None,
        )

    def _copy_of(self, state: State, original: Guest, name: str, mark: Record | None) -> Guest:
        new = self._new(state, name)
        return replace(
            new,
            mark=mark,
            node=original.node,
            vcpus=original.vcpus,
            memory_bytes=original.memory_bytes,
            labels=original.labels,
        )


def made_by(owner: str, uuid: UUID, native_id: str) -> Record:
    """The record of a guest that another user of this API made; nobody here knows what it was asked for with."""
    return Record(uuid=uuid, owner=owner, fingerprint="of another owner", phase=Phase.READY, native_id=native_id)
