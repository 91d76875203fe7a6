"""Where disks come from and where snapshots go."""

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import nova_virt_api as virt
from nova_virt_api import GiB, MiB
from nova_virt_api.fake.qcow2 import qcow2_disk
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.switches import Switches

Connect = Callable[..., virt.Compute]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.qcow2"
    path.write_bytes(qcow2_disk(GiB(3), b"content"))
    return path


def disk_sizes(switches: Switches, compute: virt.Compute) -> int:
    pool = compute.storage_pools()[0]
    assert pool.capacity_bytes is not None
    assert pool.free_bytes is not None
    return pool.capacity_bytes - pool.free_bytes


@pytest.mark.parametrize(("asked", "made"), [(None, GiB(3)), (GiB(5), GiB(5))])
def test_a_disk_from_a_file_is_at_least_as_large_as_the_image(
    asked: int | None, made: int, image: Path, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    disk = virt.Disk(source=virt.LocalFile(image), size_bytes=asked)
    fake_compute.spawn(make_spec(disks=[disk], cloud_init=None, firmware=None))
    assert disk_sizes(fake_switches, fake_compute) == made


@pytest.mark.parametrize(
    ("content", "source", "error"),
    [
        (None, {}, virt.ImageNotFound),
        (b"no image at all", {}, virt.ImageRejected),
        (qcow2_disk(GiB(1), b"")[:1000], {}, virt.ImageRejected),
        (qcow2_disk(GiB(1), b""), {"format": virt.ImageFormat.RAW}, virt.ImageRejected),
        (qcow2_disk(GiB(1), b""), {"checksum": virt.Checksum(digest="0" * 64)}, virt.ImageRejected),
        (qcow2_disk(GiB(6), b""), {}, virt.InvalidSpec),
    ],
)
def test_an_image_that_cannot_be_used_is_refused_and_leaves_nothing(
    content: bytes | None,
    source: dict[str, Any],
    error: type[virt.VirtError],
    tmp_path: Path,
    fake_compute: virt.Compute,
    fake_switches: Switches,
    make_spec: Any,
) -> None:
    path = tmp_path / "image"
    if content is not None:
        path.write_bytes(content)
    disk = virt.Disk(source=virt.LocalFile(path, **source), size_bytes=GiB(5))
    with pytest.raises(error):
        fake_compute.spawn(make_spec(disks=[disk]))
    assert fake_switches.outside.objects() == ()


@pytest.fixture
def site(image: Path) -> Iterator[str]:
    """A web server on this machine that has the image; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(image.parent))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_an_image_that_the_hypervisor_fetches_itself(
    site: str, image: Path, fake_compute: virt.Compute, fake_switches: Switches, make_spec: Any
) -> None:
    checksum = virt.Checksum(digest=hashlib.sha256(image.read_bytes()).hexdigest())
    disk = virt.Disk(source=virt.BackendUrl(f"{site}/{image.name}", checksum))
    guest = fake_compute.spawn(make_spec(disks=[disk], cloud_init=None, firmware=None))
    assert disk_sizes(fake_switches, fake_compute) == GiB(3)
    assert fake_switches.outside.parts(guest).volumes[0].content == "BackendUrl image"
    wrong = virt.BackendUrl(f"{site}/{image.name}", virt.Checksum(digest="0" * 64))
    with pytest.raises(virt.ImageRejected):
        fake_compute.rebuild(guest, source=wrong)
    with pytest.raises(virt.ImageNotFound):
        fake_compute.rescue(guest, image=virt.BackendUrl(f"{site}/nope", virt.Checksum(digest="1" * 64)))
    assert fake_compute.instance(guest) is guest


def test_an_unknown_native_image_names_those_that_are_there(fake_compute: virt.Compute, make_spec: Any) -> None:
    with pytest.raises(virt.ImageNotFound, match="windows") as caught:
        fake_compute.spawn(make_spec(disks=[virt.Disk(source=virt.Native("windows"))]))
    assert "debian-13" in caught.value.hint


@pytest.mark.parametrize("image_format", [virt.ImageFormat.QCOW2, virt.ImageFormat.RAW])
@pytest.mark.parametrize("size", [MiB(1), GiB(2), 513])
def test_a_snapshot_is_an_image_that_a_guest_can_be_made_from(
    size: int,
    image_format: virt.ImageFormat,
    tmp_path: Path,
    fake_compute: virt.Compute,
    fake_switches: Switches,
    make_spec: Any,
) -> None:
    guest = fake_compute.spawn(make_spec(disks=[virt.Disk(source=virt.Blank(), size_bytes=size)]))
    path = tmp_path / "snapshots" / "web.img"
    path.parent.mkdir()
    path.write_bytes(b"older")
    info = fake_compute.snapshot(guest, virt.LocalTarget(path, image_format))
    assert info.ref == str(path)
    assert info.format is image_format
    assert info.size_bytes == path.stat().st_size
    assert info.virtual_size_bytes == -(-size // 512) * 512
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["web.img"]  # noqa: PTH208
    with path.open("rb") as file:
        assert str(guest.uuid).encode() in file.read(10 * 65536)
    if size < GiB(1) or image_format is virt.ImageFormat.QCOW2:  # copying gigabytes of zeros would prove nothing more
        source = virt.LocalFile(path, format=image_format)
        copy = fake_compute.spawn(make_spec("copy", disks=[virt.Disk(source=source)]))
        assert copy.power_state is virt.PowerState.RUNNING


def test_a_native_snapshot_is_an_image_of_the_world(
    fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance, make_spec: Any
) -> None:
    info = fake_compute.snapshot(web, virt.NativeTarget("golden"))
    assert (info.ref, info.virtual_size_bytes) == ("golden", GiB(20))
    assert "image default/golden" in fake_switches.outside.objects()
    fake_compute.snapshot(web, virt.NativeTarget("golden"))
    fake_compute.destroy(web)
    assert fake_switches.outside.objects() == ("image default/golden",)
    assert fake_compute.leftovers() == []
    fake_compute.spawn(make_spec("copy", disks=[virt.Disk(source=virt.Native(info.ref))]))


@pytest.mark.parametrize("name", ["debian-13", "{uuid}-disk0"])
def test_a_native_snapshot_replaces_snapshots_only(
    name: str, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    objects = fake_switches.outside.objects()
    with pytest.raises(virt.InvalidSpec, match=r"target\.name"):
        fake_compute.snapshot(web, virt.NativeTarget(name.format(uuid=web.uuid)))
    assert fake_switches.outside.objects() == objects


def test_a_native_snapshot_needs_room_and_a_pool_that_is_there(connect: Connect, make_spec: Any) -> None:
    compute = connect(pool_gib=30)
    guest = compute.spawn(make_spec())
    with pytest.raises(virt.NoCapacity):
        compute.snapshot(guest, virt.NativeTarget("golden"))
    with pytest.raises(virt.InvalidSpec):
        compute.snapshot(guest, virt.NativeTarget("golden", pool="nowhere"))


@pytest.mark.parametrize("step", [Step.SNAPSHOT_READ, Step.SNAPSHOT_WRITE], ids=lambda step: step.name)
def test_a_failed_snapshot_leaves_no_file(
    step: Step, tmp_path: Path, fake_compute: virt.Compute, fake_switches: Switches, web: virt.Instance
) -> None:
    directory = tmp_path / "snapshots"
    directory.mkdir()
    fake_switches.fail_at(step, virt.StorageError("the disk is on fire"))
    with pytest.raises(virt.StorageError):
        fake_compute.snapshot(web, virt.LocalTarget(directory / "web.qcow2"))
    assert list(directory.iterdir()) == []


def test_a_target_that_cannot_be_written_is_named(
    tmp_path: Path, fake_compute: virt.Compute, web: virt.Instance
) -> None:
    with pytest.raises(virt.InvalidSpec, match="nowhere"):
        fake_compute.snapshot(web, virt.LocalTarget(tmp_path / "nowhere" / "web.qcow2"))
    (tmp_path / "taken").mkdir()
    with pytest.raises(virt.InvalidSpec, match="taken"):
        fake_compute.snapshot(web, virt.LocalTarget(tmp_path / "taken"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
