"""The cache: what it answers, what it notices, what it keeps, and what killed processes leave."""

import errno
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import (
    Cancelled,
    ImageNotFound,
    ImageRejected,
    InvalidSpec,
    PermissionDenied,
    StorageError,
)
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.images.inspect import inspect_image
from nova_virt_api.images.limits import Limits
from nova_virt_api.images.local import LocalOrigin
from nova_virt_api.model.image import ImageFormat, LocalFile, Native, Store

Good = Mapping[str, bytes]
Settled = Callable[[Path, bytes], Path]
MIB = 1024**2


def finished(files: list[str]) -> list[str]:
    """The files but for the cache's finished ones: what should not be there."""
    return [name for name in files if not name.startswith(("images/", "records/"))]


def virtual_size(path: Path) -> int:
    text = subprocess.run(["qemu-img", "info", "-f", "qcow2", str(path)], check=True, capture_output=True, text=True)
    return int(text.stdout.split("(")[1].split(" ")[0])


@pytest.mark.parametrize("name", ["qcow2", "vmdk", "streamOptimized", "vdi", "vpc", "fixed", "vhdx"])
def test_every_format_arrives_with_its_content(
    name: str, good: Good, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    (tmp_path / "image").write_bytes(good[name])
    with cache.fetch(LocalFile(tmp_path / "image"), op) as image:
        assert image.format is ImageFormat.QCOW2
        assert image.virtual_size_bytes == virtual_size(image.path) >= 4 * MIB
        assert image.size_bytes == image.path.stat().st_size
        raw = subprocess.run(
            ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"if={image.path}", f"of={tmp_path}/raw"], check=False
        )
        assert raw.returncode == 0
        content = (tmp_path / "raw").read_bytes()
        assert content[: 3 * MIB] == bytes(2 * MIB) + b"\xa5" * MIB
    assert finished(cached_files()) == []
    assert op.stages == ["copy image", "check image"] + ["convert image"] * (name != "qcow2")
    assert op.counters[-1][1] == op.counters[-1][2]


def test_only_the_account_may_look(good: Good, cache: ImageCache, op: Any, tmp_path: Path) -> None:
    for name in ("qcow2", "vmdk"):
        (tmp_path / name).write_bytes(good[name])
        cache.fetch(LocalFile(tmp_path / name), op)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "cache").rglob("*") if path.is_dir()}
    assert modes == {0o700}
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "cache" / "images").iterdir()} == {0o600}


