"""Drivers that are wrong about what a guest goes back to."""

from dataclasses import replace
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.checkpoint import CheckpointInfo
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerState


class RevertOnlyStops(FakeDriver):
    """Going back stops the guest and leaves on its disk what was written since."""

    caught_by = "test_reverting_brings_the_disk_back"

    def revert_to_checkpoint(self, guest: InstanceRef, name: str, op: Operation) -> None:
        with self.connection.world.reading() as state:
            before = [volume for volume in state.volumes_of(guest.uuid) if volume.kind == "disk"]
        super().revert_to_checkpoint(guest, name, op)
        with self.connection.world.changing() as state:
            for volume in before:
                state.put_volume(volume)


class RevertForgetsLaterCheckpoints(FakeDriver):
    """Going back forgets the checkpoints that were taken later."""

    caught_by = "test_checkpoints_form_a_tree"

    def revert_to_checkpoint(self, guest: InstanceRef, name: str, op: Operation) -> None:
        super().revert_to_checkpoint(guest, name, op)
        for later in self.checkpoints(guest):
            if later.parent == name:
                super().delete_checkpoint(guest, later.name, op, children=True)


class CheckpointIsNameOnly(FakeDriver):
    """A checkpoint of a name that is there is returned, whatever was asked for."""

    caught_by = "test_same_checkpoint_is_made_once"

    def create_checkpoint(
        self, guest: InstanceRef, name: str, op: Operation, *, memory: bool = False, description: str = ""
    ) -> CheckpointInfo:
        for there in self.checkpoints(guest):
            if there.name == name:
                return there
        return super().create_checkpoint(guest, name, op, memory=memory, description=description)


class MemoryIsNotKept(FakeDriver):
    """Going back to a checkpoint with memory starts the guest anew."""

    caught_by = "test_reverting_brings_the_memory_back"

    def revert_to_checkpoint(self, guest: InstanceRef, name: str, op: Operation) -> None:
        super().revert_to_checkpoint(guest, name, op)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                if found.power_state is PowerState.RUNNING:
                    self.connection.world.boot(state, found.stopped())


class DeletingTakesTheChildren(FakeDriver):
    """A deleted checkpoint takes along those that came from it."""

    caught_by = "test_deleting_spares_the_other_checkpoints"

    def delete_checkpoint(self, guest: InstanceRef, name: str, op: Operation, **more: Any) -> None:
        super().delete_checkpoint(guest, name, op, children=True)


class DeletedCheckpointKeepsItsRoom(FakeDriver):
    """What a checkpoint took stays when it is deleted."""

    caught_by = "test_deleted_checkpoints_leave_nothing"

    def delete_checkpoint(self, guest: InstanceRef, name: str, op: Operation, **more: Any) -> None:
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(replace(found, points=tuple(kept for kept in found.points if kept.name != name)))
