"""Listing 1000 and then 5000 guests that are defined and off, on a libvirtd of the benchmark's own; takes root.

Beside the driver: the bare libvirt calls that no listing can do without, the usual loop over them, and Apache Libcloud.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import libvirt
from figure import Figure, interleaved_seconds
from libcloud.compute.drivers.libvirt_driver import LibvirtNodeDriver
from libvirt_daemon import private_libvirtd

from nova_virt_api.compute.connect import make_driver
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt import event_loop
from nova_virt_libvirt.metadata import NAMESPACE, Mark

GUESTS = 1000
MANY = 5000


def measure() -> Iterator[Figure]:
    """Figures of warm and cold listings."""
    with private_libvirtd() as uri:
        event_loop.ensure("own")
        native = libvirt.open(uri)
        domains = [define(native, number) for number in range(GUESTS)]
        driver = make_driver("libvirt", uri=uri)
        driver.open()
        try:
            assert len(driver.instances()) == GUESTS
            yield from warm(driver, native)
            yield from cold(driver, domains)
            yield from others(driver, native, uri)
            for number in range(GUESTS, MANY):
                define(native, number)
            assert len(driver.instances()) == MANY
            yield from warm(driver, native)
        finally:
            driver.close()
            native.close()


def warm(driver: Any, native: Any) -> Iterator[Figure]:
    """Nothing changed since the last listing."""
    before, after = driver.instances(), driver.instances()
    assert all(old is new for old, new in zip(before, after, strict=True))
    listing, raw = interleaved_seconds(driver.instances, lambda: bulk(native), repeat=51)
    yield ratio("warm listing / getAllDomainStats(STATE)", listing, raw, 1.3, guests=len(after))


def cold(driver: Any, domains: list[Any]) -> Iterator[Figure]:
    """Nothing is known."""
    listing, metadata, definitions = interleaved_seconds(
        lambda: driver.instances(fresh=True),
        lambda: [domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0) for domain in domains],
        lambda: [domain.XMLDesc(0) for domain in domains],
        repeat=15,
    )
    yield ratio("cold listing / metadata of each guest", listing, metadata, 1.5)
    yield ratio("cold listing / definition of each guest", listing, definitions, None)


def others(driver: Any, native: Any, uri: str) -> Iterator[Figure]:
    """How else such a list is made."""
    libcloud: Any = LibvirtNodeDriver(uri)
    listing, loop, cloud = interleaved_seconds(
        driver.instances,
        lambda: [look_up(native, each.UUID()) for each in native.listAllDomains(0)],
        libcloud.list_nodes,
        repeat=5,
    )
    yield ratio("list, look up and info of each guest / warm listing", loop, listing, None)
    yield ratio("Apache Libcloud's list_nodes / warm listing", cloud, listing, None)
    libcloud.connection.close()


def bulk(native: Any) -> Any:
    """The one request that a listing needs."""
    return native.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)


def look_up(native: Any, uuid: bytes) -> Any:
    """One guest the usual way."""
    return native.lookupByUUID(uuid).info()


def ratio(name: str, value: float, base: float, bound: float | None, guests: int = GUESTS) -> Figure:
    """A ratio with the times behind it."""
    detail = f"{value * 1000:.2f} ms : {base * 1000:.2f} ms, {guests} guests"
    return Figure(name=name, value=value / base, bound=bound, detail=detail)


def define(native: Any, number: int) -> Any:
    """A guest as the driver would have made it, without its disk's file."""
    uuid = uuid4()
    record = Record(uuid=uuid, owner="bench", fingerprint="0" * 64, phase=Phase.READY, native_id=str(uuid))
    from lxml import etree

    mark = etree.tostring(Mark(record, {"tier": "front", "number": str(number)}).element(), encoding="unicode")
    return native.defineXML(
        f"""
        <domain type='qemu'><name>bench-{number}</name><uuid>{uuid}</uuid><metadata>{mark}</metadata>
          <memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
          <devices>
            <disk type='file' device='disk'>
              <driver name='qemu' type='qcow2'/><source file='/nowhere/{uuid}.disk0.qcow2'/>
              <target dev='vda' bus='virtio'/>
            </disk>
            <interface type='network'><source network='default'/><model type='virtio'/></interface>
            <serial type='pty'><log file='/nowhere/{uuid}.console.log' append='on'/></serial>
            <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
            <graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>
          </devices>
        </domain>
        """
    )
