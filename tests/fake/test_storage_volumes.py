"""Volumes that the fake driver keeps in its pools."""

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api.compute.aio import AsyncCompute
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import SimulatedCrash, Switches

Connect = Callable[..., virt.Compute]
SIZE = virt.MiB(2)
SPEC = virt.StoredVolumeSpec(name="data", size_bytes=SIZE, pool="default")


@pytest.fixture
def image(tmp_path: Path) -> virt.LocalFile:
    """A raw image with something at its beginning."""
    path = tmp_path / "image.raw"
    path.write_bytes(b"something".ljust(SIZE, b"\0"))
    return virt.LocalFile(path, format=virt.ImageFormat.RAW)


def test_a_volume_through_its_life(
    fake_compute: virt.Compute, web: virt.Instance, image: virt.LocalFile, tmp_path: Path
) -> None:
    spec = virt.StoredVolumeSpec(name="data", pool="default", format=virt.ImageFormat.RAW)
    made = fake_compute.upload_volume(spec, image)
    assert fake_compute.upload_volume(spec, image) == made
    assert (made.size_bytes, made.guests, made.owned) == (SIZE, (), True)
    fake_compute.attach_volume(web, made.attachable())
    assert fake_compute.stored_volume(made).guests == (web.uuid,)
    for refused in (fake_compute.delete_volume, lambda volume: fake_compute.resize_volume(volume, 2 * SIZE)):
        with pytest.raises(virt.Busy, match=str(web.uuid)):
            refused(made)
    fake_compute.power_off(web)
    assert fake_compute.resize_volume(made, 2 * SIZE).size_bytes == 2 * SIZE
    fake_compute.detach_volume(web, str(made.id))
    target = tmp_path / "back.raw"
    found = fake_compute.download_volume(made.id, virt.LocalTarget(target, virt.ImageFormat.RAW))
    assert (found.ref, found.virtual_size_bytes) == (str(target), 2 * SIZE)
    assert target.read_bytes() == b"something".ljust(2 * SIZE, b"\0")
    with pytest.raises(virt.InvalidSpec, match="nothing yet"):
        fake_compute.download_volume(made, virt.LocalTarget(target, virt.ImageFormat.RAW))
    assert [fake_compute.delete_volume(made) for _ in range(2)] == [True, False]
    assert fake_compute.stored_volumes() == ()


def test_a_guest_is_no_rest_of_a_volume(fake_compute: virt.Compute, web: virt.Instance, make_spec: Any) -> None:
    """A volume that is asked for by a guest's uuid neither takes its place nor takes its record along."""
    with pytest.raises(virt.VolumeExists, match="uuid of a guest"):
        fake_compute.create_volume(dataclasses.replace(SPEC, id=web.uuid))
    assert fake_compute.instance(web, fresh=True) == web
    made = fake_compute.create_volume(SPEC)
    later = fake_compute.spawn(make_spec("later", uuid=made.id))
    assert fake_compute.delete_volume(made)
    assert fake_compute.instance(later, fresh=True).owned


def test_a_volume_in_qcow2_is_an_image(fake_compute: virt.Compute, image: virt.LocalFile, tmp_path: Path) -> None:
    made = fake_compute.upload_volume(virt.StoredVolumeSpec(name="data", pool="default"), image)
    fake_compute.download_volume(made, virt.LocalTarget(tmp_path / "back.qcow2"))
    again = virt.StoredVolumeSpec(name="again", pool="default")
    assert fake_compute.upload_volume(again, virt.LocalFile(tmp_path / "back.qcow2")).size_bytes == SIZE


@pytest.mark.parametrize("nth", range(1, 6))
def test_an_upload_that_died_is_a_leftover(
    nth: int, fake_compute: virt.Compute, fake_switches: Switches, image: virt.LocalFile
) -> None:
    before = fake_switches.outside.objects()
    spec = virt.StoredVolumeSpec(name="data", pool="default", format=virt.ImageFormat.RAW)
    fake_switches.crash_at(Step.UPLOAD_VOLUME, skip=nth - 1)
    with pytest.raises(SimulatedCrash):
        fake_compute.upload_volume(spec, image)
    fake_switches.reset()
    assert fake_compute.stored_volumes() == ()
    left = {leftover.uuid for leftover in fake_compute.leftovers()}
    assert bool(left) is (nth > 1)
    assert all(fake_compute.destroy(uuid) for uuid in left)
    assert fake_switches.outside.objects() == before
    assert fake_compute.destroy(fake_compute.upload_volume(spec, image).id) is False


