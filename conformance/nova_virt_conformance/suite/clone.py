"""Copies of guests: what they are and hold, that they stand alone, and that nothing is left of one that fails."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import OperationState
from nova_virt_api.driver.clone import Clone
from nova_virt_api.errors import (
    Cancelled,
    GuestAgentUnavailable,
    InstanceExists,
    InstanceNotFound,
    InvalidSpec,
    StateAfter,
)
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.instance import Instance, Lifecycle, PowerState
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_conformance.aftermath import check_gone, leaving_as_is, leaving_nothing, present
from nova_virt_conformance.calls import create_checkpoint
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.inhabited import left_writing
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.stages import Stages
from nova_virt_conformance.verb import shown

LABELS = {"conformance": "copy"}


def wanted(**fields: Any) -> CloneSpec:
    """A copy with a new uuid and name that is not started, unless told otherwise."""
    new = uuid.uuid4()
    standard: dict[str, Any] = {"uuid": new, "name": f"conformance-{new.hex[:12]}", "power_on": False}
    return CloneSpec(**(standard | fields))


def copied(lab: Lab, guest: Instance, spec: CloneSpec | None = None) -> Instance:
    """A copy of a guest."""
    return lab.compute.clone(guest, spec or wanted(), timeout=lab.patience)


# --- what a copy is ---------------------------------------------------------------------------------------------------


@covers(Capability.CLONE, Clone.clone)
def test_copy_is_a_guest_of_its_own(lab: Lab, stopped: Instance) -> None:
    """A copy has the uuid, name and labels asked for and its original's size; the original is as before."""
    spec = wanted(labels=LABELS)
    before = shown(lab.compute.instance(stopped, fresh=True))
    copy = copied(lab, stopped, spec)
    assert shown(lab.compute.instance(copy, fresh=True)) == shown(copy)
    assert (copy.uuid, copy.name, dict(copy.labels)) == (spec.uuid, spec.name, LABELS)
    assert (copy.owner, copy.owned, copy.lifecycle) == (stopped.owner, True, Lifecycle.READY)
    assert copy.power_state is PowerState.SHUTDOWN
    assert (copy.vcpus, copy.memory_bytes) == (stopped.vcpus, stopped.memory_bytes)
    assert copy.native_id != stopped.native_id
    assert shown(lab.compute.instance(stopped, fresh=True)) == before


@covers(Capability.CLONE, Clone.clone)
def test_labels_are_not_taken_along(lab: Lab) -> None:
    """A copy has the labels that were asked for and no others, and is started unless told otherwise."""
    original = lab.spawn(labels={"conformance": "original"}, power_on=False)
    copy = copied(lab, original, wanted(power_on=True))
    assert not copy.labels
    assert copy.power_state is PowerState.RUNNING
    assert lab.compute.instance(original, fresh=True).power_state is PowerState.SHUTDOWN


@covers(Capability.CLONE, Clone.clone)
def test_copy_holds_what_its_original_held(lab: Lab, stopped: Instance) -> None:
    """What was on the original's disk is on the copy's, and what either writes after that is not on the other's."""
    first = copied(lab, stopped)
    lab.rig.scribble(stopped)
    second = copied(lab, stopped)
    assert lab.rig.scribbled(second), "what the original held is not on the copy's disk"
    assert not lab.rig.scribbled(first), "what the original wrote later is on the copy's disk"
    third = copied(lab, first)
    lab.rig.scribble(third)
    assert not lab.rig.scribbled(first), "what the copy wrote is on the original's disk"


@covers(Capability.CLONE, Clone.clone)
@pytest.mark.parametrize("which", ["original", "copy"])
def test_either_outlives_the_other(lab: Lab, which: str) -> None:
    """Original and copy can be destroyed in any order; what is left starts, and nothing remains of both in the end."""
    with leaving_nothing(lab, "the two guests"):
        original = lab.spawn(power_on=False)
        copy = copied(lab, original)
        first, second = (original, copy) if which == "original" else (copy, original)
        lab.compute.destroy(first, timeout=lab.patience)
        check_gone(lab, first.uuid)
        lab.compute.power_on(second, timeout=lab.patience)
        assert lab.compute.instance(second, fresh=True).power_state is PowerState.RUNNING
        lab.compute.destroy(second, timeout=lab.patience)


