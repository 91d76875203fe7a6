"""Images on their way to guests' disks, and guests' disks on their way to images."""

import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import Cancelled, ImageNotFound, ImageRejected, InvalidSpec, InvalidState
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.image import ImageFormat, LocalFile, LocalTarget, Native, NativeTarget
from nova_virt_api.model.units import GiB, MiB


def same_content(one: Path, other: Path, formats: str = "qcow2") -> bool:
    command = ["qemu-img", "compare", "-f", "qcow2", "-F", formats, str(one), str(other)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def bases(traces: Any) -> set[str]:
    return {name for name in traces.volumes() if name.startswith("nova-virt-base-")}


@pytest.fixture
def clean_pool(native: Any) -> Any:
    """Removes images from the pool before and after."""

    def clean() -> None:
        pool = native.storagePoolLookupByName("nova-virt")
        for name in pool.listVolumes():
            if name.startswith("nova-virt-base-"):
                pool.storageVolLookupByName(name).delete(0)

    clean()
    yield
    clean()


@pytest.fixture
def pool_path(daemon: Any) -> Path:
    return Path(daemon.directory) / "images"


def test_disk_is_an_overlay_of_one_shared_image(
    spawn: Any, make_spec: Any, image: Path, traces: Any, pool_path: Path, clean_pool: Any
) -> None:
    specs = [make_spec(disks=[Disk(source=LocalFile(image), size_bytes=size)]) for size in (None, GiB(2))]
    for spec in specs:
        spawn(spec)
    assert len(bases(traces)) == 1
    base = pool_path / bases(traces).pop()
    assert same_content(image, base)
    assert base.read_bytes() == image.read_bytes()
    overlays = [pool_path / f"{spec.uuid}.disk0.qcow2" for spec in specs]
    assert all(same_content(image, overlay) for overlay in overlays)
    assert all(overlay.stat().st_size < MiB(1) for overlay in overlays)


def test_image_that_somebody_removed_is_uploaded_again(
    spawn: Any, make_spec: Any, image: Path, native: Any, traces: Any, clean_pool: Any
) -> None:
    spawn(make_spec(disks=[Disk(source=LocalFile(image))]))
    name = bases(traces).pop()
    for domain in native.listAllDomains(0):
        domain.undefine()
    pool = native.storagePoolLookupByName("nova-virt")
    pool.storageVolLookupByName(name).delete(0)
    spawn(make_spec(disks=[Disk(source=LocalFile(image))]))
    assert bases(traces) == {name}


def test_raw_image_keeps_its_holes(
    spawn: Any, make_spec: Any, tmp_path: Path, traces: Any, pool_path: Path, clean_pool: Any
) -> None:
    raw = tmp_path / "image.raw"
    with raw.open("wb") as file:
        file.write(b"begin" * 1000)
        file.seek(GiB(1) - 3)
        file.write(b"end")
    spec = make_spec(disks=[Disk(source=LocalFile(raw, format=ImageFormat.RAW))])
    spawn(spec)
    base = pool_path / bases(traces).pop()
    assert base.stat().st_size == GiB(1)
    assert base.stat().st_blocks * 512 < MiB(8)
    assert same_content(pool_path / f"{spec.uuid}.disk0.qcow2", raw, "raw")


def test_disk_smaller_than_its_image_is_refused(
    make_spec: Any, driver: Any, run: Any, image: Path, traces: Any
) -> None:
    spec = make_spec(disks=[Disk(source=LocalFile(image), size_bytes=MiB(63))])
    with pytest.raises(InvalidSpec, match=rf"disks\[0\].size_bytes.*{MiB(64)}"):
        run(driver.spawn, spec)
    assert traces.of(spec.uuid) == []


def test_missing_image(make_spec: Any, driver: Any, run: Any, traces: Any, tmp_path: Path) -> None:
    for source in (LocalFile(tmp_path / "none.qcow2"), Native("none.qcow2")):
        spec = make_spec(disks=[Disk(source=source)])
        with pytest.raises(ImageNotFound):
            run(driver.spawn, spec)
        assert traces.of(spec.uuid) == []


def test_image_with_a_backing_file_is_rejected(
    make_spec: Any, driver: Any, run: Any, traces: Any, image: Path, tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", "qcow2", str(overlay)]
    subprocess.run(create, check=True)
    spec = make_spec(disks=[Disk(source=LocalFile(overlay))])
    with pytest.raises(ImageRejected):
        run(driver.spawn, spec)
    assert traces.of(spec.uuid) == []


def test_upload_is_cancelled_at_once_and_leaves_nothing(
    make_spec: Any, driver: Any, tmp_path: Path, traces: Any, clean_pool: Any
) -> None:
    raw = tmp_path / "large.raw"
    with raw.open("wb") as file:
        for _ in range(64):
            file.write(uuid.uuid4().bytes * 65536)
    spec = make_spec(disks=[Disk(source=LocalFile(raw, format=ImageFormat.RAW))])

    def cancel_during_upload(operation: Operation[Any]) -> None:
        done, total = operation.counters
        if operation.stage == Stage.IMAGE.value and done > 0 and total == raw.stat().st_size:
            operation.cancel()

    operation: Operation[Any] = Operation("spawn", spec.uuid, timeout=60.0, on_progress=cancel_during_upload)
    operation.begin()
    with pytest.raises(Cancelled):
        driver.spawn(spec, DriverSide(operation))
    assert traces.of(spec.uuid) == []
    assert bases(traces) == set()


# --- snapshots --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", [ImageFormat.QCOW2, ImageFormat.RAW])
def test_snapshot_to_a_file_stands_alone(
    image_format: ImageFormat,
    spawn: Any,
    make_spec: Any,
    driver: Any,
    run: Any,
    image: Path,
    traces: Any,
    tmp_path: Path,
) -> None:
    spec = make_spec(disks=[Disk(source=LocalFile(image), size_bytes=MiB(128))])
    guest = spawn(spec)
    before = traces.volumes()
    target = tmp_path / "snapshot"
    target.write_text("an older one")
    info = run(driver.snapshot, guest.ref, LocalTarget(target, image_format))
    assert (info.ref, info.format, info.virtual_size_bytes) == (str(target), image_format, MiB(128))
    assert info.size_bytes == target.stat().st_size
    assert same_content(image, target, image_format.value)
    look = ["qemu-img", "info", "-f", image_format.value, str(target)]
    said = subprocess.run(look, capture_output=True, text=True, check=True)
    assert "backing" not in said.stdout
    assert target.stat().st_mode & 0o777 == 0o600
    assert traces.volumes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_snapshot_in_a_pool_is_replaced_and_is_an_image_for_others(
    spawn: Any, make_spec: Any, driver: Any, run: Any, image: Path, native: Any, pool_path: Path
) -> None:
    guest = spawn(make_spec(disks=[Disk(source=LocalFile(image))]))
    try:
        for _ in range(2):
            info = run(driver.snapshot, guest.ref, NativeTarget("golden.qcow2"))
            assert info.ref == "nova-virt/golden.qcow2"
            assert same_content(image, pool_path / "golden.qcow2")
        spec = make_spec(disks=[Disk(source=Native(info.ref))])
        spawn(spec)
        assert same_content(image, pool_path / f"{spec.uuid}.disk0.qcow2")
    finally:
        native.storagePoolLookupByName("nova-virt").storageVolLookupByName("golden.qcow2").delete(0)


@pytest.mark.parametrize("name", ["../golden", "a/b", "nova-virt-base-x", "a b", f"{uuid.uuid4()}.disk0.qcow2"])
def test_snapshot_under_an_odd_name_is_refused(
    name: str, spawn: Any, make_spec: Any, driver: Any, run: Any, traces: Any
) -> None:
    guest = spawn(make_spec())
    before = traces.volumes()
    with pytest.raises(InvalidSpec, match=r"target\.name"):
        run(driver.snapshot, guest.ref, NativeTarget(name))
    assert traces.volumes() == before


def test_snapshot_never_replaces_a_volume_in_use(
    spawn: Any, make_spec: Any, driver: Any, run: Any, native: Any, blank: Any, pool_path: Path
) -> None:
    pool = native.storagePoolLookupByName("nova-virt")
    used = pool.createXML("<volume><name>used.qcow2</name><capacity>1024</capacity></volume>", 0)
    try:
        from lxml.builder import E

        disk = E.disk(E.source(file=used.path()), E.target(dev="vda", bus="virtio"), type="file", device="disk")
        blank("other", owner=None, devices=(disk,))
        guest = spawn(make_spec())
        with pytest.raises(InvalidSpec, match="in use"):
            run(driver.snapshot, guest.ref, NativeTarget("used.qcow2"))
    finally:
        used.delete(0)


def test_snapshot_of_a_suspended_guest_is_refused(
    spawn: Any, make_spec: Any, driver: Any, run: Any, tmp_path: Path
) -> None:
    guest = spawn(make_spec(power_on=True))
    run(driver.suspend, guest.ref)
    with pytest.raises(InvalidState):
        run(driver.snapshot, guest.ref, LocalTarget(tmp_path / "snapshot"))
    assert not (tmp_path / "snapshot").exists()


def test_snapshot_that_fails_leaves_the_older_one(
    spawn: Any, make_spec: Any, driver: Any, tmp_path: Path, traces: Any
) -> None:
    guest = spawn(make_spec())
    before = traces.volumes()
    target = tmp_path / "snapshot"
    target.write_text("an older one")

    def cancel_while_fetching(operation: Operation[Any]) -> None:
        if operation.stage == "fetch the image":
            operation.cancel()

    operation: Operation[Any] = Operation("snapshot", guest.uuid, timeout=60.0, on_progress=cancel_while_fetching)
    operation.begin()
    with pytest.raises(Cancelled):
        driver.snapshot(guest.ref, LocalTarget(target), DriverSide(operation))
    assert target.read_text() == "an older one"
    assert traces.volumes() == before
