"""Drivers that are wrong about moving running guests."""

from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.identity import InstanceRef
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
