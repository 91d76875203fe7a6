"""Spawning an overlay guest, beside the same claim, overlay, seed and start done by hand with libvirt-python.

Both base their overlay on the same image, which was inspected and uploaded before. On a libvirtd of the
benchmark's own; takes root.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import libvirt
from figure import Figure
from libvirt_daemon import private_libvirtd
from lxml import etree

import nova_virt_api as virt
from nova_virt_api import GiB, MiB
from nova_virt_api.toolkit.seed import seed_image
from nova_virt_libvirt import event_loop

BOUND = 1.15
ROUNDS = 15
CLAIM_BYTES = 8192
POOL = "bench"
NETWORK = "bench"


def measure() -> Iterator[Figure]:
    """The figure."""
    with private_libvirtd() as uri, tempfile.TemporaryDirectory() as directory:
        event_loop.ensure("own")
        native = libvirt.open(uri)
        pool = make_places(native, Path(directory))
        image = Path(directory) / "image.raw"
        image.write_bytes(b"nova-virt benchmark\n" * 4096)
        with virt.connect("libvirt", uri=uri, pool=POOL, owner="bench") as compute:
            spawned, by_hand = take_turns(compute, native, pool, image)
        native.close()
    mine, bare = statistics.median(spawned), statistics.median(by_hand)
    detail = f"{mine * 1000:.1f} ms : {bare * 1000:.1f} ms, medians of {ROUNDS}"
    yield Figure(name="spawn from a warm image / the same by hand", value=mine / bare, bound=BOUND, detail=detail)


def make_places(native: Any, directory: Path) -> Any:
    """A pool and a network."""
    network = native.networkDefineXML(f"<network><name>{NETWORK}</name></network>")
    network.create()
    directory.chmod(0o755)
    pool = native.storagePoolDefineXML(
        f"<pool type='dir'><name>{POOL}</name><target><path>{directory}/pool</path></target></pool>"
    )
    pool.build(0)
    pool.create(0)
    return pool


def take_turns(compute: virt.Compute, native: Any, pool: Any, image: Path) -> tuple[list[float], list[float]]:
    """Seconds of each round, spawned and by hand; the first round of each warms up and does not count."""
    spawned, by_hand = [], []
    everything = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    for _ in range(ROUNDS + 1):
        spec, other = make_spec(image), make_spec(image)
        spawned.append(seconds(partial(compute.spawn, spec)))
        definition = native.lookupByUUID(spec.uuid.bytes).XMLDesc(everything)
        definition = definition.replace(str(spec.uuid), str(other.uuid)).replace(spec.name, other.name)
        compute.destroy(spec.uuid)
        base = next(name for name in pool.listVolumes() if name.startswith("nova-virt-base-"))
        path = pool.storageVolLookupByName(base).path()
        by_hand.append(seconds(partial(make_by_hand, native, other, path, definition)))
        remove_by_hand(native, pool, other.uuid)
    return spawned[1:], by_hand[1:]


def make_spec(image: Path) -> virt.InstanceSpec:
    """A guest with overlay, seed and interface."""
    number = uuid4()
    return virt.InstanceSpec(
        uuid=number,
        name=f"bench-{number.hex}",
        memory_bytes=MiB(64),
        disks=[virt.Disk(source=virt.LocalFile(image, format=virt.ImageFormat.RAW), size_bytes=GiB(1))],
        nics=[virt.Nic(network=NETWORK)],
        cloud_init=virt.CloudInit(user_data="#cloud-config\n"),
    )


def make_by_hand(native: Any, spec: virt.InstanceSpec, base: str, definition: str) -> None:
    """What somebody would write who needs the same guest once, without checks and without undoing anything."""
    pool = native.storagePoolLookupByName(POOL)
    claim = pool.createXML(volume_xml(f"{spec.uuid}.claim", CLAIM_BYTES, "raw"), 0)
    upload(native, claim, b"{}".ljust(CLAIM_BYTES))
    pool.createXML(volume_xml(f"{spec.uuid}.disk0.qcow2", GiB(1), "qcow2", base), 0)
    assert spec.cloud_init is not None
    seed = seed_image(spec.cloud_init, spec.uuid, spec.name, devices=())
    upload(native, pool.createXML(volume_xml(f"{spec.uuid}.seed.iso", len(seed), "raw"), 0), seed)
    native.defineXML(definition).create()


def remove_by_hand(native: Any, pool: Any, guest: UUID) -> None:
    """Clean up after :func:`make_by_hand`."""
    domain = native.lookupByUUID(guest.bytes)
    domain.destroy()
    domain.undefine()
    pool.refresh(0)
    for name in pool.listVolumes():
        if name.startswith(str(guest)):
            pool.storageVolLookupByName(name).delete(0)


def volume_xml(name: str, size: int, image_format: str, base: str | None = None) -> str:
    """A volume's definition."""
    volume = etree.Element("volume")
    etree.SubElement(volume, "name").text = name
    etree.SubElement(volume, "capacity").text = str(size)
    etree.SubElement(volume, "allocation").text = "0"
    etree.SubElement(etree.SubElement(volume, "target"), "format", type=image_format)
    if base is not None:
        backing = etree.SubElement(volume, "backingStore")
        etree.SubElement(backing, "path").text = base
        etree.SubElement(backing, "format", type="raw")
    return etree.tostring(volume, encoding="unicode")


def upload(native: Any, volume: Any, content: bytes) -> None:
    """Write a volume."""
    stream = native.newStream(0)
    volume.upload(stream, 0, len(content), 0)
    stream.send(content)
    stream.finish()


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
