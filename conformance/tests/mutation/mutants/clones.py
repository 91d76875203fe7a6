"""Drivers that are wrong about copies of guests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import VirtError
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.guest import Guest, Volume
from nova_virt_api.fake.state import State
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.quiesce import Quiesce


class Altering(FakeDriver):
    """Base of those whose copies are not as they should be."""

    def alter(self, copy: Instance, original: InstanceRef, change: Callable[[State, Guest, Guest], object]) -> Instance:
        with self.connection.world.changing() as state:
            for guest in state.claimants(copy.uuid):
                for other in state.claimants(original.uuid):
                    change(state, guest, other)
        return self.instance(copy.ref)


class CloneSharesMacAddresses(Altering):
    """A copy has its original's MAC addresses."""

    caught_by = "test_copy_has_addresses_of_its_own"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        return self.alter(super().clone(guest, spec, op, **more), guest, same_addresses)


class CloneOfABlankDisk(Altering):
    """A copy's disks are empty."""

    caught_by = "test_copy_holds_what_its_original_held"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        return self.alter(super().clone(guest, spec, op, **more), guest, emptied)


class CloneTakesLabelsAlong(Altering):
    """A copy has its original's labels."""

    caught_by = "test_labels_are_not_taken_along"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        copy = super().clone(guest, spec, op, **more)
        return self.alter(copy, guest, lambda state, mine, theirs: state.put(replace(mine, labels=theirs.labels)))


class CloneKeepsVolumes(Altering):
    """A copy uses its original's volumes too."""

    caught_by = "test_volumes_stay_with_their_guest"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        copy = super().clone(guest, spec, op, **more)
        return self.alter(copy, guest, lambda state, mine, theirs: state.put(replace(mine, attached=theirs.attached)))


class CloneIsNeverAtRest(FakeDriver):
    """A copy that has to be at rest is made without, where no agent answers."""

    caught_by = "test_clone_that_cannot_be_at_rest"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        return super().clone(guest, spec, op, quiesce=Quiesce.IF_POSSIBLE)


class CloneLeavesADisk(FakeDriver):
    """A clone that was stopped leaves a copy of the disk."""

    caught_by = "test_clone_is_cancelled_at_each_stage"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        try:
            return super().clone(guest, spec, op, **more)
        except VirtError:
            left = Volume(
                pool=self.connection.world.shape.pools[0], name=f"{spec.uuid}-left", kind="disk", size_bytes=1
            )
            with self.connection.world.changing() as state:
                state.put_volume(left)
            raise


class CloneNeedsItsOriginal(FakeDriver):
    """A copy that is there is not found once its original is gone."""

    caught_by = "test_same_request_finds_the_copy"

    def clone(self, guest: InstanceRef, spec: CloneSpec, op: Operation, **more: Any) -> Instance:
        self.instance(guest)
        return super().clone(guest, spec, op, **more)


def same_addresses(state: State, mine: Guest, theirs: Guest) -> None:
    """Give a guest's ports another's addresses."""
    for name, other in zip(mine.ports, theirs.ports, strict=False):
        state.put_port(replace(state.ports[name], mac=state.ports[other].mac))


def emptied(state: State, mine: Guest, _: Guest) -> None:
    """Take everything off a guest's disks."""
    for key in mine.own_disks:
        state.put_volume(replace(state.volumes[key], content="", written=()))