def test_raw_is_made_where_only_raw_is_wanted(good: Good, cache: ImageCache, op: Any, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(good["vmdk"])
    with cache.fetch(LocalFile(tmp_path / "image"), op, formats={ImageFormat.RAW}) as image:
        assert image.format is ImageFormat.RAW
        assert image.size_bytes == image.virtual_size_bytes == 4 * MIB
        assert image.path.stat().st_blocks * 512 < 2 * MIB  # its holes stayed holes


def test_a_medium_is_handed_on_as_raw(cache: ImageCache, op: Any, tmp_path: Path) -> None:
    medium = bytearray(40 * 1024)
    medium[32 * 1024 : 32 * 1024 + 7] = b"\x01CD001\x01"
    (tmp_path / "cd.iso").write_bytes(medium)
    with cache.fetch(LocalFile(tmp_path / "cd.iso", ImageFormat.ISO), op) as image:
        assert image.format is ImageFormat.RAW
        assert image.path.read_bytes() == medium
    with cache.fetch(LocalFile(tmp_path / "cd.iso"), op, formats={ImageFormat.ISO, ImageFormat.RAW}) as image:
        assert image.format is ImageFormat.ISO
    with cache.fetch(LocalFile(tmp_path / "cd.iso"), op, formats={ImageFormat.QCOW2}) as image:
        assert image.format is ImageFormat.QCOW2
        assert image.virtual_size_bytes == len(medium)


def test_a_medium_that_boots_from_a_disk_too_is_a_medium(cache: ImageCache, op: Any, tmp_path: Path) -> None:
    medium = bytearray(40 * 1024)
    medium[446:462] = bytes([0x80, 1, 1, 0, 0x17, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0, 0])
    medium[510:512] = b"\x55\xaa"
    medium[32 * 1024 : 32 * 1024 + 7] = b"\x01CD001\x01"
    (tmp_path / "cd.iso").write_bytes(medium)
    with cache.fetch(LocalFile(tmp_path / "cd.iso"), op, formats=set(ImageFormat)) as image:
        assert image.format is ImageFormat.ISO


def test_a_raw_disk_may_be_declared_or_have_a_partition_table(
    cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    (tmp_path / "blank").write_bytes(bytes(8 * MIB))
    with cache.fetch(LocalFile(tmp_path / "blank", ImageFormat.RAW), op) as image:
        assert image.virtual_size_bytes == 8 * MIB
        assert image.path.stat().st_blocks == 0
    entry = bytes([0x80, 1, 1, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0, 0])
    (tmp_path / "disk").write_bytes(bytes(446) + entry + bytes(48) + b"\x55\xaa" + bytes(MIB))
    with cache.fetch(LocalFile(tmp_path / "disk"), op) as image:
        assert image.format is ImageFormat.RAW
    assert finished(cached_files()) == []


def test_an_unchanged_file_is_not_read_again(
    good: Good, cache: ImageCache, op: Any, another_op: Any, tmp_path: Path, settled: Settled
) -> None:
    source = LocalFile(settled(tmp_path / "image", good["vmdk"]))
    first = cache.fetch(source, op)
    again = another_op()
    assert cache.fetch(source, again) == first
    assert again.stages == []
    assert ImageCache(tmp_path / "cache").fetch(source, again) == first
    assert again.stages == []


def test_a_file_that_had_just_changed_is_not_trusted(good: Good, cache: ImageCache, op: Any, tmp_path: Path) -> None:
    """It may change again within the tick of its clock, and look the same."""
    path = tmp_path / "image"
    path.write_bytes(good["qcow2"])
    before = path.stat().st_ctime_ns
    cache.fetch(LocalFile(path), op)
    if time.time_ns() - before < 90_000_000:  # else this machine was too slow to have anything to show
        cache.fetch(LocalFile(path), op)
        assert op.stages.count("copy image") == 2


def test_a_changed_file_is_read_again_though_its_old_times_are_put_back(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, settled: Settled
) -> None:
    path = settled(tmp_path / "image", good["qcow2"])
    times = path.stat()
    first = cache.fetch(LocalFile(path), op)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert cache.fetch(LocalFile(path), op).sha256 != first.sha256


def test_the_same_bytes_are_kept_once(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(good["qcow2"])
    assert cache.fetch(LocalFile(tmp_path / "one"), op) == cache.fetch(LocalFile(tmp_path / "two"), op)
    assert len([name for name in cached_files() if name.startswith("images/")]) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"!" + path.read_bytes()[1:]),
        lambda path: path.unlink(),
    ],
    ids=["cut", "changed", "removed"],
)
def test_a_damaged_entry_is_made_anew(
    damage: Callable[[Path], Any], good: Good, cache: ImageCache, op: Any, tmp_path: Path, settled: Settled
) -> None:
    source = LocalFile(settled(tmp_path / "image", good["qcow2"]))
    with cache.fetch(source, op) as image:
        damage(image.path)
    with cache.fetch(source, op) as image:
        assert image.path.read_bytes() == good["qcow2"]


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"format": "nonsense"}', b"\xff"])
def test_an_unreadable_record_counts_as_none(
    text: bytes, good: Good, cache: ImageCache, op: Any, tmp_path: Path, settled: Settled
) -> None:
    source = LocalFile(settled(tmp_path / "image", good["qcow2"]))
    cache.fetch(source, op).close()
    (record,) = (tmp_path / "cache" / "records").iterdir()
    record.write_bytes(text)
    assert cache.fetch(source, op).path.read_bytes() == good["qcow2"]
    assert op.stages.count("copy image") == 2


