"""Volumes that an endpoint keeps in its pools: made, filled, attached, grown, read back, removed."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.compute.compute import Compute
from nova_virt_api.compute.operation import Operation
from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.storage_volumes import StorageVolumes
from nova_virt_api.driver.volumes import Volumes
from nova_virt_api.errors import (
    Busy,
    Cancelled,
    InvalidSpec,
    PermissionDenied,
    VolumeExists,
    VolumeNotFound,
)
from nova_virt_api.model.disk import DiskBus
from nova_virt_api.model.image import ImageFormat, LocalFile, LocalTarget
from nova_virt_api.model.instance import Instance, PowerState, Scope
from nova_virt_api.model.stored_volume import StoredVolume, StoredVolumeSpec
from nova_virt_conformance.aftermath import leaving_nothing
from nova_virt_conformance.covers import covers, needs
from nova_virt_conformance.lab import Lab
from nova_virt_conformance.stored_volumes import SIZE, new_image, new_spec

RAW: Final = ImageFormat.RAW
SUBJECT: Final = Capability.STORAGE_VOLUMES
ATTACHING: Final = (Feature.ATTACH_VOLUMES, Feature.HOST_VOLUMES, Feature.VOLUME_BUS)
"""What a guest must be able to do to use a volume of a pool."""


def create(lab: Lab, **fields: Any) -> StoredVolume:
    """A new volume that is empty."""
    return lab.compute.create_volume(new_spec(lab, **fields), timeout=lab.patience)


def upload(lab: Lab, image: LocalFile, **fields: Any) -> StoredVolume:
    """A new volume with an image's content, kept as its bytes are."""
    return lab.compute.upload_volume(new_spec(lab, format=RAW, **fields), image, timeout=lab.patience)


def download(lab: Lab, volume: StoredVolume, path: Path) -> bytes:
    """What a raw volume holds."""
    found = lab.compute.download_volume(volume, LocalTarget(path, RAW), timeout=lab.patience)
    assert (found.format, found.size_bytes) == (RAW, path.stat().st_size)
    assert path.stat().st_mode & 0o077 == 0, "others may read the file"
    return path.read_bytes()


def ids(compute: Compute, scope: Scope = Scope.OWNED) -> list[object]:
    """The ids of the volumes."""
    return [volume.id for volume in compute.stored_volumes(scope=scope)]


# --- made -------------------------------------------------------------------------------------------------------------


@covers(SUBJECT, StorageVolumes.create_volume, StorageVolumes.stored_volumes, StorageVolumes.stored_volume)
@pytest.mark.parametrize("kind", [RAW, ImageFormat.QCOW2], ids=["raw", "qcow2"])
def test_a_volume_is_made_once(lab: Lab, kind: ImageFormat) -> None:
    """A volume is as it was asked for, every connection of its owner sees it, and asking again makes no other."""
    spec = new_spec(lab, format=kind)
    made = lab.compute.create_volume(spec, timeout=lab.patience)
    assert type(made) is StoredVolume
    assert (made.name, made.pool, made.format) == (spec.name, lab.rig.target.pools[0], kind)
    assert SIZE <= made.size_bytes < 2 * SIZE
    assert made.owned
    assert lab.second.create_volume(spec, timeout=lab.patience).id == made.id
    assert ids(lab.compute).count(made.id) == ids(lab.second).count(made.id) == 1
    found = lab.second.stored_volume(made)
    assert replace(found, guests=made.guests) == made
    assert found.guests == ()


@covers(SUBJECT, StorageVolumes.create_volume)
def test_an_id_is_kept(lab: Lab) -> None:
    """A volume bears the id that was given, or one that follows from owner, pool and name."""
    wanted = uuid4()
    assert create(lab, id=wanted).id == wanted
    spec = new_spec(lab)
    made = lab.compute.create_volume(spec, timeout=lab.patience)
    assert made.owner is not None
    assert made.id == spec.identity(made.owner, made.pool)


