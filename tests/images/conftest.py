"""An operation that records and can be stopped, a cache of its own, and good images to spoil."""

import math
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Cancelled, Timeout
from nova_virt_api.images.cache import ImageCache

MIB = 1024**2


class RecordingOperation:
    """What a driver gets, without a Compute: remembers what it was told; ``stop_when`` cancels it at a checkpoint."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.counters: list[tuple[str, float, float]] = []
        self.deadline = math.inf
        self.stop_when: Callable[[RecordingOperation], bool] = lambda op: False
        self.callbacks: list[Callable[[], None]] = []

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        self.checkpoint()
        self.stages.append(stage.value if isinstance(stage, Stage) else stage)
        self.callbacks.clear()

    def progress(self, done: float, total: float) -> None:
        self.counters.append((self.stages[-1], done, total))

    def checkpoint(self) -> None:
        if self.stop_when(self):
            raise Cancelled("stopped by the test")
        if self.remaining() == 0:
            raise Timeout(self.stages[-1] if self.stages else "nothing yet")

    def on_cancel(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def on_complete_now(self, callback: Callable[[], None]) -> None:
        raise AssertionError("fetching an image cannot be hastened")

    def remaining(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.checkpoint()
            time.sleep(0.005)


@pytest.fixture
def op() -> RecordingOperation:
    return RecordingOperation()


@pytest.fixture
def another_op() -> Callable[[], RecordingOperation]:
    return RecordingOperation


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "cache")


@pytest.fixture
def cached_files(tmp_path: Path) -> Callable[[], list[str]]:
    """Names of the files below the cache's directory; directories do not count."""
    root = tmp_path / "cache"
    return lambda: sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """A small valid image of every format, each with 1 MiB of data in it."""
    place = tmp_path_factory.mktemp("good")
    options: dict[str, list[Any]] = {
        "qcow2": [],
        "vmdk": [],
        "streamOptimized": ["-o", "subformat=streamOptimized"],
        "vdi": [],
        "vpc": [],
        "fixed": ["-o", "subformat=fixed"],
        "vhdx": [],
        "qed": [],
        "huge": [],
    }
    kinds = {"streamOptimized": "vmdk", "fixed": "vpc", "huge": "qcow2"}
    disk = place / "disk"
    disk.write_bytes(bytes(2 * MIB) + b"\xa5" * MIB + bytes(MIB))
    for name, extra in options.items():
        target = str(place / name)
        if name == "huge":
            command = ["qemu-img", "create", "-q", "-f", "qcow2", target, "65T"]
        else:
            command = ["qemu-img", "convert", "-f", "raw", "-O", kinds.get(name, name), *extra, str(disk), target]
        subprocess.run(command, check=True)
    return {name: (place / name).read_bytes() for name in options}


@pytest.fixture
def settled() -> Callable[[Path, bytes], Path]:
    """Write a file and wait until its clock's tick is over, as for any file that was not written just now."""

    def write(path: Path, content: bytes) -> Path:
        path.write_bytes(content)
        while time.time_ns() - path.stat().st_ctime_ns < 150_000_000:
            time.sleep(0.01)
        return path

    return write
