"""Processes that die while they make, fill, grow or remove a volume of a pool, before any change that they make."""

import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageFormat, LocalFile, LocalTarget
from nova_virt_api.model.stored_volume import StoredVolumeSpec
from nova_virt_api.model.units import MiB
from nova_virt_libvirt.stored_volumes.name import PREFIX

SIZE = MiB(4)

Die = Callable[..., bool]
Run = Callable[..., Any]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with something on it."""
    raw, path = tmp_path / "image.raw", tmp_path / "image.qcow2"
    raw.write_bytes(b"\5" * MiB(1) + bytes(MiB(1)))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path)], check=True)
    return path


@pytest.fixture
def die(dying: Callable[..., Any], image: Path) -> Die:
    """Does a verb in another process that dies before a change; False if the verb was done before that."""
    dies = dying("verbs_of_pools.py")

    def die(number: int, verb: str, volume: UUID, size: int = SIZE) -> bool:
        found: bool = dies(number, verb, id=str(volume), size=size, image=str(image))
        return found

    return die


@pytest.fixture
def there(native: Any) -> Callable[[], list[str]]:
    """The names of everything that is there of volumes of pools."""

    def look() -> list[str]:
        pool = native.storagePoolLookupByName("nova-virt")
        pool.refresh(0)
        return [name for name in pool.listVolumes() if name.startswith(PREFIX)]

    return look


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", ["create_volume", "upload_volume"])
def test_a_volume_whose_maker_died(
    verb: str, die: Die, there: Callable[[], list[str]], driver: Any, run: Run, image: Path, tmp_path: Path
) -> None:
    """It is there whole, or not at all and what is left is told; whoever repeats the verb, or removes it, ends it."""
    number, died = 0, True
    while died:
        identity = uuid.uuid4()
        died = die(number, verb, identity)
        whole = [volume.id for volume in driver.stored_volumes()]
        left = {leftover.uuid for leftover in driver.leftovers()}
        assert whole in ([], [identity])
        assert left <= {identity}
        assert not (whole and left), "a volume that is whole is a leftover"
        names = there()
        torn = bool(names) and not whole
        assert not torn or left or ".claim" in names[0], "a leftover that is not told"  # a young claim may be written
        match number % 3:
            case 0:  # repeated
                made = make(driver, run, verb, identity, image)
                assert (made.id, made.size_bytes) == (identity, SIZE)
                check_content(driver, run, verb, identity, image, tmp_path)
                assert run(driver.delete_volume, identity) is True
            case 1:
                assert run(driver.delete_volume, identity) is bool(names)
            case 2:
                assert run(driver.destroy, InstanceRef(uuid=identity)) is torn
                assert run(driver.delete_volume, identity) is bool(whole)
        assert (there(), driver.leftovers()) == ([], [])
        number += 1
    assert number > 4


def make(driver: Any, run: Run, verb: str, identity: UUID, image: Path) -> Any:
    spec = StoredVolumeSpec(name="killed", id=identity, size_bytes=SIZE)
    if verb == "create_volume":
        return run(driver.create_volume, spec)
    return run(driver.upload_volume, spec, LocalFile(image))


def check_content(driver: Any, run: Run, verb: str, identity: UUID, image: Path, directory: Path) -> None:
    back, raw = directory / f"{identity}.qcow2", directory / f"{identity}.raw"
    run(driver.download_volume, identity, LocalTarget(back, ImageFormat.QCOW2))
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(back), str(raw)], check=True)
    begins = b"\5" * MiB(1) if verb == "upload_volume" else b""
    assert raw.read_bytes() == begins.ljust(SIZE, b"\0")


@pytest.mark.timeout(300)
def test_a_volume_whose_remover_died(die: Die, there: Callable[[], list[str]], driver: Any, run: Run) -> None:
    """It is there, or what is left of it is told; removing it again, or making it, ends the matter."""
    number, died = 0, True
    while died:
        identity = uuid.uuid4()
        run(driver.create_volume, StoredVolumeSpec(name="killed", id=identity, size_bytes=SIZE))
        died = die(number, "delete_volume", identity)
        if number % 2:
            run(driver.create_volume, StoredVolumeSpec(name="killed", id=identity, size_bytes=SIZE))
            assert [volume.id for volume in driver.stored_volumes()] == [identity]
        names = there()
        assert run(driver.delete_volume, identity) is bool(names)
        assert (there(), driver.leftovers()) == ([], [])
        number += 1
    assert number > 2


@pytest.mark.timeout(300)
def test_a_volume_whose_grower_died(die: Die, driver: Any, run: Run, there: Callable[[], list[str]]) -> None:
    """It has one size or the other, and can be grown."""
    identity = uuid.uuid4()
    run(driver.create_volume, StoredVolumeSpec(name="killed", id=identity, size_bytes=SIZE))
    assert die(0, "resize_volume", identity, 2 * SIZE)
    assert driver.stored_volume(identity).size_bytes == SIZE
    assert not die(1, "resize_volume", identity, 2 * SIZE)
    assert driver.stored_volume(identity).size_bytes == 2 * SIZE
    assert run(driver.delete_volume, identity)
    assert there() == []
