"""Moving a running guest to another host, beside the same move by ``virDomainMigrate3`` as ``virsh migrate`` calls it.

Both copy the guest's disk into a volume that is made for it at the destination. Two libvirtd of the benchmark's own, in
namespaces of their own, connected by a cable; takes root.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import libvirt
from figure import Figure
from lxml import etree
from lxml.builder import E

import nova_virt_api as virt
from nova_virt_api import MiB
from nova_virt_libvirt import event_loop

BOUND = 1.25
ROUNDS = 7
POOL = "bench"
CABLE = "cable"
SCRIPT = Path(__file__).parents[1] / "drivers" / "libvirt" / "tests" / "private_libvirtd.py"
ADDRESSES = ("10.78.0.1", "10.78.0.2")
BY_HAND = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_NON_SHARED_DISK
    | libvirt.VIR_MIGRATE_AUTO_CONVERGE
)


def measure() -> Iterator[Figure]:
    """The figures."""
    event_loop.ensure("own")
    with ExitStack() as exits:
        uris = exits.enter_context(two_hosts())
        natives = [libvirt.open(uri) for uri in uris]
        for native in natives:
            exits.callback(native.close)
        directories = [Path(exits.enter_context(tempfile.TemporaryDirectory())) for _ in natives]
        for native, directory in zip(natives, directories, strict=True):
            make_pool(native, directory)
        ends = [
            exits.enter_context(
                virt.connect("libvirt", uri=uri, pool=POOL, owner="bench", migration_address=address, virt_type="qemu")
            )
            for uri, address in zip(uris, ADDRESSES, strict=True)
        ]
        mine, by_hand = take_turns(ends, natives, directories)
    for name, number in (("time of a live migration", 0), ("downtime of a live migration", 1)):
        ours, bare = (statistics.median(round_[number] for round_ in rounds) for rounds in (mine, by_hand))
        detail = f"{ours * 1000:.0f} ms : {bare * 1000:.0f} ms, medians of {ROUNDS}"
        yield Figure(name=f"{name} / virsh migrate", value=ours / bare, bound=BOUND, detail=detail)


@contextmanager
def two_hosts() -> Iterator[list[str]]:
    """Two libvirtd, and how to reach them."""
    with ExitStack() as exits:
        processes = []
        uris = []
        for _ in ADDRESSES:
            directory = exits.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            exits.callback(end, process)
            assert process.stdout is not None
            uris.append(json.loads(process.stdout.readline())["uri"])
            processes.append(process)
        inside = [Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()[0] for one in processes]
        ends = ["netns", inside[0], "type", "veth", "peer", "name", CABLE, "netns", inside[1]]
        subprocess.run(["ip", "link", "add", CABLE, *ends], check=True)
        for pid, address in zip(inside, ADDRESSES, strict=True):
            for command in (["address", "add", f"{address}/24", "dev", CABLE], ["link", "set", CABLE, "up"]):
                subprocess.run(["nsenter", "-t", pid, "-n", "ip", *command], check=True)
        yield uris


def end(process: subprocess.Popen[str]) -> None:
    """End a libvirtd and its guests."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)


def make_pool(native: Any, directory: Path) -> None:
    """A pool for disks."""
    definition = E.pool(E.name(POOL), E.target(E.path(str(directory))), type="dir")
    native.storagePoolDefineXML(etree.tostring(definition, encoding="unicode")).create()


def take_turns(
    ends: list[virt.Compute], natives: list[Any], directories: list[Path]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Seconds and downtime of each round, by the driver and by hand; the first round of each does not count."""
    mine, by_hand = [], []
    for _ in range(ROUNDS + 1):
        guest = ends[0].spawn(make_spec())
        begin = time.perf_counter()
        ends[0].live_migrate(guest, to=ends[1])
        mine.append((time.perf_counter() - begin, downtime(natives[1], guest)))
        ends[1].destroy(guest)
        guest = ends[0].spawn(make_spec())
        begin = time.perf_counter()
        migrate_by_hand(natives, directories, guest)
        by_hand.append((time.perf_counter() - begin, downtime(natives[1], guest)))
        remove_by_hand(natives, guest)
        ends[0].destroy(guest)
    return mine[1:], by_hand[1:]


def make_spec() -> virt.InstanceSpec:
    """A guest without an operating system."""
    number = uuid4()
    disk = virt.Disk(source=virt.Blank(), size_bytes=MiB(64))
    return virt.InstanceSpec(uuid=number, name=f"bench-{number.hex}", memory_bytes=MiB(128), disks=[disk])


def migrate_by_hand(natives: list[Any], directories: list[Path], guest: virt.Instance) -> None:
    """What ``virsh migrate --live --persistent --undefinesource --copy-storage-all`` does, and its preparations."""
    here, there = (str(directory) for directory in directories)
    pool = natives[1].storagePoolLookupByName(POOL)
    for name, size, kind in ((f"{guest.uuid}.disk0.qcow2", MiB(64), "qcow2"), (f"{guest.uuid}.console.log", 0, "raw")):
        target = E.target(E.format(type=kind))
        pool.createXML(
            etree.tostring(E.volume(E.name(name), E.capacity(str(size)), E.allocation("0"), target), encoding="unicode")
        )
    domain = natives[0].lookupByUUID(guest.uuid.bytes)
    travelling = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
    parameters = {
        libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://{ADDRESSES[1]}",
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: domain.XMLDesc(travelling).replace(here, there),
        libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: domain.XMLDesc(travelling | libvirt.VIR_DOMAIN_XML_INACTIVE).replace(
            here, there
        ),
    }
    domain.migrate3(natives[1], parameters, BY_HAND)


def remove_by_hand(natives: list[Any], guest: virt.Instance) -> None:
    """Clean up after :func:`migrate_by_hand`."""
    domain = natives[1].lookupByUUID(guest.uuid.bytes)
    domain.destroy()
    domain.undefine()
    pool = natives[1].storagePoolLookupByName(POOL)
    pool.refresh(0)
    for volume in pool.listAllVolumes(0):
        volume.delete(0)


def downtime(native: Any, guest: virt.Instance) -> float:
    """Seconds for which a guest that has just arrived stood still."""
    stats = native.lookupByUUID(guest.uuid.bytes).jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    return float(stats["downtime"]) / 1000
