"""Incremental backups cost what changed, not what the disk holds: bytes read and seconds, on a guest of a real QEMU.

Each backup is written to files and read back by qemu-img, and has to be the disk. On a libvirtd of the benchmark's own;
takes root.
"""

import itertools
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt
from figure import Figure
from libvirt_daemon import private_libvirtd
from libvirt_spawn import POOL, make_places

import nova_virt_api as virt
from nova_virt_api import MiB
from nova_virt_api.backups import Written, restore_backup, write_backup
from nova_virt_libvirt import event_loop
from nova_virt_libvirt.rig.fill import fill

DISK = MiB(1024)
WRITTEN = MiB(512)
LITTLE, MUCH = MiB(8), MiB(64)
ROUNDS = 5
MOST_READ = 1.05
MOST_TIME = 1.5
"""Times as long per byte with few changes as with many: each backup has something that it does once."""


def measure() -> Iterator[Figure]:
    """The figures."""
    with private_libvirtd() as uri, tempfile.TemporaryDirectory() as directory:
        event_loop.ensure("own")
        native = libvirt.open(uri)
        places = Path(directory)
        make_places(native, places)
        with virt.connect("libvirt", uri=uri, pool=POOL, owner="bench", backup_sockets=directory) as compute:
            yield from figures(compute, native, places)
        native.close()


def figures(compute: virt.Compute, native: Any, directory: Path) -> Iterator[Figure]:
    """Measure on one guest."""
    guest = compute.spawn(
        virt.InstanceSpec(
            uuid=uuid4(), name="bench", memory_bytes=MiB(64), disks=[virt.Disk(source=virt.Blank(), size_bytes=DISK)]
        )
    )
    domain = native.lookupByUUID(guest.uuid.bytes)
    bytes_ = itertools.cycle(range(1, 256))
    for offset in range(0, WRITTEN, MiB(32)):
        fill(native, domain, offset, MiB(32), next(bytes_))
    backups = directory / "backups"
    full, full_seconds = timed(compute, guest, backups)
    rounds: dict[int, list[tuple[Written, float]]] = {LITTLE: [], MUCH: []}
    for _ in range(ROUNDS):
        for changed, found in rounds.items():
            for offset in range(0, changed, MiB(8)):
                fill(native, domain, offset * 7 % WRITTEN, MiB(8), next(bytes_))
            found.append(timed(compute, guest, backups))
    check(compute, guest, directory)
    compute.destroy(guest)
    read = max(written.read_bytes / changed for changed, found in rounds.items() for written, _ in found)
    seconds = {changed: statistics.median(second for _, second in found) for changed, found in rounds.items()}
    yield Figure(name="bytes that an incremental backup reads / bytes changed", value=read, bound=MOST_READ)
    detail = (
        f"{seconds[MUCH]:.2f} s for {MUCH // MiB(1)} MiB : {seconds[LITTLE]:.2f} s for {LITTLE // MiB(1)} MiB changed"
    )
    value = seconds[MUCH] / seconds[LITTLE] / (MUCH / LITTLE)
    yield Figure(
        name="time of eight times the changes / eight times the time", value=value, bound=MOST_TIME, detail=detail
    )
    share = (seconds[LITTLE] / full_seconds) / (LITTLE / full.read_bytes)
    detail = f"{seconds[LITTLE]:.2f} s : {full_seconds:.2f} s for {full.read_bytes // MiB(1)} MiB in full"
    yield Figure(name="incremental / full backup, per byte read", value=share, detail=detail)


def timed(compute: virt.Compute, guest: virt.Instance, directory: Path) -> tuple[Written, float]:
    """A backup, and how many seconds it took."""
    begin = time.perf_counter()
    written = write_backup(compute, guest, directory, quiesce=virt.Quiesce.NO)
    return written, time.perf_counter() - begin


def check(compute: virt.Compute, guest: virt.Instance, directory: Path) -> None:
    """The last backup, restored, is the disk of the guest, which wrote nothing since."""
    compute.power_off(guest, mode=virt.PowerOff.HARD)
    (disk,) = restore_backup(directory / "backups", directory / "restored")
    there = directory / "pool" / f"{guest.uuid}.disk0.qcow2"
    subprocess.run(["qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", disk.ref, str(there)], check=True)
