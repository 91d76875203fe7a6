"""Images of guests' disks: what is written, where, and that nothing else is left."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.operation import DriverSide, Operation, OperationState
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.snapshot import Snapshot
from nova_virt_api.errors import Cancelled, ImageNotFound, InvalidSpec, StorageError
from nova_virt_api.images.inspect import inspect_image
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import ImageFormat, ImageInfo, LocalFile, LocalTarget, Native, NativeTarget
from nova_virt_api.model.instance import Instance
from nova_virt_conformance.aftermath import leaving_as_is, leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import SMALL_DISK, Lab
from nova_virt_conformance.outcome import NotApplicable
from nova_virt_conformance.stages import Stages
from nova_virt_conformance.verb import shown

FORMATS = pytest.mark.parametrize("image_format", [ImageFormat.QCOW2, ImageFormat.RAW], ids=lambda each: each.value)
ONLY_ITS_OWNER = 0o600


@FORMATS
@needs(Feature.BLANK_DISK)
@covers(Capability.SNAPSHOT, Snapshot.snapshot)
def test_snapshot_to_a_file(lab: Lab, stopped: Instance, tmp_path: Path, image_format: ImageFormat) -> None:
    """A snapshot is one file in the format asked for, as large as the disk, readable by its owner only."""
    target = LocalTarget(tmp_path / "disk.image", image_format)
    with leaving_nothing(lab, "the snapshot"):
        told = lab.compute.snapshot(stopped, target, timeout=lab.patience)
    path = Path(target.path)
    found = inspected(path, image_format)
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == ONLY_ITS_OWNER
    assert found.virtual_size_bytes == SMALL_DISK
    assert (told.ref, told.format, told.virtual_size_bytes) == (str(path), image_format, SMALL_DISK)
    assert told.size_bytes == path.stat().st_size
    assert shown(lab.compute.instance(stopped, fresh=True)) == shown(stopped)


@FORMATS
@covers(Capability.SNAPSHOT, Snapshot.snapshot, Driver.spawn)
def test_guest_is_made_from_a_snapshot(lab: Lab, stopped: Instance, tmp_path: Path, image_format: ImageFormat) -> None:
    """What a snapshot wrote is a good source for another guest, also once the first guest is gone."""
    told = lab.compute.snapshot(stopped, LocalTarget(tmp_path / "disk.image", image_format), timeout=lab.patience)
    lab.compute.destroy(stopped, timeout=lab.patience)
    guest = lab.spawn(disks=(Disk(source=LocalFile(told.ref, format=told.format)),), power_on=False)
    assert lab.compute.instance(guest, fresh=True).uuid == guest.uuid


@covers(Capability.SNAPSHOT, Snapshot.snapshot)
def test_snapshot_replaces_an_older_one(lab: Lab, stopped: Instance, tmp_path: Path) -> None:
    """A second snapshot to the same place takes the first one's place, whatever was there."""
    target = LocalTarget(tmp_path / "disk.qcow2")
    path = Path(target.path)
    path.write_bytes(b"something older")
    path.chmod(0o644)
    for _ in range(2):
        lab.compute.snapshot(stopped, target, timeout=lab.patience)
        inspected(path, ImageFormat.QCOW2)
        assert path.stat().st_mode & 0o777 == ONLY_ITS_OWNER
    assert list(tmp_path.iterdir()) == [path]


@covers(Capability.SNAPSHOT, Snapshot.snapshot)
def test_failed_snapshot_leaves_nothing(lab: Lab, stopped: Instance, tmp_path: Path) -> None:
    """A snapshot to a place that is not there fails, leaves no object and changes nothing of the guest."""
    with leaving_nothing(lab, "the failed snapshot"), pytest.raises((InvalidSpec, StorageError)):
        lab.compute.snapshot(stopped, LocalTarget(tmp_path / "not there" / "disk.qcow2"), timeout=lab.patience)
    assert not list(tmp_path.iterdir())
    assert shown(lab.compute.instance(stopped, fresh=True)) == shown(stopped)


@covers(Capability.SNAPSHOT, Snapshot.snapshot)
def test_snapshot_is_cancelled_at_each_stage(lab: Lab, stopped: Instance, tmp_path: Path) -> None:
    """A cancelled snapshot leaves what was at its target; one that could not be stopped any more is complete."""
    target = LocalTarget(tmp_path / "disk.qcow2")
    path = Path(target.path)
    for number in itertools.count(1):
        path.write_bytes(b"something older")
        stages = Stages(cancel_at=number)
        with leaving_nothing(lab, "the snapshot"), leaving_as_is(lab, stopped.uuid, "the snapshot"):
            operation = lab.compute.submit.snapshot(stopped, target, on_progress=stages.look)
            assert operation.wait(lab.patience)
        assert list(tmp_path.iterdir()) == [path], f"cancelled at '{stages.entered[-1]}', it left a file"
        if operation.state is OperationState.COMPLETED:
            inspected(path, ImageFormat.QCOW2)
        else:
            assert isinstance(operation.error, Cancelled), f"it failed: {operation.error}"
            assert path.read_bytes() == b"something older"
        if len(stages.entered) < number:
            break
    assert number > 1, "the snapshot told of no stage"


@covers(Capability.SNAPSHOT, Feature.SNAPSHOT_LIVE, Snapshot.snapshot)
def test_snapshot_of_a_running_guest(lab: Lab, running: Instance, tmp_path: Path) -> None:
    """Where it is declared, a running guest's disk is written too, and the guest runs on."""
    with leaving_nothing(lab, "the snapshot"):
        told = lab.compute.snapshot(running, LocalTarget(tmp_path / "disk.image"), timeout=lab.patience)
    assert inspected(Path(told.ref), ImageFormat.QCOW2).virtual_size_bytes == told.virtual_size_bytes
    assert list(tmp_path.iterdir()) == [Path(told.ref)]
    assert shown(lab.compute.instance(running, fresh=True)) == shown(running)


@covers(Capability.SNAPSHOT, Snapshot.snapshot)
def test_snapshot_into_a_pool(lab: Lab, stopped: Instance) -> None:
    """A snapshot that stays on the backend is a good source for a guest; an endpoint without such says InvalidSpec."""
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    with lab.rig.removing_image(name):
        target = NativeTarget(name, lab.target.pool)
        try:
            told = lab.compute.snapshot(stopped, target, timeout=lab.patience)
        except InvalidSpec as error:
            raise NotApplicable(f"images do not stay on the backend: {error.message}") from error
        again = lab.compute.snapshot(stopped, target, timeout=lab.patience)
        assert again.ref == told.ref
        guest = lab.spawn(disks=(Disk(source=Native(told.ref)),), power_on=False)
        assert shown(lab.compute.instance(stopped, fresh=True)) == shown(stopped)
        lab.compute.destroy(guest, timeout=lab.patience)
    with pytest.raises(ImageNotFound):
        lab.spawn(disks=(Disk(source=Native(told.ref)),))


def inspected(path: Path, image_format: ImageFormat) -> ImageInfo:
    """See that a file's bytes are a whole image of this format that depends on no other file."""
    return inspect_image(path, path.name, DriverSide(Operation[Any]("inspect", None)), declared=image_format)
