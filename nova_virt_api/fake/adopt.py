"""Taking over guests of other making, and giving guests back."""

from dataclasses import replace

from nova_virt_api.capability import Capability
from nova_virt_api.driver.adopt import Adopt
from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InvalidState, PermissionDenied
from nova_virt_api.fake.connection import HINTS, Connection
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.listing import ambiguous, find
from nova_virt_api.fake.state import State
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, Lifecycle
from nova_virt_api.model.record import Phase, Record

FINGERPRINT = "adopted"
"""In the record of a guest that was not asked for by a spec; no spec's fingerprint is equal to it."""


class FakeAdopt(Adopt):
    """The role ``Adopt`` of the fake driver: a mark is written on the guest, or taken off."""

    connection: Connection

    def check_adoptable(self, guest: InstanceRef) -> None:
        self.connection.require(Capability.ADOPT)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            self.connection.check_holder(state, guest.uuid)
            self._free(state, guest)

    def adopt(self, guest: InstanceRef, op: Operation) -> Instance:
        connection = self.connection
        connection.require(Capability.ADOPT)
        with connection.hold(guest.uuid, "adopt"):
            with connection.world.reading() as state:
                found = self._free(state, guest)
                if found.owner is not None:
                    return connection.listing.view(state, found)
            connection.step(Step.ADOPT, op)
            with connection.world.changing() as state:
                found = self._free(state, guest)
                if found.owner is None:
                    record = Record(
                        uuid=found.uuid,
                        owner=connection.endpoint.owner,
                        fingerprint=FINGERPRINT,
                        phase=Phase.READY,
                        native_id=found.native_id,
                    )
                    state.put_record(record)
                    hand_over(state, found, record.owner)
                return connection.listing.view(state, state.guests[found.native_id])

    def release(self, guest: InstanceRef, op: Operation) -> None:
        connection = self.connection
        connection.require(Capability.ADOPT)
        with connection.hold(guest.uuid, "release"):
            with connection.world.reading() as state:
                if self._free(state, guest).owner is None:
                    return
            connection.step(Step.RELEASE, op)
            with connection.world.changing() as state:
                found = self._free(state, guest)
                if found.owner is not None:
                    state.drop_record(found.uuid)
                    hand_over(state, found, None)
                    state.put(replace(found, mark=None))

    def _free(self, state: State, guest: InstanceRef) -> Guest:
        """The guest, which is nobody's or this owner's, and with which nothing is going on."""
        claimants = state.claimants(guest.uuid)
        if len(claimants) > 1:
            raise ambiguous(guest.uuid, claimants)
        found = find(guest, claimants)
        if found.owner not in {None, self.connection.endpoint.owner}:
            raise PermissionDenied(f"the guest belongs to {found.owner!r}", hint="let its owner release it")
        if not found.finished:
            raise InvalidState(found.lifecycle, [Lifecycle.READY], hint=HINTS.get(found.lifecycle, ""))
        return found


def hand_over(state: State, guest: Guest, owner: str | None) -> None:
    """Write another owner on what was made for a guest."""
    for volume in state.volumes_of(guest.uuid):
        state.put_volume(replace(volume, owner=owner))
    for port in state.ports_of(guest.uuid):
        state.put_port(replace(port, owner=owner))
