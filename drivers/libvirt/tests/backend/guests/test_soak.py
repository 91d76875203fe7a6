"""Many random verbs on many guests at once: at the end nothing is left, and nothing has grown."""

import os
import random
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

import nova_virt_api as virt
from nova_virt_api import MiB

SEED: Final = int(os.environ.get("NOVA_VIRT_TEST_SEED", random.SystemRandom().randrange(2**32)))
POOL: Final = "nova-virt"
GUESTS: Final = 20
VERBS: Final = 300
THREADS: Final = 4
PATIENCE: Final = 120.0
MOST_MORE_FILES: Final = 8
"""Threads, and connections that came back, may hold some."""

MOST_MORE_BYTES: Final = 32 * 1024**2
EXPECTED: Final = (virt.InvalidState, virt.Busy)
"""What a verb may say when another has been faster, or the guest is in no state for it."""

Verb = Callable[[virt.Compute, virt.Instance, Path], object]


def attach_volume(compute: virt.Compute, guest: virt.Instance, place: Path) -> None:
    """Attach a volume; of a guest that is off, take it away again: without an operating system nobody lets go."""
    path = place / f"{guest.uuid}.raw"
    path.touch()
    os.truncate(path, MiB(1))
    off = compute.instance(guest).power_state is virt.PowerState.SHUTDOWN
    if off and compute.volumes(guest):
        compute.detach_volume(guest, "soak", timeout=PATIENCE)
    else:
        volume = virt.Volume(id="soak", connection=virt.FileVolume(path=str(path)))
        compute.attach_volume(guest, volume, timeout=PATIENCE)


def attach_interface(compute: virt.Compute, guest: virt.Instance, place: Path) -> None:
    """Attach an interface; of a guest that is off, take the last one away if it has several."""
    nics = compute.interfaces(guest)
    if len(nics) > 1 and compute.instance(guest).power_state is virt.PowerState.SHUTDOWN:
        compute.detach_interface(guest, nics[-1], timeout=PATIENCE)
    elif len(nics) < 3:
        compute.attach_interface(guest, virt.Nic(network="default"), timeout=PATIENCE)


def make_checkpoint(compute: virt.Compute, guest: virt.Instance, place: Path) -> None:
    """Make a checkpoint, or remove it again."""
    if compute.checkpoints(guest):
        compute.delete_checkpoint(guest, "soak", timeout=PATIENCE)
    else:
        compute.create_checkpoint(guest, "soak", timeout=PATIENCE)


def resize(compute: virt.Compute, guest: virt.Instance, place: Path) -> None:
    """Stop a guest and give it another size, and keep it."""
    if compute.instance(guest).lifecycle is not virt.Lifecycle.RESIZE_PENDING:
        compute.power_off(guest, mode=virt.PowerOff.HARD, timeout=PATIENCE)
        size = virt.Size(memory_bytes=MiB(24) if compute.instance(guest).memory_bytes == MiB(16) else MiB(16))
        compute.resize(guest, size, timeout=PATIENCE)
    compute.confirm_resize(guest, timeout=PATIENCE)


WHAT: Final[dict[str, Verb]] = {
    "power on": lambda compute, guest, _: compute.power_on(guest, timeout=PATIENCE),
    "power off": lambda compute, guest, _: compute.power_off(guest, mode=virt.PowerOff.HARD, timeout=PATIENCE),
    "reboot": lambda compute, guest, _: compute.reboot(guest, mode=virt.PowerOff.HARD, timeout=PATIENCE),
    "pause": lambda compute, guest, _: compute.pause(guest, timeout=PATIENCE),
    "unpause": lambda compute, guest, _: compute.unpause(guest, timeout=PATIENCE),
    "suspend": lambda compute, guest, _: compute.suspend(guest, timeout=PATIENCE),
    "resume": lambda compute, guest, _: compute.resume(guest, timeout=PATIENCE),
    "update": lambda compute, guest, _: compute.update(guest, virt.InstanceUpdate(labels={"soaked": "yes"})),
    "list": lambda compute, guest, _: compute.instances(fresh=True),
    "metrics": lambda compute, guest, _: compute.metrics(),
    "snapshot": lambda compute, guest, place: compute.snapshot(
        guest, virt.LocalTarget(place / f"{guest.uuid}.qcow2"), timeout=PATIENCE
    ),
    "interface": attach_interface,
    "volume": attach_volume,
    "checkpoint": make_checkpoint,
    "resize": resize,
    "destroy and spawn": lambda compute, guest, _: (
        compute.destroy(guest, timeout=PATIENCE),
        spawn(compute, guest.name),
    ),
}


def spawn(compute: virt.Compute, name: str) -> virt.Instance:
    """A guest with a disk and an interface and no operating system."""
    spec = virt.InstanceSpec(
        uuid=virt.stable_uuid(name),
        name=name,
        memory_bytes=MiB(16),
        disks=[virt.Disk(source=virt.Blank(), size_bytes=MiB(1))],
        nics=[virt.Nic(network="default")],
    )
    return compute.spawn(spec, timeout=PATIENCE)


