"""Downloads that are cancelled, shared or killed."""

import hashlib
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.errors import (
    Cancelled,
)
from nova_virt_api.images import http
from nova_virt_api.images.cache import ImageCache

Good = Mapping[str, bytes]
Files = Callable[[], list[str]]
MIB = 1024**2
FETCH = textwrap.dedent("""
    import math, sys, time
    from pathlib import Path
    from nova_virt_api.images.cache import ImageCache
    from nova_virt_api.model.image import Checksum, Url

    class Operation:
        def stage(self, stage, cancel=None): pass
        def progress(self, done, total): pass
        def checkpoint(self): pass
        def on_cancel(self, callback): pass
        def remaining(self): return math.inf
        def wait_until(self, condition):
            print("waiting", flush=True)
            while not condition(): time.sleep(0.005)

    source = Url(sys.argv[2], checksum=Checksum(digest=sys.argv[3]))
    with ImageCache(Path(sys.argv[1])).fetch(source, Operation()) as image:
        print(image.sha256, flush=True)
""")


def strays(files: list[str]) -> list[str]:
    return [name for name in files if not name.startswith(("images/", "records/"))]


def test_cancelling_wakes_a_reader(site: Any, cache: ImageCache, op: Any, cached_files: Files) -> None:
    site.hold_at = MIB

    def cancel() -> None:
        while ("fetch image", MIB, len(site.content)) not in op.counters:
            site.holding.wait(0.01)
        op.stop_when = lambda op: True
        for callback in op.callbacks:
            callback()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled):
        cache.fetch(site.plain(), op)
    thread.join()
    assert not site.go.is_set()
    assert cached_files() == []


def test_two_processes_fetch_once(site: Any, tmp_path: Path, cached_files: Files) -> None:
    site.hold_at = MIB
    first = start(site, tmp_path)
    assert site.holding.wait(60)
    second = start(site, tmp_path)
    assert second.stdout is not None
    assert second.stdout.readline() == b"waiting\n"
    site.go.set()
    digest = hashlib.sha256(site.content).hexdigest().encode()
    assert first.communicate(timeout=60)[0].split() == [digest]
    assert second.communicate(timeout=60)[0].split() == [digest]
    assert len(site.seen) == 1
    assert strays(cached_files()) == []


def test_a_killed_download_is_resumed_by_the_next(
    site: Any, cache: ImageCache, op: Any, tmp_path: Path, cached_files: Files
) -> None:
    site.hold_at = MIB
    process = start(site, tmp_path)
    assert site.holding.wait(60)
    half = 3 * http.CHUNK  # the last chunk may still be on its way
    while sum((tmp_path / "cache" / name).stat().st_size for name in cached_files() if name.endswith("/part")) < half:
        assert process.poll() is None
    process.kill()
    process.communicate()
    site.go.set()
    with cache.fetch(site.plain(), op) as image:
        assert image.path.read_bytes() == site.content
    assert int(site.seen[1]["Range"].removeprefix("bytes=").rstrip("-")) >= half
    assert strays(cached_files()) == []


def start(site: Any, tmp_path: Path) -> subprocess.Popen[bytes]:
    digest = hashlib.sha256(site.content).hexdigest()
    command = [sys.executable, "-c", FETCH, str(tmp_path / "cache"), site.url, digest]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "NO_PROXY": "localhost"})
