"""Moving running guests from one fake world to another, or from host to host of one."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.driver.operation import CancelMode
from nova_virt_api.errors import InstanceExists, InstanceNotFound, InvalidState, MigrationError, NotSupported
from nova_virt_api.fake import remains
from nova_virt_api.fake.journey import Journey
from nova_virt_api.fake.moving_in import MovingIn
from nova_virt_api.fake.places import check_host
from nova_virt_api.fake.shares import named
from nova_virt_api.fake.steps import STAGES, Step
from nova_virt_api.fake.switches import SimulatedCrash
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.record import Phase
from nova_virt_api.model.spec import require_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.fake.connection import Connection
    from nova_virt_api.fake.guest import Guest
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_api.model.volume import Volume

MOVABLE: Final = (PowerState.RUNNING, PowerState.PAUSED)
ROUNDS: Final = 4
"""In so many parts a guest's memory is copied."""


class FakeLiveMigration(LiveMigration):
    """The role ``LiveMigration`` of the fake driver: both worlds must be of one process."""

    connection: Connection

    # --- before ---------------------------------------------------------------------------------------------------

    def check_destination(
        self, guest: InstanceRef, op: Operation, *, spec: InstanceSpec | None = None, node: str | None = None
    ) -> Ticket:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        shape = connection.world.shape
        if node is not None:
            require_one("node", node, shape.nodes)
        connection.step(Step.CHECK_MIGRATION, op)
        with connection.world.reading() as state:
            found = state.claimants(guest.uuid)
            record = state.records.get(guest.uuid)
            begun = record is not None and record.phase is Phase.BUILDING  # what an interrupted move left
            if not found and not begun and remains.of(state, guest.uuid):
                hint = "destroy what is left of it first"
                raise InstanceExists(f"another guest had the uuid {guest.uuid} here", hint=hint)
        arrived = found[0].arrived if found else None
        if found and arrived is None:
            if len(shape.nodes) < 2:
                raise InstanceExists(f"guest {guest.uuid} is here already", hint="name another destination")
            connection.require(Feature.MIGRATE_WITHIN)
        within = bool(found) and arrived is None
        key = connection.world.reachable()
        return Journey(
            guest=guest.uuid,
            source=key if within else None,
            destination=key,
            node=node,
            token=arrived or secrets.token_hex(8),
        ).ticket()

    def check_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> Ticket:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        journey = Journey.of(ticket, "check_source", guest.uuid)
        connection.step(Step.CHECK_MIGRATION, op)
        with connection.world.reading() as state:
            if not state.claimants(guest.uuid) and self._has_gone(state, journey):
                return replace(journey, source=connection.world.reachable()).ticket()
            found = connection.ready(state, guest, Lifecycle.MIGRATING)
        if found.power_state not in MOVABLE:
            raise InvalidState(found.power_state, MOVABLE)
        if found.shared:
            message = f"the guest cannot leave its host: it uses {named(found)} of it"
            raise MigrationError("check_source", message, hint="detach it first")
        if found.points:
            raise MigrationError("check_source", "the guest has checkpoints", hint="delete them first")
        if journey.within:
            self._other_node(found, journey)
        elif journey.destination == connection.world.key:
            raise MigrationError("check_source", "this ticket leads from here to here", hint="ask another destination")
        return replace(journey, source=connection.world.reachable()).ticket()

    def prepare(
        self,
        ticket: Ticket,
        op: Operation,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
    ) -> Ticket:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        journey = Journey.of(ticket, "prepare")
        with connection.hold(journey.guest, "prepare migration"):
            if not journey.within and not self._has_arrived(journey):
                MovingIn(connection, journey, op).prepare(nics, volumes or (), host_cpus, host_cells)
                journey = replace(journey, host_cells=None if host_cells is None else tuple(host_cells))
        return replace(journey, prepared=True).ticket()

    # --- the move -------------------------------------------------------------------------------------------------

    def migrate(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        journey = Journey.of(ticket, "migrate", guest.uuid)
        if not journey.prepared:
            raise MigrationError("migrate", "the destination was not prepared", hint="call prepare with this ticket")
        with connection.hold(guest.uuid, "migrate"):
            if journey.within:
                self._change_node(guest, journey, op)
                return
            with connection.world.changing() as state:
                there = bool(state.claimants(guest.uuid))
                if there and not self._has_gone(state, journey):
                    found = connection.ready(state, guest, Lifecycle.MIGRATING)
                    if found.power_state not in MOVABLE:
                        raise InvalidState(found.power_state, MOVABLE)
                    state.put(replace(found, moving=journey.token))
            try:
                self._go(guest, journey, op, there=there)
            except SimulatedCrash:
                raise
            except BaseException:
                self._stay(guest, journey)
                raise

    def _go(self, guest: InstanceRef, journey: Journey, op: Operation, *, there: bool) -> None:
        connection = self.connection
        if not self._has_arrived(journey):
            if not there:
                raise InstanceNotFound(f"no guest {guest.uuid} here, and none has gone by this ticket")
            self._copy(op)
            with connection.world.reading() as state:
                found = connection.owned(state, guest)
            MovingIn(connection, journey, op).arrive(found)
        op.stage(STAGES[Step.LEAVE], CancelMode.NONE)
        connection.switches.reach(Step.LEAVE)
        with connection.world.changing() as state:
            for left in state.claimants(guest.uuid):
                state.drop(left.native_id)

    def _copy(self, op: Operation) -> None:
        hastened: list[bool] = []
        connection = self.connection
        for round_ in range(ROUNDS):
            op.stage(STAGES[Step.COPY_MEMORY]) if not round_ else op.checkpoint()
            op.on_complete_now(lambda: hastened.append(True))
            connection.switches.reach(Step.COPY_MEMORY, op)
            op.progress(round_ + 1, ROUNDS)
            if hastened:
                return

    def _change_node(self, guest: InstanceRef, journey: Journey, op: Operation) -> None:
        connection = self.connection
        with connection.world.changing() as state:
            found = connection.ready(state, guest, Lifecycle.MIGRATING)
            if found.power_state not in MOVABLE:
                raise InvalidState(found.power_state, MOVABLE)
            if journey.node is not None and found.node == journey.node:
                state.put(replace(found, moving=None))
                return
            node = self._other_node(found, journey)
            check_host(state, connection.world.shape, node, found.vcpus, found.memory_bytes)
            state.put(replace(found, moving=journey.token))
        try:
            self._copy(op)
        except SimulatedCrash:
            raise
        except BaseException:
            self._stay(guest, journey)
            raise
        with connection.world.changing() as state:
            found = connection.ready(state, guest, Lifecycle.MIGRATING)
            state.put(replace(found, node=node, moving=None))

    # --- after ----------------------------------------------------------------------------------------------------

    def finish_destination(self, guest: InstanceRef, op: Operation) -> Instance:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        connection.switches.reach(Step.FINISH_MIGRATION)
        with connection.hold(guest.uuid, "finish migration"), connection.world.changing() as state:
            if not state.claimants(guest.uuid) and guest.uuid in state.records:
                raise MigrationError("finish_destination", "the guest has not arrived", hint="repeat migrate")
            found = connection.ready(state, guest, Lifecycle.MIGRATING)
            if found.moving is not None and found.moving != found.arrived:
                raise MigrationError("finish_destination", "the guest is on its way from here", hint="repeat migrate")
            found = state.put(replace(found, moving=None, arrived=None))
            return connection.listing.view(state, found)

    def finish_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        journey = Journey.of(ticket, "finish_source", guest.uuid)
        if journey.within:
            return
        with connection.hold(guest.uuid, "finish migration"):
            op.stage(STAGES[Step.FINISH_MIGRATION], CancelMode.NONE)
            connection.switches.reach(Step.FINISH_MIGRATION)
            with connection.world.changing() as state:
                if state.claimants(guest.uuid):
                    raise MigrationError("finish_source", "the guest is still here", hint="migrate it, or roll back")
                record = state.records.get(guest.uuid)
                if record is None or record.phase is not Phase.BUILDING:  # else it was made for its way back
                    remains.remove_all(state, guest.uuid)

    def rollback_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        journey = Journey.of(ticket, "rollback_source", guest.uuid)
        with connection.hold(guest.uuid, "roll back migration"):
            if not journey.within and self._has_arrived(journey):
                raise MigrationError("rollback_source", "the guest has gone over", hint="repeat migrate, then finish")
            with connection.world.changing() as state:
                connection.owned(state, guest)
            self._stay(guest, journey)

    def rollback_destination(self, ticket: Ticket, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.LIVE_MIGRATION)
        journey = Journey.of(ticket, "rollback_destination")
        if journey.within:
            return
        with connection.hold(journey.guest, "roll back migration"):
            op.stage(STAGES[Step.ROLL_BACK_MIGRATION], CancelMode.NONE)
            connection.switches.reach(Step.ROLL_BACK_MIGRATION)
            with connection.world.changing() as state:
                if state.claimants(journey.guest):
                    raise MigrationError("rollback_destination", "the guest has arrived", hint="finish its migration")
                record = state.records.get(journey.guest)
                if record is not None and record.phase is Phase.BUILDING:
                    remains.remove_all(state, journey.guest)

    # --- what they share ------------------------------------------------------------------------------------------

    def _stay(self, guest: InstanceRef, journey: Journey) -> None:
        """Make a guest that did not go one like all others again."""
        if not journey.within and self._has_arrived(journey):
            return
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                if found.moving is not None:
                    state.put(replace(found, moving=None))

    def _has_gone(self, state: State, journey: Journey) -> bool:
        """Whether what is left of the guest here is only to be removed."""
        return bool(remains.of(state, journey.guest)) and self._has_arrived(journey)

    def _has_arrived(self, journey: Journey) -> bool:
        """Whether the guest is at the destination, by this ticket."""
        with journey.world().reading() as state:
            return any(found.arrived == journey.token for found in state.claimants(journey.guest))

    def _other_node(self, guest: Guest, journey: Journey) -> str:
        names = [name for name in self.connection.world.shape.nodes if name != guest.node]
        if journey.node is None and names:
            return names[0]
        if journey.node not in names:
            raise NotSupported(Feature.MIGRATE_WITHIN, "node", "the guest is on this node already")
        return journey.node