@covers(SUBJECT, StorageVolumes.create_volume, StorageVolumes.upload_volume, VolumeExists)
@needs(Feature.CLIENT_IMAGES)
def test_another_volume_of_the_id_is_refused(lab: Lab, tmp_path: Path) -> None:
    """Whoever asks for a volume that is there under another name, larger, in another format or filled, is refused."""
    spec = new_spec(lab)
    made = lab.compute.create_volume(spec, timeout=lab.patience)
    for other in (
        replace(spec, size_bytes=2 * SIZE),
        replace(spec, format=RAW),
        replace(spec, name="conformance-other", id=made.id),
    ):
        with pytest.raises(VolumeExists):
            lab.compute.create_volume(other, timeout=lab.patience)
    with pytest.raises(VolumeExists):
        lab.compute.upload_volume(spec, new_image(tmp_path), timeout=lab.patience)
    assert replace(lab.compute.stored_volume(made), guests=made.guests) == made


@covers(SUBJECT, StorageVolumes.stored_volumes, StorageVolumes.delete_volume)
@covers(PermissionDenied, StorageVolumes.resize_volume)
def test_volumes_have_owners(lab: Lab, tmp_path: Path) -> None:
    """Two owners have a volume of one name each; others' are shown only if one asks for them, and never changed."""
    spec = new_spec(lab)
    made = lab.compute.create_volume(spec, timeout=lab.patience)
    theirs = lab.other.create_volume(spec, timeout=lab.patience)
    assert theirs.id != made.id
    assert theirs.id not in ids(lab.compute)
    shown = {volume.id: volume for volume in lab.compute.stored_volumes(scope=Scope.ALL)}
    assert (shown[made.id].owned, shown[theirs.id].owned) == (True, False)
    assert shown[theirs.id].owner == theirs.owner
    target = LocalTarget(tmp_path / "theirs", theirs.format or RAW)
    with pytest.raises(PermissionDenied):
        lab.compute.delete_volume(theirs, timeout=lab.patience)
    with pytest.raises(PermissionDenied):
        lab.compute.resize_volume(theirs, 2 * SIZE, timeout=lab.patience)
    with pytest.raises(PermissionDenied):
        lab.compute.download_volume(theirs, target, timeout=lab.patience)
    assert lab.other.stored_volume(theirs).size_bytes == theirs.size_bytes


@covers(SUBJECT, StorageVolumes.stored_volumes, StorageVolumes.delete_volume, Driver.spawn)
def test_disks_of_guests_are_no_volumes(lab: Lab, running: Instance) -> None:
    """Neither a guest's own disks nor copies of images are listed, and a guest's uuid is no volume's id."""
    before = set(ids(lab.compute, Scope.ALL))
    guest = lab.spawn(power_on=False)
    assert set(ids(lab.compute, Scope.ALL)) <= before
    assert ids(lab.compute) == []
    for each in (guest, running):
        assert lab.compute.delete_volume(each.uuid, timeout=lab.patience) is False
        assert lab.compute.instance(each, fresh=True).uuid == each.uuid


# --- filled and read back ---------------------------------------------------------------------------------------------


@covers(SUBJECT, StorageVolumes.upload_volume, StorageVolumes.download_volume)
@needs(Feature.CLIENT_IMAGES)
def test_what_goes_in_comes_out(lab: Lab, tmp_path: Path) -> None:
    """A volume holds the image that it was made from, followed by zeros where it is larger."""
    image = new_image(tmp_path)
    data = Path(image.path).read_bytes()
    exact, larger = upload(lab, image), upload(lab, image, size_bytes=2 * SIZE)
    assert (
        lab.second.upload_volume(
            StoredVolumeSpec(name=exact.name, pool=exact.pool, format=RAW), image, timeout=lab.patience
        ).id
        == exact.id
    )
    assert download(lab, exact, tmp_path / "exact") == data
    found = download(lab, larger, tmp_path / "larger")
    assert found == data.ljust(larger.size_bytes, b"\0")