def test_a_failed_upload_leaves_nothing(
    fake_compute: virt.Compute, fake_switches: Switches, image: virt.LocalFile
) -> None:
    before = fake_switches.outside.objects()
    spec = virt.StoredVolumeSpec(name="data", pool="default")
    fake_switches.fail_at(Step.UPLOAD_VOLUME, virt.StorageError("the pool has failed"), skip=2)
    with pytest.raises(virt.StorageError):
        fake_compute.upload_volume(spec, image)
    assert fake_switches.outside.objects() == before


def test_one_name_is_one_volume(connect: Connect, world: str, image: virt.LocalFile) -> None:
    ours, theirs = connect(world=world), connect(world=world, owner="somebody-else")
    made, other = ours.create_volume(SPEC), theirs.create_volume(SPEC)
    assert made.id != other.id
    for spec in (
        virt.StoredVolumeSpec(name="data", size_bytes=SIZE + 1, pool="default"),
        virt.StoredVolumeSpec(name="data", size_bytes=SIZE, pool="default", format=virt.ImageFormat.RAW),
        virt.StoredVolumeSpec(name="other", size_bytes=SIZE, pool="default", id=made.id),
    ):
        with pytest.raises(virt.VolumeExists):
            ours.create_volume(spec)
    with pytest.raises(virt.VolumeExists):
        ours.upload_volume(SPEC, image)
    assert [volume.id for volume in ours.stored_volumes()] == [made.id]
    assert {volume.id for volume in ours.stored_volumes(scope=virt.Scope.ALL)} == {made.id, other.id}
    with pytest.raises(virt.PermissionDenied, match="somebody-else"):
        ours.delete_volume(other)


def test_volumes_outlive_processes(connect: Connect) -> None:
    made = connect(persist=True).create_volume(SPEC)
    assert connect(persist=True).stored_volumes() == (made,)


def test_requests_are_checked(fake_compute: virt.Compute) -> None:
    for wrong in (
        lambda: virt.StoredVolumeSpec(name="../x"),
        lambda: virt.StoredVolumeSpec(name="x", size_bytes=0),
        lambda: virt.StoredVolumeSpec(name="x", format=virt.ImageFormat.VMDK),
        lambda: virt.StoredVolumeSpec(name="x", id="one"),  # type: ignore[arg-type]
        lambda: fake_compute.create_volume(virt.StoredVolumeSpec(name="x", pool="default")),
        lambda: fake_compute.create_volume("x"),  # type: ignore[arg-type]
        lambda: fake_compute.delete_volume("x"),  # type: ignore[arg-type]
        lambda: virt.StoredVolume(id=virt.stable_uuid("x"), name="x", pool="p", size_bytes=1, format=None).attachable(),
    ):
        with pytest.raises(virt.InvalidSpec):
            wrong()
    with pytest.raises(virt.VolumeNotFound):
        fake_compute.stored_volume(virt.stable_uuid("nobody"))


def test_awaited(fake_compute: virt.Compute, image: virt.LocalFile, tmp_path: Path) -> None:
    async def live() -> Any:
        compute = AsyncCompute(fake_compute)
        made = await compute.create_volume(SPEC)
        raw = virt.StoredVolumeSpec(name="raw", pool="default", format=virt.ImageFormat.RAW)
        other = await compute.upload_volume(raw, image)
        grown = await compute.resize_volume(made, 2 * SIZE)
        assert await compute.stored_volume(made) == grown
        assert set(await compute.stored_volumes()) == {grown, other}
        await compute.download_volume(other, virt.LocalTarget(tmp_path / "back", virt.ImageFormat.RAW))
        return [await compute.delete_volume(volume) for volume in (made, other)]

    assert asyncio.run(live()) == [True, True]
