"""Keeps one built image per version of the builder and of the kernel, safely shared by processes that build at once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nova_virt_conformance.guest_image import packages
from nova_virt_conformance.guest_image.assemble import assemble
from nova_virt_conformance.guest_image.command import BuildError

IMAGE_NAME: Final = "guest.qcow2"
SOURCES: Final = Path(__file__).resolve().parent
READERS: Final = frozenset({"__main__.py", "markers.py"})
"""These do not decide what is inside the image: an edit of theirs keeps the one that is there."""


def ensure_image(progress: Callable[[str], None]) -> Path:
    """Return the path of the image, which is built first unless this version of it exists.

    Without apt, or with apt's lists removed, an image that these very sources built before serves, whatever its kernel.
    """
    folder = cache_folder()
    sources = sources_digest()
    try:
        kernels = packages.kernel_choices()
    except BuildError:
        earlier = sorted(folder.glob(f"{sources}-*/{IMAGE_NAME}"), key=lambda image: image.stat().st_mtime)
        if earlier:
            return earlier[-1]
        raise
    version = re.sub(r"[^A-Za-z0-9.+-]", "_", kernels[0].version)
    image = folder / f"{sources}-{version}" / IMAGE_NAME
    if image.exists():
        return image
    with _only_builder(folder):
        if not image.exists():
            for abandoned in folder.glob("building-*"):  # by a process that was killed: the lock is ours
                shutil.rmtree(abandoned)
            progress(f"building {image}")
            image.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="building-", dir=folder) as work:
                built = assemble(kernels, Path(work), progress)
                built.replace(image)
    return image


def cache_folder() -> Path:
    """Return the folder of all built images, as the XDG base directory specification places it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "nova-virt" / "guest-image"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def export(image: Path, target: Path) -> Path:
    """Copy the image to the target in one step: whoever looks sees no image or a whole one."""
    target = target.absolute()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        temporary = Path(file.name)
    try:
        shutil.copyfile(image, temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Wait until no other process builds; the lock goes with the process, so a crash leaves none behind."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sources_digest() -> str:
    """Return a short digest of everything that decides what is inside the image."""
    digest = hashlib.sha256()
    builder = [path for path in SOURCES.glob("*.py") if path.name not in READERS]
    content = [path for folder in ("boot", "guest") for path in (SOURCES / folder).rglob("*") if path.is_file()]
    for path in sorted([*builder, *content]):
        digest.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
