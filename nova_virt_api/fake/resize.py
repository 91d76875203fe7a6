"""Giving guests another size, and moving them between worlds."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import InstanceNotFound, InvalidSpec, InvalidState, MigrationError
from nova_virt_api.fake.arrival import Arrival, size_wanted
from nova_virt_api.fake.parcel import Parcel
from nova_virt_api.fake.places import network_of
from nova_virt_api.fake.power import restart
from nova_virt_api.fake.reshape import begun, check_room, check_start, put_back, reshaped, using
from nova_virt_api.fake.resize_live import FakeLiveResize
from nova_virt_api.fake.resizing import asked
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Guest
    from nova_virt_api.fake.resizing import Resizing
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.size import Size
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_api.model.volume import Volume

PENDING: Final = Lifecycle.RESIZE_PENDING
OFF: Final = (PowerState.SHUTDOWN,)


class FakeResize(FakeLiveResize):
    """The role ``Resize`` of the fake driver. A destination reaches all worlds of its process."""

    connection: Connection

    def resize(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        connection = self.connection
        self._require_size(size)
        with connection.hold(guest.uuid, "resize"):
            with connection.world.reading() as state:
                found = self._resizable(state, guest, size, away=False)
                check_room(state, connection.world.shape, found, size)
            if found.resizing is None:
                connection.step(Step.PREPARE_RESIZE, op)
                self._begin(guest, size, away=False)
            if found.resizing is None or not found.resizing.done:
                self._finish_or_undo(guest, op, as_before=found)
            return self._seen(guest)

    def prepare_resize(self, guest: InstanceRef, size: Size, op: Operation) -> Ticket:
        connection = self.connection
        self._require_size(size)
        with connection.hold(guest.uuid, "prepare resize"):
            with connection.world.reading() as state:
                resizing = self._resizable(state, guest, size, away=True).resizing
            if resizing is None:
                connection.step(Step.PREPARE_RESIZE, op)
                resizing = self._begin(guest, size, away=True)
        return Parcel.at(connection.world, resizing.token).ticket(guest.uuid)

    def finish_resize(self, ticket: Ticket, op: Operation, *, spec: InstanceSpec | None = None) -> Instance:
        connection = self.connection
        connection.require(Capability.RESIZE)
        parcel = Parcel.of(ticket)
        if spec is not None and spec.uuid != ticket.guest:
            raise InvalidSpec("spec.uuid", spec.uuid, f"{ticket.guest}, the ticket's guest")
        guest = InstanceRef(uuid=ticket.guest)
        with connection.hold(guest.uuid, "finish resize"):
            if parcel.world != connection.world.key:
                connection.require(Feature.COLD_MIGRATION)
                Arrival(connection, parcel, guest.uuid, spec, op).run()
            elif not self._finished(guest, parcel):
                self._finish_or_undo(guest, op, spec)
            return self._seen(guest)

    def confirm_resize(self, guest: InstanceRef, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.RESIZE)
        with connection.hold(guest.uuid, "confirm resize"):
            with connection.world.reading() as state:
                if not state.claimants(guest.uuid) or self._confirmable(state, guest) is None:
                    return
            connection.step(Step.CONFIRM_RESIZE, op)
            with connection.world.changing() as state:
                resizing = self._confirmable(state, guest)
                found = connection.ready(state, guest, PENDING)
                if resizing is not None and not resizing.done:
                    remove_gone(state, found)
                elif resizing is not None:
                    state.put(replace(found, resizing=None, attached_before=(), machine_before=None))

    def revert_resize(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        power_on: bool = False,
    ) -> None:
        connection = self.connection
        connection.require(Capability.RESIZE)
        networks = [network_of(nic, f"nics[{i}]", connection.world.shape) for i, nic in enumerate(nics or ())]
        with connection.hold(guest.uuid, "revert resize"):
            with connection.world.reading() as state:
                if connection.ready(state, guest, PENDING).resizing is None:
                    return
            if power_on:
                op.stage(Stage.BEFORE_START)
            connection.step(Step.REVERT_RESIZE, op)
            with connection.world.changing() as state:
                found = connection.ready(state, guest, PENDING)
                cards = None if nics is None else list(zip(nics, networks, strict=True))
                if power_on and found.resizing is not None:
                    check_start(state, connection.world.shape, found, found.resizing.old_size)
                old = put_back(state, found, cards, volumes)
                if power_on:
                    restart(connection.world, state, old)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _require_size(self, size: Size) -> None:
        self.connection.require(Capability.RESIZE)
        for feature, _ in size.features():
            self.connection.require(feature)

    def _seen(self, guest: InstanceRef) -> Instance:
        with self.connection.world.reading() as state:
            return self.connection.listing.view(state, state.claimants(guest.uuid)[0])

    def _resizable(self, state: State, guest: InstanceRef, size: Size, *, away: bool) -> Guest:
        """The guest, which can be resized now, or is being resized in the same way already."""
        found = self.connection.ready(state, guest, PENDING)
        resizing = found.resizing
        if resizing is None:
            if found.power_state is not PowerState.SHUTDOWN:
                raise InvalidState(found.power_state, OFF, hint="stop it first")
        elif resizing.size != size or (resizing.away is not away and not resizing.done):
            raise InvalidState(PENDING, (Lifecycle.READY,), hint="confirm or revert its resize first")
        return found

    def _begin(self, guest: InstanceRef, size: Size, *, away: bool) -> Resizing:
        with self.connection.world.changing() as state:
            found = self._resizable(state, guest, size, away=away)
            if found.resizing is not None:
                return found.resizing
            resizing = begun(state, found, size, secrets.token_hex(8), away=away)
            before = replace(found, attached_before=found.attached, machine_before=found.machine)
            state.put(replace(before, resizing=resizing))
            return resizing

    def _finish_or_undo(
        self, guest: InstanceRef, op: Operation, spec: InstanceSpec | None = None, as_before: Guest | None = None
    ) -> None:
        """Give the guest its new size; one that fails is as before, though still prepared if it was."""
        connection = self.connection
        try:
            self._finish(guest, op, spec)
        except SimulatedCrash:
            raise
        except BaseException:
            op.stage(Stage.CLEAN_UP, CancelMode.NONE)
            with connection.world.changing() as state:
                if as_before is not None and state.claimants(guest.uuid):
                    state.put(replace(as_before, resizing=None) if as_before.resizing else as_before)
            raise

    def _finish(self, guest: InstanceRef, op: Operation, spec: InstanceSpec | None) -> None:
        connection = self.connection
        nics = [] if spec is None else list(spec.nics)
        networks = [network_of(nic, f"spec.nics[{i}]", connection.world.shape) for i, nic in enumerate(nics)]
        for stage in (Stage.DISKS_READY, Stage.NETWORK_READY):
            op.stage(stage)
        if spec is not None and spec.power_on:
            op.stage(Stage.BEFORE_START)
        connection.step(Step.FINISH_RESIZE, op)
        with connection.world.changing() as state:
            found = connection.ready(state, guest, PENDING)
            if found.resizing is None:
                raise stale(guest)
            size = size_wanted(found.resizing.size, spec)
            check_room(state, connection.world.shape, found, size)
            done = replace(found.resizing, done=True, **asked(size))
            cards = None if spec is None else list(zip(nics, networks, strict=True))
            if spec is not None and spec.power_on:
                check_start(state, connection.world.shape, found, size)
            changed = reshaped(state, replace(found, resizing=done), size, cards)
            if spec is not None:
                shape, own = connection.world.shape, frozenset(found.machine.cpu.host_cpus)
                machine = found.machine.placed(spec, shape.dedicated, state.dedicated_on(found.node) - own)
                changed = state.put(replace(using(changed, spec.volumes), machine=machine))
            if spec is not None and spec.power_on:
                restart(connection.world, state, changed)

    def _finished(self, guest: InstanceRef, parcel: Parcel) -> bool:
        """Whether the guest was finished with this ticket.

        Raises:
            MigrationError: it does not wait for it.
        """
        with self.connection.world.reading() as state:
            try:
                resizing = self.connection.ready(state, guest, PENDING).resizing
            except InstanceNotFound as error:
                raise stale(guest) from error
        if resizing is None or resizing.token != parcel.token:
            raise stale(guest)
        return resizing.done

    def _confirmable(self, state: State, guest: InstanceRef) -> Resizing | None:
        """What the guest waits with; None if it waits for nothing.

        Raises:
            InvalidState: its resize was interrupted, or this is the only copy of it.
        """
        resizing = self.connection.ready(state, guest, PENDING).resizing
        if resizing is not None and not resizing.done and not resizing.away:
            hint = "resize it again to finish that, or revert it"
            raise InvalidState(PENDING, (Lifecycle.READY,), hint=hint)
        if resizing is not None and not resizing.done and not resizing.made:
            hint = "no other endpoint has made the guest to the end: finish its resize there, or revert it"
            raise InvalidState(PENDING, (Lifecycle.READY,), hint=hint)
        return resizing


def remove_gone(state: State, guest: Guest) -> None:
    """Remove a guest that another endpoint has by now."""
    state.drop(guest.native_id)
    for port in state.ports_of(guest.uuid):
        state.drop_port(port.name)
    for volume in state.volumes_of(guest.uuid):
        state.drop_volume(volume.key)
    if guest.uuid in state.records:
        state.drop_record(guest.uuid)


def stale(guest: InstanceRef) -> MigrationError:
    """The error for a ticket that means nothing any more."""
    hint = "prepare it again; if it was confirmed or reverted, there is nothing to finish"
    return MigrationError("finish_resize", f"guest {guest.uuid} does not wait here for this ticket", hint=hint)
