"""Points in time that a guest goes back to: what its disks and its memory hold then, and what becomes of the others."""

from __future__ import annotations

import itertools

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import OperationState
from nova_virt_api.driver.checkpoint import Checkpoint
from nova_virt_api.driver.driver import Driver
from nova_virt_api.errors import Cancelled, InvalidSpec, NotSupported
from nova_virt_api.model.instance import Instance, PowerOff, PowerState
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing
from nova_virt_conformance.covers import covers
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.stages import Stages
from nova_virt_conformance.verb import shown

LONG_NAME = "x" * 80
ODD_NAME = "before: the <upgrade> & 'more' \"ü\""


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint, Checkpoint.revert_to_checkpoint)
def test_reverting_brings_the_disk_back(lab: Lab, stopped: Instance) -> None:
    """A guest goes back to what its disk held at a checkpoint, and forth to what it held at a later one."""
    create(lab, stopped, "clean")
    lab.rig.scribble(stopped)
    create(lab, stopped, "written")
    revert(lab, stopped, "clean")
    assert not lab.rig.scribbled(stopped), "what was written after the checkpoint is still on the disk"
    revert(lab, stopped, "written")
    assert lab.rig.scribbled(stopped), "what was on the disk at the later checkpoint is gone"
    assert shown(lab.compute.instance(stopped, fresh=True)) == shown(stopped)


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint, Checkpoint.revert_to_checkpoint)
def test_checkpoint_is_not_written_to(lab: Lab, stopped: Instance) -> None:
    """What a guest writes after it went back is not in the checkpoint: it can go back there again."""
    create(lab, stopped, "clean")
    revert(lab, stopped, "clean")
    lab.rig.scribble(stopped)
    revert(lab, stopped, "clean")
    assert not lab.rig.scribbled(stopped), "what was written after the guest went back is in the checkpoint"


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint)
def test_checkpoint_lets_the_guest_run_on(lab: Lab, running: Instance) -> None:
    """Taking a checkpoint of a running guest changes nothing of it; going back to one without memory leaves it off."""
    before = lab.rig.boots(running)
    made = lab.compute.create_checkpoint(running, "running", description="while it runs", timeout=lab.patience)
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)
    assert lab.rig.boots(running) == before, "the guest was started anew"
    assert (made.name, made.description, made.power_state) == ("running", "while it runs", PowerState.RUNNING)
    assert (made.has_memory, made.parent, made.is_current) == (False, None, True)
    revert(lab, running, "running")
    assert lab.compute.instance(running, fresh=True).power_state is PowerState.SHUTDOWN
    lab.compute.power_on(running, timeout=lab.patience)


@covers(Capability.CHECKPOINT, Feature.CHECKPOINT_MEMORY, Checkpoint.create_checkpoint, Checkpoint.revert_to_checkpoint)
def test_reverting_brings_the_memory_back(lab: Lab, running: Instance) -> None:
    """A guest goes on from a checkpoint with memory in the state that it had then, without being started anew."""
    made = lab.compute.create_checkpoint(running, "with memory", memory=True, timeout=lab.patience)
    assert made.has_memory
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)
    before = lab.rig.boots(running)
    for state in (PowerState.RUNNING, PowerState.SHUTDOWN):
        if state is PowerState.SHUTDOWN:
            lab.compute.power_off(running, mode=PowerOff.HARD, timeout=lab.patience)
        revert(lab, running, "with memory")
        assert lab.compute.instance(running, fresh=True).power_state is PowerState.RUNNING
    assert lab.rig.boots(running) == before, "the guest was started anew"


@covers(Capability.CHECKPOINT, Feature.CHECKPOINT_MEMORY, Checkpoint.create_checkpoint, Checkpoint.revert_to_checkpoint)
def test_memory_of_a_guest_that_is_off(lab: Lab, stopped: Instance) -> None:
    """A guest that is off has no memory to keep; going back to such a checkpoint leaves it off."""
    made = lab.compute.create_checkpoint(stopped, "off", memory=True, timeout=lab.patience)
    assert (made.has_memory, made.power_state) == (False, PowerState.SHUTDOWN)
    lab.compute.power_on(stopped, timeout=lab.patience)
    revert(lab, stopped, "off")
    assert lab.compute.instance(stopped, fresh=True).power_state is PowerState.SHUTDOWN


