"""Conversion under limits: what is too much is stopped, and the process never outlives who asked for it."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import Cancelled, ImageRejected, NoCapacity, Timeout, Unavailable
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.images.convert import PACKAGES, convert_image, reason
from nova_virt_api.images.limits import GROWTH_FLOOR, Limits
from nova_virt_api.model.image import ImageFormat, ImageInfo, LocalFile

Good = Mapping[str, bytes]
Tool = Callable[[str], None]
Files = Callable[[], list[str]]
MIB = 1024**2
ENDLESS = 'echo $$ > "$PIDS/pid"; printf "    (50.00/100%%)\\r"; exec sleep 1000'


@pytest.fixture
def qemu_img(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Put a shell script in the place of qemu-img."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    monkeypatch.setenv("PIDS", str(tmp_path))

    def install(script: str) -> None:
        (place / "qemu-img").write_text(f"#!/bin/sh\n{script}\n")
        (place / "qemu-img").chmod(0o700)

    return install


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def vmdk(good: Good, tmp_path: Path) -> LocalFile:
    (tmp_path / "image").write_bytes(good["vmdk"])
    return LocalFile(tmp_path / "image")


def test_an_image_that_grows_too_much_is_stopped(op: Any, tmp_path: Path, cached_files: Files) -> None:
    """A bomb: 64 MiB of the same bytes in 64 KiB."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"\xa5" * 64 * MIB)
    bomb = tmp_path / "bomb"
    command = [
        "qemu-img",
        "convert",
        "-f",
        "raw",
        "-O",
        "vmdk",
        "-o",
        "subformat=streamOptimized",
        str(disk),
        str(bomb),
    ]
    subprocess.run(command, check=True)
    assert bomb.stat().st_size < MIB
    cache = ImageCache(tmp_path / "cache", limits=Limits(stored_bytes=8 * MIB))
    for formats in ({ImageFormat.QCOW2}, {ImageFormat.RAW}):
        with pytest.raises(ImageRejected, match="it would grow beyond 8388608 bytes when converted"):
            cache.fetch(LocalFile(bomb), op, formats=formats)
    assert cached_files() == []


def test_the_bound_follows_the_stored_size() -> None:
    limits = Limits(growth=10, stored_bytes=10**12)
    assert limits.converted_bytes(1) == GROWTH_FLOOR
    assert limits.converted_bytes(10**10) == 10**11
    assert limits.converted_bytes(10**12) == 10**12


def test_processor_time_is_bounded(
    qemu_img: Tool, vmdk: LocalFile, op: Any, tmp_path: Path, cached_files: Files
) -> None:
    qemu_img("while :; do :; done")
    cache = ImageCache(tmp_path / "cache", limits=Limits(convert_cpu_seconds=1))
    with pytest.raises(ImageRejected, match="converting it takes more than 1 s of processor time"):
        cache.fetch(vmdk, op)
    assert cached_files() == []


def test_memory_is_bounded(qemu_img: Tool, vmdk: LocalFile, op: Any, tmp_path: Path) -> None:
    qemu_img('ulimit -v >&2; echo "qemu-img: Cannot allocate memory" >&2; exit 1')
    cache = ImageCache(tmp_path / "cache", limits=Limits(convert_memory_bytes=512 * MIB))
    with pytest.raises(ImageRejected, match="converting it takes more than 536870912 bytes of memory") as caught:
        cache.fetch(vmdk, op)
    assert isinstance(caught.value.__cause__, subprocess.CalledProcessError)
    assert caught.value.__cause__.stderr.startswith(f"{512 * 1024}\n")


def test_formats_are_said_and_the_rest_is_closed(qemu_img: Tool, vmdk: LocalFile, cache: ImageCache, op: Any) -> None:
    qemu_img('echo "$@; core $(ulimit -c); $(grep NoNewPrivs /proc/self/status)" >&2; exit 1')
    with pytest.raises(ImageRejected) as caught:
        cache.fetch(vmdk, op)
    said = caught.value.__cause__.stderr  # type: ignore[union-attr]
    assert said.startswith("convert -p -f vmdk -O qcow2 -- /")
    assert said.rstrip().endswith("core 0; NoNewPrivs:\t1")


def test_output_is_not_trusted(
    qemu_img: Tool, vmdk: LocalFile, cache: ImageCache, op: Any, cached_files: Files
) -> None:
    qemu_img('for last; do :; done; echo "not an image" > "$last"')
    with pytest.raises(ImageRejected, match="declared qcow2, but its bytes are raw"):
        cache.fetch(vmdk, op)
    assert cached_files() == []


