"""20 spawns at once, beside 20 guests made by hand at once, each by a thread with a connection of its own."""

import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import libvirt
from figure import Figure
from libvirt_listing import private_libvirtd
from libvirt_spawn import POOL, make_by_hand, make_places, make_spec, remove_by_hand, seconds

import nova_virt_api as virt
from nova_virt_libvirt import event_loop

AT_ONCE = 20
ROUNDS = 3
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
            rounds = [take_turns(compute, native, pool, image, uri) for _ in range(ROUNDS + 1)][1:]
        native.close()
    spawned, by_hand = (statistics.median(each) for each in zip(*rounds, strict=True))
    detail = f"{spawned:.2f} s : {by_hand:.2f} s, medians of {ROUNDS}"
    yield Figure(
        name=f"{AT_ONCE} spawns at once / the same by hand", value=spawned / by_hand, bound=BOUND, detail=detail
    )


def take_turns(compute: virt.Compute, native: Any, pool: Any, image: Path, uri: str) -> tuple[float, float]:
    """Seconds for all, spawned and by hand; the first round warms up and does not count."""
    specs, others = ([make_spec(image) for _ in range(AT_ONCE)] for _ in range(2))
    with ThreadPoolExecutor(AT_ONCE) as threads:
        spawned = seconds(lambda: list(threads.map(compute.spawn, specs)))
        definition = definition_of(native, specs[0])
        for spec in specs:
            compute.destroy(spec.uuid)
        base = next(name for name in pool.listVolumes() if name.startswith("nova-virt-base-"))
        path = pool.storageVolLookupByName(base).path()
        connections = [libvirt.open(uri) for _ in others]

        def make(connection: Any, spec: virt.InstanceSpec) -> None:
            own = definition.replace(str(specs[0].uuid), str(spec.uuid)).replace(specs[0].name, spec.name)
            make_by_hand(connection, spec, path, own)

        by_hand = seconds(lambda: list(threads.map(make, connections, others)))
    for connection, spec in zip(connections, others, strict=True):
        remove_by_hand(native, pool, spec.uuid)
        connection.close()
    return spawned, by_hand


def definition_of(native: Any, spec: virt.InstanceSpec) -> str:
    """A guest's definition, without the address of its interface, which each guest needs for itself."""
    everything = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    lines = native.lookupByUUID(spec.uuid.bytes).XMLDesc(everything).splitlines(keepends=True)
    return "".join(line for line in lines if "<mac " not in line)
