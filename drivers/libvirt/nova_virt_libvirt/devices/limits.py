"""How fast a guest may use its disks and interfaces, as QEMU and the host's traffic control take it."""

from collections.abc import Iterator

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.limits import DiskLimits, DiskRate, NicLimits, NicRate

DISK_RATES = {
    "total_bytes": "total_bytes_sec",
    "read_bytes": "read_bytes_sec",
    "write_bytes": "write_bytes_sec",
    "total_operations": "total_iops_sec",
    "read_operations": "read_iops_sec",
    "write_operations": "write_iops_sec",
}
"""Libvirt's names of our fields."""


def disk_limit_elements(limits: DiskLimits | None) -> Iterator[etree._Element]:
    """The ``<iotune>`` of a disk; nothing for one without limits."""
    if limits is not None:
        found = ((name, getattr(limits, field)) for field, name in DISK_RATES.items())
        yield E.iotune(*(element for name, rate in found if rate is not None for element in rate_elements(name, rate)))


def rate_elements(name: str, rate: DiskRate) -> Iterator[etree._Element]:
    """One rate with its bursts."""
    yield E(name, str(rate.per_second))
    if rate.burst_per_second is not None:
        yield E(f"{name}_max", str(rate.burst_per_second))
        if rate.burst_seconds is not None:
            yield E(f"{name}_max_length", str(rate.burst_seconds))


def nic_limit_elements(limits: NicLimits | None) -> Iterator[etree._Element]:
    """The ``<bandwidth>`` of an interface: what goes in to the guest, and what comes out of it."""
    if limits is not None:
        ways = (("inbound", limits.receive), ("outbound", limits.send))
        yield E.bandwidth(*(E(way, **nic_rate(rate)) for way, rate in ways if rate is not None))


def nic_rate(rate: NicRate) -> dict[str, str]:
    """Attributes in libvirt's units: kilobytes in a second, and kibibytes of a burst."""
    found = {"average": str(rate.bytes_per_second // 1000)}
    if rate.peak_bytes_per_second is not None:
        found["peak"] = str(rate.peak_bytes_per_second // 1000)
    if rate.burst_bytes is not None:
        found["burst"] = str(rate.burst_bytes // 1024)
    return found