@covers(Capability.CLONE, Clone.clone)
def test_copy_has_addresses_of_its_own(lab: Lab, stopped: Instance) -> None:
    """A copy has as many disks and interfaces as its original, of the same kinds, and none of its MAC addresses."""
    copy = copied(lab, stopped)
    mine, theirs = lab.rig.hardware(copy.uuid), lab.rig.hardware(stopped.uuid)
    assert [(nic.network, nic.model) for nic in mine.nics] == [(nic.network, nic.model) for nic in theirs.nics]
    taken = {nic.mac for nic in theirs.nics if nic.mac is not None}
    assert not taken & {nic.mac for nic in mine.nics}, "the copy has a MAC address of its original"
    assert [(disk.size_bytes, disk.bus) for disk in mine.disks] == [
        (disk.size_bytes, disk.bus) for disk in theirs.disks
    ]
    assert mine.firmware is theirs.firmware
    assert not mine.first_boot_data


@covers(Capability.CLONE, Feature.CLONE_NICS, Clone.clone)
def test_copy_gets_the_interfaces_asked_for(lab: Lab, stopped: Instance) -> None:
    """Where it is declared, a copy has the interfaces that were asked for in place of its original's."""
    assert not lab.rig.hardware(copied(lab, stopped, wanted(nics=())).uuid).nics
    one = copied(lab, stopped, wanted(nics=(Nic(network=lab.target.network),)))
    assert len(lab.rig.hardware(one.uuid).nics) == 1


@covers(Capability.CLONE, Clone.clone)
@needs(Feature.CLOUD_INIT)
def test_first_boot_data_is_given_anew(lab: Lab) -> None:
    """A copy has first-boot data if some was given for it, and never its original's."""
    original = lab.spawn(cloud_init=CloudInit(user_data="#cloud-config\n"), power_on=False)
    assert not lab.rig.hardware(copied(lab, original).uuid).first_boot_data
    given = copied(lab, original, wanted(cloud_init=CloudInit(user_data="#cloud-config\n")))
    assert lab.rig.hardware(given.uuid).first_boot_data


@covers(Capability.CLONE, Clone.clone)
@needs(Capability.VOLUMES, Feature.ATTACH_VOLUMES)
def test_volumes_stay_with_their_guest(lab: Lab, stopped: Instance) -> None:
    """A copy uses none of the storage service's volumes that its original uses."""
    lab.compute.attach_volume(stopped, lab.rig.volume(), timeout=lab.patience)
    copy = copied(lab, stopped)
    assert not lab.compute.volumes(copy)
    assert len(lab.compute.volumes(stopped)) == 1


@covers(Capability.CLONE, Clone.clone)
@needs(Capability.CHECKPOINT)
def test_copy_has_no_past(lab: Lab, stopped: Instance) -> None:
    """A copy has no checkpoints, holds what its original held last, and outlives the original's checkpoints."""
    create_checkpoint(lab.compute, stopped, lab)
    lab.rig.scribble(stopped)
    copy = copied(lab, stopped)
    assert not lab.compute.checkpoints(copy)
    assert lab.rig.scribbled(copy)
    lab.compute.destroy(stopped, timeout=lab.patience)
    lab.compute.power_on(copy, timeout=lab.patience)


# --- asking again, and in vain ----------------------------------------------------------------------------------------