@covers(SUBJECT, StorageVolumes.create_volume, StorageVolumes.download_volume)
def test_an_empty_volume_reads_as_zeros(lab: Lab, tmp_path: Path) -> None:
    """A volume that was made empty reads as zeros."""
    made = create(lab, format=RAW)
    assert download(lab, made, tmp_path / "empty") == bytes(made.size_bytes)


@covers(SUBJECT, StorageVolumes.download_volume, InvalidSpec)
def test_a_download_never_writes_over_a_file(lab: Lab, tmp_path: Path) -> None:
    """A file that is there stays as it is, and a failed download leaves none."""
    made = create(lab, format=RAW)
    there = tmp_path / "there"
    there.write_text("precious")
    for target in (LocalTarget(there, RAW), LocalTarget(tmp_path / "new", ImageFormat.QCOW2)):
        with pytest.raises(InvalidSpec):
            lab.compute.download_volume(made, target, timeout=lab.patience)
    assert there.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@covers(SUBJECT, StorageVolumes.upload_volume)
@needs(Feature.CLIENT_IMAGES)
def test_a_cancelled_upload_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    """An upload that is cancelled leaves no volume, or completes; there is nothing in between."""
    image, spec = new_image(tmp_path), new_spec(lab, format=RAW)

    def cancel(operation: Operation[Any]) -> None:
        operation.cancel()

    before = lab.objects()
    operation = lab.compute.submit.upload_volume(spec, image, timeout=lab.patience, on_progress=cancel)
    try:
        made = operation.result()
    except Cancelled:
        assert ids(lab.compute) == []
        assert not lab.objects() - before, "something was left"
    else:
        assert ids(lab.compute) == [made.id]
    assert not lab.compute.leftovers()


