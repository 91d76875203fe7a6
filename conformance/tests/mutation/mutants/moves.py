"""Drivers that are wrong about moving guests."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.ticket import Ticket


class LeavesRemainsBehind(FakeDriver):
    """A guest that has moved leaves its volumes and its record at the source."""

    caught_by = "test_running_guest_moves"

    def finish_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        """Nothing is removed."""


class KeepsWhatWasPrepared(FakeDriver):
    """What was prepared for a guest that does not come stays at the destination."""

    caught_by = "test_rollback_leaves_the_guest_as_it_was"

    def rollback_destination(self, ticket: Ticket, op: Operation) -> None:
        """Nothing is removed."""


class StartsAnew(FakeDriver):
    """A guest that moves is started from its disk at the destination."""

    caught_by = "test_moved_guest_did_not_start_anew"

    def finish_destination(self, guest: InstanceRef, op: Operation) -> Any:
        super().finish_destination(guest, op)
        with self.connection.world.changing() as state:
            self.connection.world.boot(state, state.claimants(guest.uuid)[0])
        return super().finish_destination(guest, op)


class Undedicated(FakeDriver):
    """Base of those that forget, when a guest has come, that it has processors for itself."""

    def forget_processors(self, uuid: UUID) -> None:
        """Let the guest run anywhere."""
        with self.connection.world.changing() as state:
            for guest in state.claimants(uuid):
                cpu = replace(guest.machine.cpu, dedicated=False, host_cpus=())
                state.put(replace(guest, machine=replace(guest.machine, cpu=cpu)))


class LetsMovedGuestsRunAnywhere(Undedicated):
    """A guest that was moved while it ran has no processors for itself any more."""

    caught_by = "test_running_guest_has_processors_of_its_destination"

    def finish_destination(self, guest: InstanceRef, op: Operation) -> Any:
        made = super().finish_destination(guest, op)
        self.forget_processors(guest.uuid)
        return made


class LetsFetchedGuestsRunAnywhere(Undedicated):
    """A guest that was fetched has no processors for itself, whatever its spec says."""

    caught_by = "test_fetched_guest_has_the_processors_of_its_spec"

    def finish_resize(self, ticket: Ticket, op: Operation, *, spec: InstanceSpec | None = None) -> Instance:
        made = super().finish_resize(ticket, op, spec=spec)
        self.forget_processors(ticket.guest)
        return made


class KeepsNoProcessors(FakeDriver):
    """What is prepared for a guest that moves has no processors: others can be given those that it is to have."""

    caught_by = "test_processors_that_wait_for_a_guest_go_to_no_other"

    def prepare(self, ticket: Ticket, op: Operation, **asked: Any) -> Ticket:
        made = super().prepare(ticket, op, **asked)
        with self.connection.world.changing() as state:
            state.reserved.clear()
        return made
