"""How long after libvirt's own callback the driver tells of a change; on a libvirtd of its own; takes root."""

import statistics
import time
from collections import deque
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import libvirt
from figure import Figure
from libvirt_daemon import private_libvirtd

from nova_virt_api.compute.connect import make_driver
from nova_virt_api.events import Changed, DriverEvent
from nova_virt_libvirt import event_loop

CHANGES = 300
PATIENCE = 10.0
BOUND_MS = 50.0
DOMAIN = """
<domain type='qemu'><name>bench</name><uuid>{uuid}</uuid><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os></domain>
"""


def measure() -> Iterator[Figure]:
    """The figures."""
    with private_libvirtd() as uri:
        event_loop.ensure("own")
        native = libvirt.open(uri)
        domain = native.defineXML(DOMAIN.format(uuid=uuid4()))
        domain.create()
        driver = make_driver("libvirt", uri=uri)
        driver.open()
        try:
            delays = sorted(delays_of(driver, native, domain))
        finally:
            driver.close()
            domain.destroy()
            native.close()
    last = delays[int(len(delays) * 0.99) - 1]
    detail = f"median {statistics.median(delays) * 1000:.2f} ms, {CHANGES} pauses and resumptions"
    yield Figure(
        name="event after a bare callback, 99 of 100", value=last * 1000, unit="ms", bound=BOUND_MS, detail=detail
    )


def delays_of(driver: Any, native: Any, domain: Any) -> Iterator[float]:
    """Seconds between the bare callback and ours, for each change."""
    bare: deque[float] = deque()
    told: deque[float] = deque()
    guest = UUID(bytes=domain.UUID())
    registered = native.domainEventRegisterAny(
        domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *_: bare.append(time.perf_counter()), None
    )

    def tell(event: DriverEvent) -> None:
        if isinstance(event, Changed) and event.instance.uuid == guest:
            told.append(time.perf_counter())

    subscription = driver.events(tell)
    settle(told)
    for number in range(CHANGES):
        bare.clear()
        told.clear()
        domain.suspend() if number % 2 == 0 else domain.resume()
        end = time.monotonic() + PATIENCE
        while not (bare and told):
            assert time.monotonic() < end, "no event came"
            time.sleep(0.0005)
        yield max(0.0, told[0] - bare[0])
        settle(told)
    subscription.close()
    native.domainEventDeregisterAny(registered)


def settle(told: deque[float]) -> None:
    """Wait until nothing more comes of the last change."""
    count = -1
    while count != len(told):
        count = len(told)
        time.sleep(0.02)
