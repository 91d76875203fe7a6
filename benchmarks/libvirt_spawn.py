"""Spawning an overlay guest, beside the same claim, overlay, seed and start done by hand with libvirt-python.

Both base their overlay on the same image, which was inspected and uploaded before. Run in turns, so that whatever the
machine does hits both. Prints the ratio of the medians; the aim is at most 1.25.
"""

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt
from lxml import etree
from oslo_config import cfg

from nova_virt_api.compute.operation import DriverSide, Operation
from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.model.cloud_init import CloudInit
from nova_virt_api.model.disk import Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageFormat, LocalFile
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.units import GiB, MiB
from nova_virt_api.toolkit.seed import nocloud_seed
from nova_virt_libvirt.driver import LibvirtDriver
from nova_virt_libvirt.options import GROUP, OPTIONS

AIM = 1.25
CLAIM_BYTES = 8192


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", default="qemu:///system")
    parser.add_argument("--pool", default="nova-virt")
    parser.add_argument("--network", default="default")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        driver = open_driver(arguments, Path(directory))
        try:
            spawned, by_hand = measure(driver, arguments, Path(directory))
        finally:
            driver.close()
    ratio = statistics.median(spawned) / statistics.median(by_hand)
    print(f"spawn of an overlay guest     {statistics.median(spawned) * 1000:8.1f} ms")
    print(f"the same by hand              {statistics.median(by_hand) * 1000:8.1f} ms")
    print(f"ratio                         {ratio:8.2f}    (aim: at most {AIM})")
    return 0


def open_driver(arguments: argparse.Namespace, directory: Path) -> LibvirtDriver:
    """The driver as ``connect`` makes it."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group=GROUP)
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override("uri", arguments.uri, group=GROUP)
    conf.set_override("pool", arguments.pool, group=GROUP)
    endpoint = Endpoint(
        driver="libvirt",
        options=conf[GROUP],
        owner="nova-virt-benchmark",
        cache_dir=directory / "cache",
        state_dir=directory / "state",
    )
    driver = LibvirtDriver(endpoint)
    driver.open()
    return driver


def measure(
    driver: LibvirtDriver, arguments: argparse.Namespace, directory: Path
) -> tuple[list[float], list[float]]:
    """Seconds of each round, spawned and by hand; the first round of each warms up and does not count."""
    image = directory / "image.raw"
    image.write_bytes(uuid.uuid4().bytes * 4096)
    native: Any = driver.native()
    pool = native.storagePoolLookupByName(arguments.pool)
    known = set(pool.listVolumes())
    spawned, by_hand = [], []
    try:
        for _ in range(arguments.rounds + 1):
            spec = make_spec(arguments, image)
            spawned.append(seconds(lambda spec=spec: run(driver.spawn, spec)))
            definition = native.lookupByUUID(spec.uuid.bytes).XMLDesc(
                libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
            )
            run(driver.destroy, InstanceRef(uuid=spec.uuid))
            base = next(name for name in set(pool.listVolumes()) - known if name.startswith("nova-virt-base-"))
            path = pool.storageVolLookupByName(base).path()
            other = make_spec(arguments, image)
            text = definition.replace(str(spec.uuid), str(other.uuid)).replace(spec.name, other.name)
            by_hand.append(seconds(lambda: make_by_hand(native, arguments.pool, other, path, text)))  # noqa: B023
            remove_by_hand(native, pool, other.uuid)
    finally:
        for name in set(pool.listVolumes()) - known:
            pool.storageVolLookupByName(name).delete(0)
    return spawned[1:], by_hand[1:]


def make_spec(arguments: argparse.Namespace, image: Path) -> InstanceSpec:
    """A guest with overlay, seed and interface."""
    number = uuid.uuid4()
    return InstanceSpec(
        uuid=number,
        name=f"benchmark-{number.hex[:12]}",
        memory_bytes=MiB(64),
        disks=[Disk(source=LocalFile(image, format=ImageFormat.RAW), size_bytes=GiB(1))],
        nics=[Nic(network=arguments.network)],
        cloud_init=CloudInit(user_data="#cloud-config\n"),
    )


def make_by_hand(native: Any, pool_name: str, spec: InstanceSpec, base: str, definition: str) -> None:
    """What somebody would write who needs the same guest once, without checks and without undoing anything."""
    pool = native.storagePoolLookupByName(pool_name)
    claim = pool.createXML(volume_xml(f"{spec.uuid}.claim", CLAIM_BYTES, "raw"), 0)
    upload(native, claim, b"{}".ljust(CLAIM_BYTES))
    pool.createXML(volume_xml(f"{spec.uuid}.disk0.qcow2", GiB(1), "qcow2", base), 0)
    assert spec.cloud_init is not None
    seed = nocloud_seed(spec.cloud_init, spec.uuid, spec.name)
    upload(native, pool.createXML(volume_xml(f"{spec.uuid}.seed.iso", len(seed), "raw"), 0), seed)
    native.defineXML(definition).create()


def remove_by_hand(native: Any, pool: Any, guest: uuid.UUID) -> None:
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


def run(verb: Callable[..., Any], *arguments: Any) -> Any:
    """Do a driver's verb as ``Compute`` would."""
    operation: Operation[Any] = Operation(verb.__name__, None, timeout=120.0)
    operation.begin()
    return verb(*arguments, op=DriverSide(operation))


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