@pytest.fixture
def compute(daemon: Any, raw: Any, tmp_path: Path) -> Iterator[virt.Compute]:
    """A connection to the private daemon."""
    with virt.connect(
        "libvirt", uri=daemon.uri, pool=POOL, owner="soak", cache_dir=tmp_path / "cache", state_dir=tmp_path / "state"
    ) as compute:
        yield compute


@pytest.mark.timeout(600)
def test_nothing_is_left_and_nothing_grows(compute: virt.Compute, daemon: Any, raw: Any, tmp_path: Path) -> None:
    print(f"NOVA_VIRT_TEST_SEED={SEED}")  # noqa: T201
    names = [f"soak-{number}" for number in range(GUESTS)]
    with ThreadPoolExecutor(THREADS) as threads:
        guests = list(threads.map(lambda name: spawn(compute, name), names))
    before = Use.of(daemon)
    outcomes = soak(compute, guests, random.Random(SEED), tmp_path)
    assert {verb for verb, worked in outcomes if worked} == set(WHAT), (
        f"a verb never worked, of seed {SEED}: {outcomes}"
    )
    after = Use.of(daemon)
    for guest in guests:
        assert compute.destroy(guest, timeout=PATIENCE)
    assert not compute.leftovers()
    native = raw()
    assert not native.listAllDomains(0)
    pool = native.storagePoolLookupByName(POOL)
    pool.refresh(0)
    assert not [name for name in pool.listVolumes() if any(str(guest.uuid) in name for guest in guests)]
    assert not native.listSecrets()
    assert not taps(daemon)
    assert after.files - before.files <= MOST_MORE_FILES
    assert after.daemon_files - before.daemon_files <= MOST_MORE_FILES
    assert after.resident_bytes - before.resident_bytes <= MOST_MORE_BYTES


def soak(
    compute: virt.Compute, guests: list[virt.Instance], chance: random.Random, place: Path
) -> Counter[tuple[str, bool]]:
    """Do the verbs, several at a time; how often each worked and did not."""
    outcomes: Counter[tuple[str, bool]] = Counter()
    made_anew: set[str] = set()
    lock = threading.Lock()
    plan = list(WHAT) * (VERBS // len(WHAT) + 1)
    chance.shuffle(plan)
    work = [(name, chance.choice(guests)) for name in plan]

    def do(item: tuple[str, virt.Instance]) -> None:
        name, guest = item
        if name == "destroy and spawn":
            made_anew.add(guest.name)
        try:
            WHAT[name](compute, guest, place)
            worked = True
        except EXPECTED:
            worked = False
        except virt.InstanceNotFound:  # it is being made anew just now
            worked = False
        except (virt.NetworkError, virt.VolumeError) as error:  # it was started since, and has no system that obeys
            if "does not let go" not in str(error):
                raise
            worked = False
        except virt.Cancelled:  # by a removal, which goes first
            if guest.name not in made_anew:
                raise
            worked = False
        except virt.VirtError as error:
            error.add_note(f"{name} of {guest.name}")
            raise
        with lock:
            outcomes[name, worked] += 1

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(do, work))
    return outcomes


class Use:
    """What a process holds.

    Args:
        files: descriptors of this process.
        daemon_files: descriptors of libvirtd.
        resident_bytes: memory of this process.
    """

    def __init__(self, files: int, daemon_files: int, resident_bytes: int) -> None:
        self.files = files
        self.daemon_files = daemon_files
        self.resident_bytes = resident_bytes

    @classmethod
    def of(cls, daemon: Any) -> "Use":
        """What is held now."""
        resident = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert resident is not None
        return cls(
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            len(os.listdir(f"/proc/{libvirtd_of(daemon)}/fd")),  # noqa: PTH208
            int(resident[1]) * 1024,
        )


def libvirtd_of(daemon: Any) -> int:
    """The private daemon's libvirtd, as this namespace numbers it."""
    inner = first_inside(daemon)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            same = (process / "ns" / "pid").readlink() == Path(f"/proc/{inner}/ns/pid").readlink()
            if same and (process / "comm").read_text().strip() == "libvirtd":
                return int(process.name)
        except OSError:
            continue
    raise AssertionError("the private libvirtd does not run")


def first_inside(daemon: Any) -> int:
    """The first process of the private daemon's namespaces."""
    outer = daemon._process.pid
    return int(Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0])


def taps(daemon: Any) -> list[str]:
    """The tap devices in the private daemon's network namespace."""
    command = ["nsenter", "-t", str(first_inside(daemon)), "-n", "ip", "-o", "link"]
    links = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return re.findall(r"^\d+: (vnet\d+)", links, re.MULTILINE)
