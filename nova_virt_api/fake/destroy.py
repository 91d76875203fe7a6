"""Removing guests, or what is left of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import PermissionDenied, StateAfter, VirtError
from nova_virt_api.fake import remains
from nova_virt_api.fake.listing import ambiguous
from nova_virt_api.fake.state import HOLDS_MEMORY
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.model.instance import DiskPolicy
from nova_virt_api.model.record import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Volume
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.identity import InstanceRef

KEPT = "kept disk"


class Destroy:
    """One run of ``Driver.destroy``.

    Args:
        connection: for whom.
        guest: the guest.
        op: the operation worked for.
        disks: what becomes of its disks.
        foreign: whether a guest of other making may be destroyed.
    """

    def __init__(
        self, connection: Connection, guest: InstanceRef, op: Operation, disks: DiskPolicy, foreign: bool
    ) -> None:
        self._connection = connection
        self._world = connection.world
        self._uuid = guest.uuid
        self._op = op
        self._disks = disks
        self._foreign = foreign

    def run(self) -> bool:
        """Remove it; returns whether there was anything."""
        with self._connection.hold(self._uuid, "destroy"):
            with self._world.reading() as state:
                if not self._check(state):
                    return False
            self._connection.step(Step.DESTROY_MARK, self._op)
            with self._world.changing() as state:
                self._connection.check_holder(state, self._uuid)
                if not self._check(state):
                    return False
                record = state.records.get(self._uuid)
                if record is not None:
                    state.put_record(replace(record, phase=Phase.DELETING, holder=self._connection.holder))
            try:
                self._remove()
            except VirtError as error:
                with self._world.reading() as state:
                    error.leftovers = tuple(remains.of(state, self._uuid))
                error.state_after = StateAfter.CHANGED
                raise
            return True

    def _check(self, state: State) -> bool:
        """Whether there is anything that this connection may remove.

        Raises:
            PermissionDenied: it is not this owner's.
            Ambiguous: several guests claim the uuid.
        """
        claimants = state.claimants(self._uuid)
        if len(claimants) > 1:
            raise ambiguous(self._uuid, claimants)
        there = remains.of(state, self._uuid)
        for owner in {leftover.owner for leftover in there}:
            self._connection.check_owner(owner)
            if owner != self._connection.endpoint.owner and not self._foreign:
                hint = "say foreign=True if it shall be destroyed nevertheless"
                raise PermissionDenied("the guest is not this owner's", hint=hint)
        return bool(there)

    def _remove(self) -> None:
        self._do(Step.DESTROY_STOP, self._stop)
        self._do(Step.DESTROY_UNDEFINE, self._undefine)
        with self._world.reading() as state:
            ports = [port.name for port in state.ports_of(self._uuid)]
            volumes = state.volumes_of(self._uuid)
        for name in ports:
            self._do(Step.DESTROY_PORT, lambda state, name=name: state.drop_port(name))  # type: ignore[misc]
        for volume in volumes:
            self._do(Step.DESTROY_DISK, lambda state, volume=volume: self._remove_volume(state, volume))  # type: ignore[misc]
        self._do(Step.DESTROY_RECORD, self._forget)

    def _do(self, step: Step, change: Callable[[State], object]) -> None:
        """One step; from the mark on there is no way back, so neither a cancel nor a deadline stops it."""
        self._op.stage(STAGES[step], CancelMode.NONE)
        self._connection.switches.reach(step)
        with self._world.changing() as state:
            change(state)

    def _stop(self, state: State) -> None:
        for guest in state.claimants(self._uuid):
            if guest.power_state in HOLDS_MEMORY:
                state.put(guest.stopped())

    def _undefine(self, state: State) -> None:
        for guest in state.claimants(self._uuid):
            state.drop(guest.native_id)

    def _remove_volume(self, state: State, volume: Volume) -> None:
        if volume.key not in state.volumes:
            return
        state.drop_volume(volume.key)
        if volume.kind == "disk" and self._disks is DiskPolicy.KEEP:
            state.put_volume(replace(volume, name=free_name(state, volume), kind=KEPT))

    def _forget(self, state: State) -> None:
        if self._uuid in state.records:
            state.drop_record(self._uuid)


def free_name(state: State, volume: Volume) -> str:
    """A name for a kept disk that a later guest of the same uuid does not take for its own."""
    number = 1
    while (volume.pool, f"{volume.name}.kept{number}") in state.volumes:
        number += 1
    return f"{volume.name}.kept{number}"