def test_pruning_removes_the_oldest_but_not_what_is_used(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    images = {}
    for name in ("qcow2", "vmdk", "vdi"):
        (tmp_path / name).write_bytes(good[name])
        images[name] = cache.fetch(LocalFile(tmp_path / name), op, formats=set(ImageFormat))
    images["vmdk"].close()
    images["vdi"].close()
    used = images["vdi"].path.stat().st_blocks * 512 + images["qcow2"].path.stat().st_blocks * 512
    assert cache.prune(used, 3600) > 0
    assert images["qcow2"].path.exists()
    assert not images["vmdk"].path.exists()
    assert images["vdi"].path.exists()
    assert cache.prune(10 * MIB, 0) > 0
    assert images["qcow2"].path.exists()
    del images["qcow2"]
    assert cache.prune(10 * MIB, 0) > 0
    assert cached_files() == []


def test_a_fetch_prunes_to_what_was_agreed(good: Good, op: Any, tmp_path: Path) -> None:
    cache = ImageCache(tmp_path / "cache", keep_bytes=1)
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(good["qcow2"] + name.encode())
        cache.fetch(LocalFile(tmp_path / name), op).close()
    assert len(list((tmp_path / "cache" / "images").iterdir())) == 1


def test_pruning_an_empty_place_does_nothing(tmp_path: Path) -> None:
    assert ImageCache(tmp_path / "nowhere").prune(0, 0) == 0
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("stage", ["copy image", "check image", "convert image"])
def test_a_cancelled_fetch_leaves_nothing(
    stage: str, good: Good, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    (tmp_path / "image").write_bytes(good["vmdk"])
    op.stop_when = lambda op: op.stages[-1:] == [stage]
    with pytest.raises(Cancelled):
        cache.fetch(LocalFile(tmp_path / "image"), op)
    assert op.stages[-1] == stage
    assert cached_files() == []


def test_a_file_that_grows_while_it_is_read_is_refused(good: Good, cache: ImageCache, op: Any, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(good["qcow2"])

    def grow(_: Any) -> bool:
        with path.open("ab") as file:
            file.write(b"more")
        return False

    op.stop_when = lambda op: bool(op.counters) and grow(op)
    with (
        pytest.raises(ValueError, match="x")
        if False
        else pytest.raises(Exception, match="it changed while it was read")
    ):
        cache.fetch(LocalFile(path), op)


def test_an_image_larger_than_allowed_is_refused(good: Good, op: Any, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(good["qcow2"])
    cache = ImageCache(tmp_path / "cache", limits=Limits(stored_bytes=MIB))
    with pytest.raises(ImageRejected, match="it is larger than the 1048576 bytes allowed"):
        cache.fetch(LocalFile(tmp_path / "image"), op)


def test_narrower_limits_hold_for_what_is_cached(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, settled: Settled
) -> None:
    source = LocalFile(settled(tmp_path / "image", good["qcow2"]))
    cache.fetch(source, op)
    with pytest.raises(ImageRejected, match="is larger than the 1048576 allowed"):
        ImageCache(tmp_path / "cache", limits=Limits(virtual_size_bytes=MIB)).fetch(source, op)


def test_sources_that_do_not_pass_through_the_client_are_refused(cache: ImageCache, op: Any) -> None:
    with pytest.raises(InvalidSpec, match="Native"):
        cache.fetch(Native("template"), op)
    with pytest.raises(InvalidSpec, match="none is installed"):
        cache.fetch(Store("unheard", "of"), op)


def test_formats_that_cannot_be_made_are_refused(cache: ImageCache, op: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="QCOW2 or RAW among them"):
        cache.fetch(LocalFile(tmp_path / "image"), op, formats={ImageFormat.VMDK})


def test_a_removed_source_is_not_found_though_it_is_cached(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, settled: Settled
) -> None:
    path = settled(tmp_path / "image", good["qcow2"])
    cache.fetch(LocalFile(path), op)
    path.unlink()
    with pytest.raises(ImageNotFound):
        cache.fetch(LocalFile(path), op)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EACCES, PermissionDenied), (errno.EIO, StorageError)], ids=["refused", "broken"]
)
def test_a_file_that_cannot_be_read_is_a_typed_error(
    number: int,
    kind: type[Exception],
    good: Good,
    cache: ImageCache,
    op: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "image"
    path.write_bytes(good["qcow2"])

    def fail(self: LocalOrigin) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(LocalOrigin, "_open", fail)
    with pytest.raises(kind, match=f"cannot read image {path}: "):
        cache.fetch(LocalFile(path), op)


def test_a_file_that_becomes_a_pipe_is_refused(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking at the path and opening it."""
    path = tmp_path / "image"
    path.write_bytes(good["qcow2"])
    really_open = os.open

    def swap(name: Any, flags: int, *more: Any, **others: Any) -> int:
        if Path(name) == path:
            path.unlink()
            os.mkfifo(path)
        return really_open(name, flags, *more, **others)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(ImageRejected, match="it is a named pipe"):
        cache.fetch(LocalFile(path), op)


def test_a_file_system_without_times_is_named(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image").write_bytes(good["qcow2"])
    monkeypatch.setattr(os, "utime", lambda path, ns: None)
    with pytest.raises(StorageError, match="does not keep a file's times"):
        cache.fetch(LocalFile(tmp_path / "image"), op)


def test_an_empty_file_is_no_image(op: Any, tmp_path: Path) -> None:
    (tmp_path / "image").touch()
    with pytest.raises(ImageRejected, match="it is empty"):
        inspect_image(tmp_path / "image", "disk", op)