@covers(Capability.CLONE, Clone.clone)
def test_same_request_finds_the_copy(lab: Lab) -> None:
    """A second call finds the copy and makes nothing, also without the original; another request is refused."""
    original = lab.spawn(power_on=False)
    spec = wanted()
    copy = copied(lab, original, spec)
    with leaving_nothing(lab, "asking again"), leaving_as_is(lab, copy.uuid, "asking again"):
        assert copied(lab, original, spec).uuid == copy.uuid
        for other in (wanted(uuid=spec.uuid, name=spec.name, labels=LABELS), wanted(uuid=spec.uuid)):
            with pytest.raises(InstanceExists):
                copied(lab, original, other)
        with pytest.raises(InstanceExists):
            lab.compute.spawn(lab.spec(uuid=spec.uuid, name=spec.name, power_on=False), timeout=lab.patience)
        with pytest.raises(InvalidSpec):
            copied(lab, original, wanted(uuid=original.uuid))
    lab.compute.destroy(original, timeout=lab.patience)
    assert copied(lab, original, spec).uuid == copy.uuid
    with pytest.raises(InstanceNotFound):
        copied(lab, original)


@covers(Capability.CLONE, Clone.clone)
def test_clone_is_cancelled_at_each_stage(lab: Lab, stopped: Instance) -> None:
    """A cancelled call leaves nothing; one that could not be stopped any more has made a whole copy."""
    for number in itertools.count(1):
        stages, spec = Stages(cancel_at=number), wanted()
        with leaving_nothing(lab, "the clone"), leaving_as_is(lab, stopped.uuid, "the clone"):
            operation = lab.compute.submit.clone(stopped, spec, on_progress=stages.look)
            assert operation.wait(lab.patience)
            if operation.state is OperationState.COMPLETED:
                assert lab.compute.instance(spec.uuid, fresh=True).lifecycle is Lifecycle.READY
                lab.compute.destroy(spec.uuid, timeout=lab.patience)
            else:
                assert isinstance(operation.error, Cancelled), f"it failed: {operation.error}"
                assert not present(lab, spec.uuid)
        if len(stages.entered) < number:
            break
    assert number > 1, "the clone told of no stage"


# --- while it runs ----------------------------------------------------------------------------------------------------


@covers(Capability.CLONE, Feature.CLONE_LIVE, Clone.clone)
def test_copy_of_a_running_guest(lab: Lab, running: Instance) -> None:
    """Where it is declared, a running guest is copied and runs on; the copy starts as after a power cut."""
    before = shown(lab.compute.instance(running, fresh=True))
    copy = copied(lab, running)
    assert shown(lab.compute.instance(running, fresh=True)) == before
    assert copy.power_state is PowerState.SHUTDOWN
    lab.compute.destroy(running, timeout=lab.patience)
    lab.compute.power_on(copy, timeout=lab.patience)
    assert lab.compute.instance(copy, fresh=True).power_state is PowerState.RUNNING


@covers(Feature.CLONE_QUIESCE, Clone.clone)
@needs(Capability.CLONE, Feature.CLONE_LIVE, Feature.GUEST_QUIESCE)
def test_guest_writes_again_after_a_clone(lab: Lab) -> None:
    """A guest that came to rest for a copy writes again."""
    with left_writing(lab) as living:
        copy = lab.compute.clone(living.guest, wanted(), quiesce=Quiesce.REQUIRED, timeout=lab.patience)
        living.check_writes()
        lab.compute.destroy(copy, timeout=lab.patience)


@covers(Feature.CLONE_QUIESCE, Clone.clone)
@needs(Capability.CLONE, Feature.CLONE_LIVE)
def test_clone_that_cannot_be_at_rest(lab: Lab, running: Instance) -> None:
    """Without an agent a copy is made if rest is not required; if it is, that fails and leaves nothing."""
    with lab.rig.without_agent(running):
        with leaving_nothing(lab, "the clone"), pytest.raises(GuestAgentUnavailable) as caught:
            lab.compute.clone(running, wanted(), quiesce=Quiesce.REQUIRED, timeout=lab.patience)
        assert caught.value.state_after is StateAfter.UNCHANGED
        for quiesce in (Quiesce.IF_POSSIBLE, Quiesce.NO):
            lab.compute.clone(running, wanted(), quiesce=quiesce, timeout=lab.patience)
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)
