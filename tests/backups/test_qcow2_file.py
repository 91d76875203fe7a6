"""Images that are written from front to back, read by QEMU."""

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from nova_virt_api.backups.qcow2_file import CLUSTER, Qcow2File, check_backing
from nova_virt_api.errors import ImageRejected

BIG = 3 * 512 * 1024**2 + 12345
"""A size that takes several second-level tables, and ends within a cluster."""


def qemu(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def content(path: Path, size: int, directory: Path) -> bytes:
    raw = directory / "content.raw"
    qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(path), str(raw))
    assert raw.stat().st_size == -(-size // 512) * 512
    return raw.read_bytes()[:size]


def make(path: Path, size: int, clusters: dict[int, bytes | None], backing: str | None = None) -> None:
    """An image with these clusters; None is one of zeros."""
    with path.open("wb") as file:
        image = Qcow2File(file, size, backing)
        for cluster, data in clusters.items():
            if data is None:
                image.put_zeros(cluster)
            else:
                image.put(cluster, data)
        image.finish()
    qemu("qemu-img", "check", "-f", "qcow2", str(path))


def test_empty_image(tmp_path: Path) -> None:
    path = tmp_path / "empty.qcow2"
    make(path, 4 * CLUSTER, {})
    assert content(path, 4 * CLUSTER, tmp_path) == bytes(4 * CLUSTER)


@pytest.mark.parametrize("size", [CLUSTER, CLUSTER + 512, 300 * CLUSTER])
def test_what_was_put_is_there(tmp_path: Path, size: int) -> None:
    chance = random.Random(size)
    wanted = bytearray(size)
    clusters: dict[int, bytes | None] = {}
    for cluster in range(0, size // CLUSTER, 3):
        clusters[cluster] = chance.randbytes(CLUSTER)
        wanted[cluster * CLUSTER : (cluster + 1) * CLUSTER] = clusters[cluster] or b""
    if size % CLUSTER:
        clusters[size // CLUSTER] = b"\7" * (size % CLUSTER)
        wanted[size // CLUSTER * CLUSTER :] = b"\7" * (size % CLUSTER)
    path = tmp_path / "image.qcow2"
    make(path, size, clusters)
    assert content(path, size, tmp_path) == wanted


def test_overlay_shows_what_is_below_but_where_it_has_something(tmp_path: Path) -> None:
    below, above = tmp_path / "below.qcow2", tmp_path / "above.qcow2"
    make(below, 4 * CLUSTER, {0: b"\1" * 3 * CLUSTER})
    make(above, 6 * CLUSTER, {1: None, 2: b"\2" * CLUSTER, 5: b"\3" * CLUSTER}, "below.qcow2")
    told = json.loads(qemu("qemu-img", "info", "--output=json", str(above)))
    assert (told["backing-filename"], told["backing-filename-format"]) == ("below.qcow2", "qcow2")
    parts = (b"\1", b"\0", b"\2", b"\0", b"\0", b"\3")
    assert content(above, 6 * CLUSTER, tmp_path) == b"".join(part * CLUSTER for part in parts)


def test_large_disk_with_little_on_it(tmp_path: Path) -> None:
    path = tmp_path / "large.qcow2"
    last = BIG // CLUSTER
    make(path, BIG, {0: b"\1" * CLUSTER, 8192: b"\2" * CLUSTER, last: b"\3" * (BIG % CLUSTER)})
    assert path.stat().st_size < 20 * CLUSTER
    with path.open("rb") as file:
        check_backing(file, "large", None)
    told = qemu("qemu-io", "-r", "-f", "qcow2", "-c", f"read -P 2 {8192 * CLUSTER} {CLUSTER}", str(path))
    assert "verification failed" not in told


@pytest.mark.parametrize("blocks", [1, 2])
def test_many_clusters_are_counted(tmp_path: Path, blocks: int) -> None:
    """More clusters than one block of reference counts covers; the file is mostly a hole."""
    path = tmp_path / "many.qcow2"
    count = 32768 * blocks - 20
    with path.open("wb") as file:
        image = Qcow2File(Sparse(file), count * CLUSTER)  # type: ignore[arg-type]
        for first in range(0, count, 1024):
            image.put(first, bytes(min(1024, count - first) * CLUSTER))
        image.finish()
    assert "No errors" in qemu("qemu-img", "check", "-f", "qcow2", str(path))


class Sparse:
    """A file that leaves holes for zeros."""

    def __init__(self, file: object) -> None:
        self._file = file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, data: bytes) -> None:
        """Write, or seek past."""
        if any(data[:1024]) or len(data) < 1024**2:
            self._file.write(data)  # type: ignore[attr-defined]
        else:
            self._file.seek(len(data), os.SEEK_CUR)  # type: ignore[attr-defined]


def test_unfinished_image_is_none(tmp_path: Path) -> None:
    path = tmp_path / "unfinished.qcow2"
    with path.open("wb") as file:
        Qcow2File(file, 4 * CLUSTER).put(0, b"\1" * CLUSTER)
    with path.open("rb") as file, pytest.raises(ImageRejected, match="no qcow2 image"):
        check_backing(file, "unfinished", None)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["-b", "/etc/hostname", "-F", "raw"], None),
        (["-b", "other.qcow2", "-F", "qcow2"], "below.qcow2"),
        (["-o", "data_file=other.raw,data_file_raw=on"], None),
        (["-o", "compat=0.10"], None),
        ([], "below.qcow2"),
    ],
)
def test_images_that_stand_on_something_else_are_refused(
    tmp_path: Path, options: list[str], wanted: str | None
) -> None:
    path = tmp_path / "image.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-u", "-f", "qcow2", *options, str(path), "1M"],
        check=True,
        timeout=60,
        cwd=tmp_path,
    )
    with path.open("rb") as file, pytest.raises(ImageRejected):
        check_backing(file, "image", wanted)