@covers(SUBJECT, StorageVolumes.upload_volume)
@needs(Feature.CLIENT_IMAGES)
def test_many_make_one_volume(lab: Lab, tmp_path: Path) -> None:
    """Of several connections that upload one volume at the same time, all get the same one, whole."""
    image, spec = new_image(tmp_path), new_spec(lab, format=RAW)
    made: list[object] = []
    refused: list[Busy] = []

    def make(compute: Compute) -> None:
        try:
            made.append(compute.upload_volume(spec, image, timeout=lab.patience).id)
        except Busy as busy:
            refused.append(busy)

    threads = [threading.Thread(target=make, args=(compute,)) for compute in (lab.compute, lab.second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) + len(refused) == len(threads)
    assert len(set(made)) == 1
    (volume,) = lab.compute.stored_volumes()
    assert download(lab, volume, tmp_path / "back") == Path(image.path).read_bytes()


# --- used by guests ---------------------------------------------------------------------------------------------------


@covers(SUBJECT, StorageVolumes.delete_volume, StorageVolumes.stored_volume, Volumes.attach_volume)
@covers(Busy, StorageVolumes.resize_volume, StorageVolumes.download_volume)
@needs(Capability.VOLUMES, *ATTACHING)
def test_a_volume_in_use_is_spared(lab: Lab, running: Instance, tmp_path: Path) -> None:
    """A running guest gets a volume as the listing says how; until it lets go nobody removes, resizes or reads it."""
    made = create(lab)
    volume = replace(made.attachable(), bus=DiskBus.SCSI)
    attached = lab.compute.attach_volume(running, volume, timeout=lab.patience)
    assert attached.id == str(made.id)
    assert lab.second.stored_volume(made).guests == (running.uuid,)
    target = LocalTarget(tmp_path / "torn", made.format or RAW)
    for refused in (
        lambda: lab.compute.delete_volume(made, timeout=lab.patience),
        lambda: lab.compute.resize_volume(made, 2 * SIZE, timeout=lab.patience),
        lambda: lab.compute.download_volume(made, target, timeout=lab.patience),
    ):
        with pytest.raises(Busy):
            refused()
    assert not (tmp_path / "torn").exists()
    lab.compute.detach_volume(running, volume, timeout=lab.patience)
    assert lab.compute.stored_volume(made).guests == ()
    assert lab.compute.delete_volume(made, timeout=lab.patience)


@covers(SUBJECT, StorageVolumes.delete_volume, Driver.destroy)
@needs(Capability.VOLUMES, *ATTACHING)
def test_a_volume_outlives_its_guest(lab: Lab) -> None:
    """A guest that is off keeps its volume from being removed; when the guest goes, the volume stays."""
    made = create(lab)
    guest = lab.guest(PowerState.SHUTDOWN)
    lab.compute.attach_volume(guest, made.attachable(), timeout=lab.patience)
    with pytest.raises(Busy):
        lab.compute.delete_volume(made, timeout=lab.patience)
    lab.compute.destroy(guest, timeout=lab.patience)
    assert lab.compute.stored_volume(made).guests == ()
    assert lab.compute.delete_volume(made, timeout=lab.patience)


# --- resized and removed ----------------------------------------------------------------------------------------------


@covers(SUBJECT, StorageVolumes.resize_volume, InvalidSpec)
@needs(Feature.CLIENT_IMAGES)
def test_a_volume_grows_and_never_shrinks(lab: Lab, tmp_path: Path) -> None:
    """A volume that grew holds what it held, and zeros after that; a smaller size is InvalidSpec."""
    image = new_image(tmp_path)
    made = upload(lab, image)
    for _ in range(2):
        grown = lab.compute.resize_volume(made, 2 * SIZE, timeout=lab.patience)
        assert 2 * SIZE <= grown.size_bytes < 3 * SIZE
    with pytest.raises(InvalidSpec) as caught:
        lab.compute.resize_volume(made, SIZE, timeout=lab.patience)
    assert caught.value.field == "size_bytes"
    assert lab.second.stored_volume(made).size_bytes == grown.size_bytes
    assert download(lab, grown, tmp_path / "back") == Path(image.path).read_bytes().ljust(grown.size_bytes, b"\0")


@covers(SUBJECT, StorageVolumes.stored_volume, Volumes.extend_volume)
@needs(Capability.VOLUMES, *ATTACHING, Feature.EXTEND_VOLUME)
def test_a_volume_grows_with_its_guest(lab: Lab, running: Instance) -> None:
    """A volume that a running guest uses is as large afterwards as the guest was told."""
    made = create(lab)
    lab.compute.attach_volume(running, replace(made.attachable(), bus=DiskBus.SCSI), timeout=lab.patience)
    lab.compute.extend_volume(running, str(made.id), 2 * SIZE, timeout=lab.patience)
    assert lab.compute.stored_volume(made).size_bytes == 2 * SIZE


@covers(SUBJECT, StorageVolumes.delete_volume, StorageVolumes.create_volume, VolumeNotFound)
def test_a_removed_volume_is_gone(lab: Lab) -> None:
    """A volume that was removed leaves nothing; removing it once more says that there was nothing."""
    with leaving_nothing(lab, "a volume's life"):
        made = create(lab)
        assert lab.compute.delete_volume(made, timeout=lab.patience) is True
        assert lab.second.delete_volume(made, timeout=lab.patience) is False
    assert ids(lab.compute) == []
    with pytest.raises(VolumeNotFound):
        lab.compute.stored_volume(made)


@covers(SUBJECT, Driver.destroy, Driver.leftovers)
def test_a_volume_is_no_leftover(lab: Lab) -> None:
    """A complete volume is among no leftovers, and destroying a guest of its id leaves it alone."""
    made = create(lab)
    assert made.id not in {leftover.uuid for leftover in lab.compute.leftovers()}
    assert lab.compute.destroy(made.id, timeout=lab.patience) is False
    assert ids(lab.compute) == [made.id]
