"""Bringing the disks of a backup back: one file per disk, which needs no other."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nova_virt_api.backups.folder import BackupFolder, locked
from nova_virt_api.backups.qcow2_file import check_backing
from nova_virt_api.compute.face import run
from nova_virt_api.compute.operation import DriverSide, Operation, outcome_of
from nova_virt_api.errors import InvalidSpec, StorageError
from nova_virt_api.images.convert import convert_image
from nova_virt_api.images.disk_errors import writing_to
from nova_virt_api.images.entry import sync
from nova_virt_api.images.limits import Limits
from nova_virt_api.images.target import make_durable
from nova_virt_api.model.image import ImageFormat, ImageInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.backups.manifest import DiskFile, Manifest
    from nova_virt_api.compute.face import OnProgress

SUFFIXES: Final = {ImageFormat.QCOW2: "qcow2", ImageFormat.RAW: "raw"}
ROOM: Final = 1024**3
"""Bytes that a converted disk may take beyond its size, for tables."""

CPU_SECONDS: Final = 10**6
WORK: Final = ".restore-"
"""What the name of a directory with unfinished disks begins with."""


def restore_backup(
    directory: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    number: int | None = None,
    image_format: ImageFormat = ImageFormat.QCOW2,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[ImageInfo, ...]:
    """Write the disks of a backup as they were, each into a file of its own; no endpoint is needed.

    A guest is made of them by ``spawn`` with ``Disk(source=LocalFile(...))``.

    Args:
        directory: the directory with the backups.
        target: the directory to write to; made if it is not there. Files of the disks' names must not be there.
        number: the backup; None for the newest.
        image_format: what the files are to hold.
        timeout: seconds until the deadline.
        on_progress: called whenever stage or progress changed.

    Returns:
        The disks, the one to boot from first.

    Raises:
        InvalidSpec: there is no such backup, or a file is in the way.
        ImageRejected: a file of the backup is not what was written.
        StorageError: a file of the backup is missing, or the target cannot be written.
        Busy: another process restores to the same directory.
    """
    operation = submit_restore(
        directory, target, number=number, image_format=image_format, timeout=timeout, on_progress=on_progress
    )
    return outcome_of(operation)


def submit_restore(
    directory: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    number: int | None = None,
    image_format: ImageFormat = ImageFormat.QCOW2,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
) -> Operation[tuple[ImageInfo, ...]]:
    """:func:`restore_backup` as an operation that is under way when the call returns."""
    operation = Operation[tuple[ImageInfo, ...]]("restore", None, timeout=timeout, on_progress=on_progress)
    folder, to = BackupFolder(directory), Path(target).expanduser().absolute()

    def work() -> None:
        if operation.begin():
            run(operation, lambda op: restore(folder, to, number, image_format, op))

    threading.Thread(target=work, name="nova-virt-restore", daemon=True).start()
    return operation


def restore(
    folder: BackupFolder, target: Path, number: int | None, image_format: ImageFormat, op: DriverSide
) -> tuple[ImageInfo, ...]:
    """Write the disks of a backup."""
    manifests = {manifest.number: manifest for manifest in folder.manifests()}
    manifest = folder.manifest(number)
    finals = [target / f"{disk.id}.{SUFFIXES[image_format]}" for disk in manifest.disks]
    for final in finals:
        if final.exists():
            raise InvalidSpec("target", str(final), "a place where no such file is")
    with alone_in(target), tempfile.TemporaryDirectory(prefix=WORK, dir=target) as work:
        written = []
        for disk, final in zip(manifest.disks, finals, strict=True):
            op.stage(f"write disk {disk.id}")
            part = Path(work) / final.name
            write_disk(folder, chain_of(manifests, manifest, disk), part, image_format, op)
            written.append((disk, part, final))
        for _, part, final in written:
            part.replace(final)
        sync(target)
    return tuple(
        ImageInfo(
            ref=str(final), format=image_format, size_bytes=final.stat().st_size, virtual_size_bytes=disk.size_bytes
        )
        for disk, _, final in written
    )


@contextmanager
def alone_in(target: Path) -> Iterator[None]:
    """Be the only one who restores to a directory, which is made if need be; what somebody who was killed left goes.

    Raises:
        Busy: another process restores to it.
        StorageError: it cannot be written to.
    """
    with writing_to(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(target, f"another process restores a backup to {target}"):
            for left in target.glob(f"{WORK}*"):
                shutil.rmtree(left)
            yield


def chain_of(manifests: dict[int, Manifest], manifest: Manifest, disk: DiskFile) -> list[DiskFile]:
    """The files that a disk is made of, the newest first.

    Raises:
        StorageError: one is missing.
    """
    chain = [disk]
    while chain[-1].backing is not None:
        earlier = None if manifest.since is None else manifests.get(manifest.since)
        found = [] if earlier is None else [file for file in earlier.disks if file.file == chain[-1].backing]
        if earlier is None or not found:
            raise StorageError(f"the backup that {chain[-1].file} is the difference to is missing")
        chain.append(found[0])
        manifest = earlier
    return chain


def write_disk(
    folder: BackupFolder, chain: list[DiskFile], part: Path, image_format: ImageFormat, op: DriverSide
) -> None:
    """Write one disk from its files, which stand on one another and on nothing else."""
    stored = 0
    for disk in chain:
        path = folder.path / disk.file
        try:
            with path.open("rb") as file:
                check_backing(file, str(path), disk.backing)
            stored += path.stat().st_size
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}", hint="the backup is not complete") from error
    size = chain[0].size_bytes
    source = ImageInfo(
        ref=str(folder.path / chain[0].file), format=ImageFormat.QCOW2, size_bytes=stored, virtual_size_bytes=size
    )
    limits = Limits(
        virtual_size_bytes=max(size, 1),
        stored_bytes=size + size // 64 + ROOM,
        growth=10**6,
        convert_cpu_seconds=CPU_SECONDS,
    )
    convert_image(source, part, image_format, chain[0].file, limits, op)
    make_durable(part)