@covers(Capability.CHECKPOINT, Checkpoint.checkpoints, Checkpoint.create_checkpoint, Checkpoint.revert_to_checkpoint)
def test_checkpoints_form_a_tree(lab: Lab, stopped: Instance) -> None:
    """A checkpoint's parent is the one that the guest came from; all connections see the same tree, parents first."""
    for name in ("root", "left"):
        create(lab, stopped, name)
    revert(lab, stopped, "root")
    assert current(lab, stopped) == "root"
    for name in ("right", "leaf"):
        create(lab, stopped, name)
    wanted = [("root", None), ("left", "root"), ("right", "root"), ("leaf", "right")]
    for compute in (lab.compute, lab.second, lab.other):
        seen = compute.checkpoints(stopped)
        assert [(info.name, info.parent) for info in seen] == wanted
        assert [info.name for info in seen if info.is_current] == ["leaf"]
    revert(lab, stopped, "left")
    assert [(info.name, info.parent) for info in lab.compute.checkpoints(stopped)] == wanted
    assert current(lab, stopped) == "left"


@covers(Capability.CHECKPOINT, Checkpoint.delete_checkpoint)
def test_deleting_spares_the_other_checkpoints(lab: Lab, stopped: Instance) -> None:
    """What came from a deleted checkpoint comes from its parent then, and holds what it held; the guest goes on."""
    create(lab, stopped, "clean")
    lab.rig.scribble(stopped)
    create(lab, stopped, "middle")
    create(lab, stopped, "written")
    delete(lab, stopped, "middle")
    assert [(info.name, info.parent) for info in lab.compute.checkpoints(stopped)] == [
        ("clean", None),
        ("written", "clean"),
    ]
    assert lab.rig.scribbled(stopped), "the guest's disk changed"
    revert(lab, stopped, "clean")
    assert not lab.rig.scribbled(stopped), "the first checkpoint changed"
    revert(lab, stopped, "written")
    assert lab.rig.scribbled(stopped), "the last checkpoint changed"


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint, Checkpoint.delete_checkpoint)
def test_deleted_checkpoints_leave_nothing(lab: Lab, running: Instance) -> None:
    """Once all checkpoints of a guest are deleted, nothing of them is left; one that is not there can be deleted."""
    with leaving_nothing(lab, "the deleted checkpoints"):
        for name in ("one", "two", "three"):
            create(lab, running, name)
        for name in ("two", "one", "two"):
            delete(lab, running, name)
        assert [(info.name, info.parent) for info in lab.compute.checkpoints(running)] == [("three", None)]
        delete(lab, running, "three")
    assert not lab.compute.checkpoints(running)
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


@covers(Capability.CHECKPOINT, Checkpoint.delete_checkpoint)
def test_deleting_with_children(lab: Lab, stopped: Instance) -> None:
    """With its children a checkpoint takes all along that came from it, and nothing else."""
    for name in ("root", "one", "two"):
        create(lab, stopped, name)
    revert(lab, stopped, "root")
    create(lab, stopped, "other")
    revert(lab, stopped, "two")
    lab.compute.delete_checkpoint(stopped, "one", children=True, timeout=lab.patience)
    assert [info.name for info in lab.compute.checkpoints(stopped)] == ["root", "other"]
    assert current(lab, stopped) == "root"


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint)
def test_same_checkpoint_is_made_once(lab: Lab, stopped: Instance) -> None:
    """The same call again returns the checkpoint that there is; one that says something else of it is refused."""
    first = lab.compute.create_checkpoint(stopped, "once", description="first", timeout=lab.patience)
    create(lab, stopped, "next")
    with leaving_as_is(lab, stopped.uuid, "the same checkpoint again"):
        again = lab.second.create_checkpoint(stopped, "once", description="first", timeout=lab.patience)
        assert (again.native_id, again.created_at) == (first.native_id, first.created_at)
        with pytest.raises(InvalidSpec):
            lab.compute.create_checkpoint(stopped, "once", description="second", timeout=lab.patience)
    assert [info.name for info in lab.compute.checkpoints(stopped)] == ["once", "next"]


