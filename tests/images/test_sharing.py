"""The cache between threads and processes: who waits, who works, and what killed ones leave."""

import fcntl
import random
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

from nova_virt_api.errors import Timeout
from nova_virt_api.images.cache import ImageCache
from nova_virt_api.images.lock import FileLock
from nova_virt_api.model.image import LocalFile

Good = Mapping[str, bytes]
Settled = Callable[[Path, bytes], Path]
MIB = 1024**2
FETCH = textwrap.dedent("""
    import math, sys, time
    from pathlib import Path
    from nova_virt_api.images.cache import ImageCache
    from nova_virt_api.model.image import LocalFile

    class Operation:
        def stage(self, stage, cancel=None): pass
        def progress(self, done, total): pass
        def checkpoint(self): pass
        def on_cancel(self, callback): pass
        def remaining(self): return math.inf
        def wait_until(self, condition):
            while not condition(): time.sleep(0.005)

    print("ready", flush=True)
    with ImageCache(Path(sys.argv[1])).fetch(LocalFile(sys.argv[2]), Operation()) as image:
        print(image.sha256, flush=True)
""")


def finished(files: list[str]) -> list[str]:
    """The files but for the cache's finished ones: what should not be there."""
    return [name for name in files if not name.startswith(("images/", "records/"))]


def virtual_size(path: Path) -> int:
    text = subprocess.run(["qemu-img", "info", "-f", "qcow2", str(path)], check=True, capture_output=True, text=True)
    return int(text.stdout.split("(")[1].split(" ")[0])


def start_fetch(cache: Path, image: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", FETCH, str(cache), str(image)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_threads_that_want_the_same_image_share_one_fetch(
    good: Good, cache: ImageCache, another_op: Any, tmp_path: Path, settled: Settled
) -> None:
    source = LocalFile(settled(tmp_path / "image", good["vmdk"]))
    ops = [another_op() for _ in range(6)]
    found: list[Any] = []
    threads = [threading.Thread(target=lambda op=op: found.append(cache.fetch(source, op))) for op in ops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len({image.sha256 for image in found}) == 1
    assert sum(op.stages.count("copy image") for op in ops) == 1


def test_a_waiting_fetch_obeys_its_deadline(
    good: Good, cache: ImageCache, op: Any, another_op: Any, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(good["qcow2"])
    late = another_op()

    def wait_meanwhile(_: Any) -> bool:
        op.stop_when = lambda op: False
        late.deadline = time.monotonic() + 0.05
        with pytest.raises(Timeout):
            cache.fetch(LocalFile(tmp_path / "image"), late)
        return False

    op.stop_when = wait_meanwhile
    cache.fetch(LocalFile(tmp_path / "image"), op)
    assert late.stages == []


def test_processes_killed_at_any_moment_leave_nothing_in_the_way(
    good: Good, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Callable[[], list[str]]
) -> None:
    image = tmp_path / "image"
    image.write_bytes(good["vmdk"])
    moments = random.Random(2)
    for _ in range(8):
        process = start_fetch(tmp_path / "cache", image)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.15))  # the moment is what is tested
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with cache.fetch(LocalFile(image), op) as fetched:
        assert virtual_size(fetched.path) == 4 * MIB
    assert finished(cached_files()) == []


def test_what_nobody_came_back_for_is_swept(tmp_path: Path, cache: ImageCache, good: Good, op: Any) -> None:
    (tmp_path / "image").write_bytes(good["qcow2"])
    cache.fetch(LocalFile(tmp_path / "image"), op)
    left = tmp_path / "cache" / "work" / "some-key"
    left.mkdir()
    (left / "part").write_bytes(b"half an image")
    lock = tmp_path / "cache" / "locks" / "some-key"
    lock.touch()
    cache.prune(10 * MIB, 3600)
    assert left.exists()
    cache.prune(10 * MIB, 0)
    assert not left.exists()
    assert not lock.exists()


@pytest.mark.parametrize("instead", ["another file", "none"])
def test_a_lock_whose_file_was_removed_is_not_taken(
    instead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last holder removes it between our opening and our locking; somebody else may hold the new one by then."""
    path = tmp_path / "lock"
    lock = FileLock(path)
    really_lock = fcntl.flock

    def remove(descriptor: int, operation: int) -> None:
        path.unlink()
        if instead == "another file":
            path.touch()
        really_lock(descriptor, operation)

    with monkeypatch.context() as changed:
        changed.setattr(fcntl, "flock", remove)
        assert not lock.try_acquire()
    assert lock.try_acquire()
    assert not FileLock(path).try_acquire()
    lock.release()
    lock.release()
    assert not path.exists()
