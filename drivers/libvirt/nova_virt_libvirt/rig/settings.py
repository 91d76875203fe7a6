"""How a guest's disks and interfaces are used, as libvirt and QEMU tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import libvirt

from nova_virt_api.model.disk import DiskCache
from nova_virt_api.model.limits import DiskLimits, DiskRate, NicLimits, NicRate
from nova_virt_api.model.nic_binding import BridgePort, OvsPort
from nova_virt_conformance.hardware import DiskSettings, NicSettings

if TYPE_CHECKING:
    from nova_virt_api.model.nic_binding import NicBinding

UNITS: Final = {"bytes": "bytes", "operations": "iops"}
WAYS: Final = ("total", "read", "write")


def disk_settings(domain: Any, disk: Any) -> DiskSettings:
    """How a disk is used; its limits are asked of QEMU while the guest runs."""
    driver = disk.find("driver")
    cache = driver.get("cache")
    part = libvirt.VIR_DOMAIN_AFFECT_LIVE if domain.isActive() else libvirt.VIR_DOMAIN_AFFECT_CONFIG
    return DiskSettings(
        limits=disk_limits(domain.blockIoTune(disk.find("target").get("dev"), part)),
        cache=None if cache is None else DiskCache(cache),
        discard=driver.get("discard") == "unmap",
        serial=disk.findtext("serial"),
    )


def disk_limits(found: dict[str, Any]) -> DiskLimits | None:
    """What ``virDomainGetBlockIoTune`` tells, where 0 is without limit."""
    rates = {f"{way}_{ours}": disk_rate(found, f"{way}_{theirs}_sec") for way in WAYS for ours, theirs in UNITS.items()}
    return DiskLimits(**rates) if any(rates.values()) else None


def disk_rate(found: dict[str, Any], name: str) -> DiskRate | None:
    """One rate; QEMU tells a length of 1 second, or of none, where there are no bursts."""
    if not found[name]:
        return None
    burst = found.get(f"{name}_max") or None
    length = found.get(f"{name}_max_length") or None
    return DiskRate(per_second=found[name], burst_per_second=burst, burst_seconds=length if burst is not None else None)


def nic_settings(card: Any) -> NicSettings:
    """How an interface is used."""
    driver, mtu = card.find("driver"), card.find("mtu")
    ways = {"receive": nic_rate(card.find("bandwidth/inbound")), "send": nic_rate(card.find("bandwidth/outbound"))}
    return NicSettings(
        limits=NicLimits(**ways) if any(ways.values()) else None,
        queues=1 if driver is None else int(driver.get("queues", "1")),
        mtu=None if mtu is None else int(mtu.get("size")),
        link_up=card.find("link[@state='down']") is None,
        binding=nic_binding(card),
    )


def nic_binding(card: Any) -> NicBinding | None:
    """The port that an interface is plugged into, if it is on none of libvirt's networks."""
    if card.get("type") != "bridge":
        return None
    bridge, known, tag = card.find("source").get("bridge"), card.find("virtualport/parameters"), card.find("vlan/tag")
    if card.find("virtualport") is None:
        return BridgePort(bridge=bridge)
    return OvsPort(
        bridge=bridge,
        interface_id=UUID(known.get("interfaceid")),
        vlan=None if tag is None else int(tag.get("id")),
    )


def nic_rate(way: Any) -> NicRate | None:
    """One direction."""
    if way is None:
        return None
    peak, burst = way.get("peak"), way.get("burst")
    return NicRate(
        bytes_per_second=int(way.get("average")) * 1000,
        peak_bytes_per_second=None if peak is None else int(peak) * 1000,
        burst_bytes=None if burst is None else int(burst) * 1024,
    )
