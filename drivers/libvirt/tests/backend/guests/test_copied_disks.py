"""Disks that are copied while a guest is off or runs: what a guest wrote cannot mislead, nor can a full pool."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml.builder import E

from nova_virt_api.errors import Busy, NoCapacity, StorageError
from nova_virt_api.model.clone import CloneSpec
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import ImageFormat, LocalTarget
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.storage.pools import Pool, Volume

POOL = "nova-virt"
SIZE = MiB(8)


@pytest.fixture
def raw_disk(native: Any) -> Iterator[Volume]:
    """A raw volume that nobody made for a guest."""
    volume = Pool(native, native.storagePoolLookupByName(POOL)).create("by-hand.raw", SIZE, ImageFormat.RAW)
    yield volume
    volume.remove()


@pytest.fixture
def liar(raw_disk: Volume, blank: Any, run: Any, driver: Any, tmp_path: Path) -> Any:
    """A guest, adopted and off, that has made its raw disk look like an overlay of a file of the host's."""
    disk = E.disk(
        E.driver(name="qemu", type="raw"),
        E.source(file=raw_disk.path()),
        E.target(dev="vda", bus="virtio"),
        type="file",
        device="disk",
    )
    guest = blank("liar", owner=None, devices=(disk,))
    run(driver.adopt, guest)
    victim, lie = tmp_path / "victim", tmp_path / "lie.qcow2"
    victim.write_bytes(b"secret of the host".ljust(SIZE, b"\0"))
    backed = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(victim), "-F", "raw", str(lie), str(SIZE)]
    subprocess.run(backed, check=True)
    with Path(raw_disk.path()).open("r+b") as file:  # by path, as only a test may
        file.write(lie.read_bytes())
    raw_disk.pool.refresh()
    return guest


@pytest.mark.parametrize("verb", ["clone", "snapshot"])
def test_a_disk_is_what_its_guest_takes_it_for(
    verb: str, liar: Any, driver: Any, run: Any, traces: Any, tmp_path: Path
) -> None:
    """Not what is written on it, or the copy would hold what its host's files hold."""
    copy = CloneSpec(uuid=uuid.uuid4(), name="copy-of-a-liar", power_on=False)
    asked: tuple[Any, ...] = (copy,) if verb == "clone" else (LocalTarget(tmp_path / "copy", ImageFormat.RAW),)
    with pytest.raises(StorageError, match="is raw, but its bytes look like qcow2"):
        run(getattr(driver, verb), liar, *asked)
    assert traces.of(copy.uuid) == []
    assert not (tmp_path / "copy").exists()


def test_a_guest_that_wrote_while_its_snapshot_was_made(
    spawn: Any, make_spec: Any, driver: Any, run: Any, disk_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was started and stopped meanwhile: the image may hold one half of what it wrote."""
    guest, copy = spawn(make_spec()), Pool.create_standalone

    def meanwhile(pool: Pool, name: str, image_format: ImageFormat, source: Volume) -> Volume:
        made = copy(pool, name, image_format, source)
        write = ["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", str(disk_of(guest))]
        subprocess.run(write, check=True, capture_output=True)
        return made

    monkeypatch.setattr(Pool, "create_standalone", meanwhile)
    with pytest.raises(Busy, match="while it was copied"):
        run(driver.snapshot, guest.ref, LocalTarget(tmp_path / "torn.qcow2"))
    assert list(tmp_path.glob("*torn*")) == []


@pytest.mark.parametrize("on", [True, False])
def test_no_room_for_a_copy(
    on: bool,
    small_pool: str,
    spawn: Any,
    make_spec: Any,
    clone: Callable[..., Any],
    driver: Any,
    run: Any,
    daemon: Any,
) -> None:
    """A pool that is full in the middle of it is said to be so, and nothing is left there."""
    disks = [Disk(source=Blank(), size_bytes=MiB(3), pool=small_pool)]
    guest = spawn(make_spec(disks=disks))
    pool = driver.site.connection().storagePoolLookupByName(small_pool)
    (disk,) = [volume for volume in pool.listAllVolumes(0) if volume.name().endswith("disk0.qcow2")]
    write = ["qemu-io", "-f", "qcow2", "-c", f"write -P 7 0 {MiB(2)}", disk.path()]
    subprocess.run(["nsenter", "-t", str(daemon.inside), "-m", *write], check=True, capture_output=True)
    if on:
        run(driver.power_on, guest.ref)
    wanted = uuid.uuid4()
    with pytest.raises(NoCapacity) as caught:
        clone(guest, uuid=wanted)
    assert caught.value.resource == small_pool
    pool.refresh(0)
    assert not [name for name in pool.listVolumes() if name.startswith(str(wanted))]
    run(driver.destroy, guest.ref)
