"""Writing a guest's boot disk anew: the guest stays the same one, what was on the disk is gone."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import OperationState
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.rebuild import Rebuild
from nova_virt_api.errors import Cancelled, ImageRejected, InstanceExists, StateAfter, StorageError
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.instance import Instance, Lifecycle, PowerOff, PowerState
from nova_virt_conformance.aftermath import leaving_as_is
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.image_files import GARBAGE
from nova_virt_conformance.lab import SMALL_DISK, Lab
from nova_virt_conformance.stages import Stages
from nova_virt_conformance.verb import difference, shown


@covers(Capability.REBUILD, Rebuild.rebuild)
def test_rebuild_writes_the_disk_anew(lab: Lab, stopped: Instance) -> None:
    """What was on the boot disk is gone after a rebuild."""
    lab.rig.scribble(stopped)
    assert lab.rig.scribbled(stopped), "the rig does not see what it wrote itself"
    rebuild(lab, stopped)
    assert not lab.rig.scribbled(stopped), "what was on the disk is still there"


@covers(Capability.REBUILD, Rebuild.rebuild)
def test_rebuilt_guest_is_the_same_guest(lab: Lab) -> None:
    """A rebuild returns the guest as it is then: running, with its identity, place, labels and interfaces as before."""
    guest = lab.spawn(labels={"conformance": "rebuild"}, power_on=False)
    before = lab.rig.hardware(guest.uuid)
    made = rebuild(lab, guest)
    for seen in (made, lab.compute.instance(guest, fresh=True), lab.second.instance(guest, fresh=True)):
        wrong = difference(shown(guest) | {"power_state": PowerState.RUNNING}, shown(seen))
        assert not wrong, f"a rebuild changed something: {wrong}"
        assert seen.node == guest.node
    after = lab.rig.hardware(guest.uuid)
    assert (after.nics, after.vcpus, after.memory_bytes) == (before.nics, before.vcpus, before.memory_bytes)
    assert len(after.disks) == len(before.disks)


@covers(Capability.REBUILD, Rebuild.rebuild)
def test_rebuild_starts_the_guest_anew(lab: Lab, running: Instance) -> None:
    """A guest that ran is started anew by a rebuild; it does not go on with what was on the disk."""
    before = lab.rig.boots(running)
    rebuild(lab, running)
    assert lab.rig.boots(running) > before, "the guest was not started anew"


@covers(Capability.REBUILD, Rebuild.rebuild)
@needs(Feature.MULTIPLE_DISKS, Feature.BLANK_DISK)
def test_rebuild_keeps_the_other_disks(lab: Lab) -> None:
    """Only the boot disk is written anew; the others are there as before."""
    data = Disk(source=Blank(), size_bytes=3 * SMALL_DISK)
    guest = lab.spawn(disks=(Disk(source=lab.image()), data), power_on=False)
    before = lab.rig.hardware(guest.uuid)
    rebuild(lab, guest)
    assert lab.rig.hardware(guest.uuid).disks[1:] == before.disks[1:]


@covers(Capability.REBUILD, Rebuild.rebuild)
def test_rebuild_without_an_image_takes_the_last_one(lab: Lab) -> None:
    """Without an image the guest gets the one that it was made from, and later the one that it was rebuilt with."""
    guest = lab.spawn(disks=(Disk(source=lab.image()),), power_on=False)
    for source in (None, lab.image(), None):
        made = lab.compute.rebuild(guest, source=source, timeout=lab.patience)
        assert (made.lifecycle, made.power_state) == (Lifecycle.READY, PowerState.RUNNING)


@covers(Capability.REBUILD, Rebuild.rebuild, Driver.spawn)
def test_rebuilt_guest_keeps_its_request(lab: Lab) -> None:
    """What was first asked for counts: the same spec finds a rebuilt guest as it is, another one is refused."""
    spec = lab.spec(disks=(Disk(source=lab.image()),))
    guest = lab.compute.spawn(spec, timeout=lab.patience)
    rebuild(lab, guest)
    with leaving_as_is(lab, guest.uuid, "a spawn of the same uuid"):
        assert lab.compute.spawn(spec, timeout=lab.patience).native_id == guest.native_id
        with pytest.raises(InstanceExists):
            lab.compute.spawn(replace(spec, labels={"conformance": "other"}), timeout=lab.patience)


@covers(Capability.REBUILD, Feature.CLOUD_INIT, Rebuild.rebuild)
def test_rebuild_with_first_boot_data(lab: Lab) -> None:
    """New first-boot data reaches a guest, also one that had none; without new data it keeps what it had."""
    guest = lab.spawn(disks=(Disk(source=lab.image()),), power_on=False)
    assert lab.rig.hardware(guest.uuid).first_boot_data in (False, None)
    data = CloudInit(user_data="#cloud-config\n{}\n", hostname="conformance")
    for given in (data, None):
        lab.compute.rebuild(guest, source=lab.image(), cloud_init=given, timeout=lab.patience)
        assert lab.rig.hardware(guest.uuid).first_boot_data in (True, None), "the guest has no first-boot data"


@covers(Capability.REBUILD, Rebuild.rebuild)
@needs(Feature.CLIENT_IMAGES)
def test_rebuild_from_a_bad_image_writes_nothing(lab: Lab, running: Instance) -> None:
    """A bad image is ImageRejected before anything is written: the guest runs on, and nothing is left."""
    source = GARBAGE.source(lab.directory)
    with leaving_as_is(lab, running.uuid, "a refused rebuild"), pytest.raises(ImageRejected) as caught:
        lab.compute.rebuild(running, source=source, timeout=lab.patience)
    assert caught.value.state_after is StateAfter.UNCHANGED


@covers(Capability.REBUILD, Rebuild.rebuild)
def test_failed_rebuild_can_be_repeated(lab: Lab, stopped: Instance) -> None:
    """A rebuild that fails leaves the guest as it was, or in ERROR once writing began; the next one mends it."""
    with lab.rig.provoke(lab.compute, "Rebuild.rebuild", StorageError, stopped), pytest.raises(StorageError) as caught:
        rebuild(lab, stopped)
    check_after_failure(lab, stopped, caught.value.state_after, "a rebuild that failed")
    assert rebuild(lab, stopped).lifecycle is Lifecycle.READY
    assert lab.compute.instance(stopped, fresh=True).power_state is PowerState.RUNNING


@covers(Capability.REBUILD, Rebuild.rebuild)
def test_rebuild_cancelled_at_any_stage(lab: Lab, stopped: Instance) -> None:
    """A rebuild cancelled at any stage leaves the guest as it was, completes, or leaves it in ERROR and says so."""
    for number in itertools.count(1):
        before = lab.compute.instance(stopped, fresh=True)
        stages = Stages(cancel_at=number)
        operation = lab.compute.submit.rebuild(stopped, source=lab.image(), on_progress=stages.look)
        assert operation.wait(lab.patience), f"cancelled at '{stages.entered[-1]}', it does not end"
        where = f"a rebuild cancelled at '{stages.entered[-1]}'" if stages.entered else "a rebuild"
        if operation.state is OperationState.COMPLETED:
            lab.compute.power_off(stopped, mode=PowerOff.HARD, timeout=lab.patience)
        else:
            assert isinstance(operation.error, Cancelled), f"{where}: {operation.error}"
            check_after_failure(lab, before, operation.error.state_after, where)
        if len(stages.entered) < number:
            break
    assert number > 1, "a rebuild told of no stage"


def rebuild(lab: Lab, guest: Instance) -> Instance:
    """Write a guest's disk anew from an image."""
    return lab.compute.rebuild(guest, source=lab.image(), timeout=lab.patience)


def check_after_failure(lab: Lab, before: Instance, after: StateAfter, what: str) -> None:
    """See that a guest is what a failed rebuild says of it."""
    seen = lab.compute.instance(before, fresh=True)
    if after is StateAfter.UNCHANGED:
        assert not (wrong := difference(shown(before), shown(seen))), f"{what} says unchanged: {wrong}"
    else:
        assert seen.lifecycle is Lifecycle.ERROR, f"{what} began to write, and left the guest {seen.lifecycle.value}"
