"""20 spawns at once, beside 20 guests made by hand at once, each by a thread with a connection of its own."""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import libvirt
from figure import Figure
from libvirt_daemon import private_libvirtd
from libvirt_spawn import POOL, make_by_hand, make_places, make_spec, remove_by_hand, seconds

import nova_virt_api as virt
from nova_virt_libvirt import event_loop

AT_ONCE = 20
ROUNDS = 4
BOUND = 1 / 0.9
"""0.9 of the throughput."""


def measure() -> Iterator[Figure]:
    """The figure."""
    with private_libvirtd() as uri, tempfile.TemporaryDirectory() as directory:
        event_loop.ensure("own")
        native = libvirt.open(uri)
        pool = make_places(native, Path(directory))
        image = Path(directory) / "image.raw"
        image.write_bytes(b"nova-virt benchmark\n" * 4096)
        with virt.connect("libvirt", uri=uri, pool=POOL, owner="bench") as compute:
            spawned, by_hand = take_turns(compute, native, pool, image, uri)
        native.close()
    mine, bare = statistics.median(spawned), statistics.median(by_hand)
    detail = f"{mine:.2f} s : {bare:.2f} s, medians of {ROUNDS}"
    yield Figure(name=f"{AT_ONCE} spawns at once / the same by hand", value=mine / bare, bound=BOUND, detail=detail)


def take_turns(compute: virt.Compute, native: Any, pool: Any, image: Path, uri: str) -> tuple[list[float], list[float]]:
    """Seconds of each round, spawned and by hand; each comes first in every other, and the first does not count."""
    model = make_spec(image)
    compute.spawn(model)
    definition = definition_of(native, model)
    base = next(name for name in pool.listVolumes() if name.startswith("nova-virt-base-"))
    path = pool.storageVolLookupByName(base).path()
    compute.destroy(model.uuid)

    def make(connection: Any, spec: virt.InstanceSpec) -> None:
        own = definition.replace(str(model.uuid), str(spec.uuid)).replace(model.name, spec.name)
        make_by_hand(connection, spec, path, own)

    def spawned() -> float:
        specs = [make_spec(image) for _ in range(AT_ONCE)]
        took = seconds(lambda: list(threads.map(compute.spawn, specs)))
        for spec in specs:
            compute.destroy(spec.uuid)
        return took

    def by_hand() -> float:
        specs = [make_spec(image) for _ in range(AT_ONCE)]
        connections = [libvirt.open(uri) for _ in specs]
        took = seconds(lambda: list(threads.map(make, connections, specs)))
        for connection, spec in zip(connections, specs, strict=True):
            remove_by_hand(native, pool, spec.uuid)
            connection.close()
        return took

    turns = (spawned, by_hand)
    found: dict[Callable[[], float], list[float]] = {turn: [] for turn in turns}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number in range(ROUNDS + 1):
            for turn in turns if number % 2 else reversed(turns):
                found[turn].append(turn())
    return found[spawned][1:], found[by_hand][1:]


def definition_of(native: Any, spec: virt.InstanceSpec) -> str:
    """A guest's definition, without the address of its interface, which each guest needs for itself."""
    everything = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    lines = native.lookupByUUID(spec.uuid.bytes).XMLDesc(everything).splitlines(keepends=True)
    return "".join(line for line in lines if "<mac " not in line)