@pytest.mark.parametrize("name", [LONG_NAME, ODD_NAME], ids=["long", "odd"])
@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint, Checkpoint.revert_to_checkpoint)
def test_checkpoint_may_be_called_anything(lab: Lab, stopped: Instance, name: str) -> None:
    """A checkpoint can have any name of 1 to 80 characters, and any words can be said of it."""
    lab.compute.create_checkpoint(stopped, name, description=ODD_NAME * 5, timeout=lab.patience)
    (info,) = lab.second.checkpoints(stopped)
    assert (info.name, info.description) == (name, ODD_NAME * 5)
    revert(lab, stopped, name)
    delete(lab, stopped, name)
    assert not lab.compute.checkpoints(stopped)


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint)
def test_checkpoint_is_cancelled_at_each_stage(lab: Lab, running: Instance) -> None:
    """A cancelled checkpoint leaves nothing and the guest as it was; one that could not be stopped is complete."""
    memory = lab.compute.capabilities().has(Feature.CHECKPOINT_MEMORY)
    for number in itertools.count(1):
        stages = Stages(cancel_at=number)
        with leaving_nothing(lab, "a cancelled checkpoint"), leaving_as_is(lab, running.uuid, "a cancelled checkpoint"):
            operation = lab.compute.submit.create_checkpoint(running, "maybe", memory=memory, on_progress=stages.look)
            assert operation.wait(lab.patience)
            if operation.state is OperationState.COMPLETED:
                assert [info.name for info in lab.compute.checkpoints(running)] == ["maybe"]
                delete(lab, running, "maybe")
            else:
                assert isinstance(operation.error, Cancelled), f"it failed: {operation.error}"
                assert not lab.compute.checkpoints(running), f"cancelled at '{stages.entered[-1]}', it is there"
        if len(stages.entered) < number:
            break
    assert number > 1, "the checkpoint told of no stage"


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint, Driver.destroy)
def test_guest_with_checkpoints_is_destroyed(lab: Lab) -> None:
    """A guest is destroyed with all its checkpoints."""
    with leaving_nothing(lab, "a guest with checkpoints"):
        guest = lab.spawn()
        create(lab, guest, "one")
        revert(lab, guest, "one")
        create(lab, guest, "two")
        assert lab.compute.destroy(guest, timeout=lab.patience) is True
    check_gone(lab, guest.uuid)


@covers(Capability.CHECKPOINT, Checkpoint.create_checkpoint)
def test_memory_that_is_not_kept_here_is_refused(lab: Lab, running: Instance) -> None:
    """Asking for memory where only disks are kept is NotSupported, with the reason; the driver is not asked."""
    answers = lab.compute.capabilities()
    if answers.has(Feature.CHECKPOINT_MEMORY):
        raise NotApplicable("memory is kept here")
    create(lab, running, "disks")
    lab.observer.begin()
    with pytest.raises(NotSupported) as caught:
        lab.compute.create_checkpoint(running, "memory", memory=True, timeout=lab.patience)
    assert caught.value.capability is Feature.CHECKPOINT_MEMORY
    assert caught.value.reason == answers.answer(Feature.CHECKPOINT_MEMORY).reason
    assert not lab.observer.begun, "the driver was asked"


def create(lab: Lab, guest: Instance, name: str) -> None:
    """Keep what the guest's disks hold."""
    lab.compute.create_checkpoint(guest, name, timeout=lab.patience)


def revert(lab: Lab, guest: Instance, name: str) -> None:
    """Bring back what the guest's disks held."""
    lab.compute.revert_to_checkpoint(guest, name, timeout=lab.patience)


def delete(lab: Lab, guest: Instance, name: str) -> None:
    """Forget a checkpoint."""
    lab.compute.delete_checkpoint(guest, name, timeout=lab.patience)


def current(lab: Lab, guest: Instance) -> str | None:
    """The checkpoint that the guest comes from."""
    return next((info.name for info in lab.compute.checkpoints(guest) if info.is_current), None)