def test_a_hidden_image_is_not_let_out(cache: ImageCache, good: Good, op: Any, tmp_path: Path) -> None:
    """A disk whose content is a qcow2 image would be one once it is raw."""
    inner = tmp_path / "inner"
    inner.write_bytes(good["qcow2"])
    outer = tmp_path / "outer"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", str(inner), str(outer)], check=True)
    with pytest.raises(ImageRejected, match="declared raw, but its bytes are qcow2"):
        cache.fetch(LocalFile(outer), op, formats={ImageFormat.RAW})


def test_cancelling_ends_the_process(
    qemu_img: Tool, vmdk: LocalFile, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Files
) -> None:
    qemu_img(ENDLESS)
    op.stop_when = lambda op: ("convert image", 50.0, 100) in op.counters
    with pytest.raises(Cancelled):
        cache.fetch(vmdk, op)
    assert gone(int((tmp_path / "pid").read_text()))
    assert cached_files() == []


def test_a_request_to_cancel_takes_effect_at_once(qemu_img: Tool, vmdk: LocalFile, cache: ImageCache, op: Any) -> None:
    qemu_img(ENDLESS)

    def cancel() -> None:
        wait_for(lambda: ("convert image", 50.0, 100) in op.counters)
        op.stop_when = lambda op: True
        for callback in op.callbacks:
            callback()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled):
        cache.fetch(vmdk, op)
    thread.join()


def test_the_deadline_ends_the_process(
    qemu_img: Tool, vmdk: LocalFile, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Files
) -> None:
    qemu_img(ENDLESS)
    op.stop_when = lambda op: op.counters[-1:] == [("convert image", 50.0, 100)] and expire(op)
    with pytest.raises(Timeout, match="convert image"):
        cache.fetch(vmdk, op)
    assert gone(int((tmp_path / "pid").read_text()))
    assert cached_files() == []


def expire(op: Any) -> bool:
    op.deadline = time.monotonic()
    return False


def test_the_process_dies_with_its_caller(
    qemu_img: Tool, vmdk: LocalFile, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Files
) -> None:
    qemu_img(ENDLESS)
    script = textwrap.dedent("""
        import math, sys
        from pathlib import Path
        from unittest.mock import Mock
        from nova_virt_api.images.cache import ImageCache
        from nova_virt_api.model.image import LocalFile
        op = Mock(remaining=lambda: math.inf)
        ImageCache(Path(sys.argv[1])).fetch(LocalFile(sys.argv[2]), op)
    """)
    caller = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "cache"), str(vmdk.path)])
    wait_for(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
    pid = int((tmp_path / "pid").read_text())
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    wait_for(lambda: gone(pid))
    assert any(name.startswith("work/") for name in cached_files())
    (tmp_path / "bin" / "qemu-img").unlink()
    cache.fetch(vmdk, op)
    assert [name for name in cached_files() if not name.startswith(("images/", "records/"))] == []


@pytest.mark.parametrize("missing", PACKAGES)
def test_a_missing_tool_is_named_with_its_package(
    missing: str, vmdk: LocalFile, cache: ImageCache, op: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "only"
    place.mkdir()
    for name in PACKAGES.keys() - {missing}:
        (place / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(Unavailable, match="install the package") as caught:
        cache.fetch(vmdk, op)
    assert caught.value.message.startswith(missing)


def test_what_needs_no_conversion_needs_no_tool(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image").write_bytes(good["qcow2"])
    monkeypatch.setenv("PATH", "")
    assert cache.fetch(LocalFile(tmp_path / "image"), op).virtual_size_bytes == 4 * MIB


@pytest.mark.parametrize(
    ("code", "said", "kind", "text"),
    [
        (-signal.SIGXFSZ, "", ImageRejected, "grow beyond 7 bytes"),
        (1, "qemu-img: error while writing: File too large", ImageRejected, "grow beyond 7 bytes"),
        (-signal.SIGABRT, "", ImageRejected, "bytes of memory"),
        (1, "qemu-img: error while writing: No space left on device", NoCapacity, "no space left"),
        (1, "qemu-img: first\nqemu-img: second", ImageRejected, "qemu-img cannot convert it: 'second'"),
        (-9, "", ImageRejected, "exit code -9"),
    ],
)
def test_each_end_has_its_reason(code: int, said: str, kind: type[Exception], text: str) -> None:
    error = reason(code, said, "disk.vmdk", 7, Limits())
    assert isinstance(error, kind)
    assert text in str(error)


def test_the_file_in_the_cache_is_not_named(op: Any, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt"
    spoilt.write_bytes(b"rubbish" * 1000)
    info = ImageInfo(ref=str(spoilt), format=ImageFormat.VMDK, size_bytes=7000, virtual_size_bytes=7000)
    op.stage("convert image")
    with pytest.raises(ImageRejected, match=r"qemu-img cannot convert it: .*my-image") as caught:
        convert_image(info, tmp_path / "out", ImageFormat.QCOW2, "my-image", Limits(), op)
    assert str(spoilt) not in str(caught.value)
