"""Disks and interfaces are used as their spec asks for, as the backend sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from nova_virt_api.capability import Feature
from nova_virt_api.driver.driver import Driver
from nova_virt_api.model.disk import DiskCache
from nova_virt_api.model.limits import DiskLimits, DiskRate, NicLimits, NicRate
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.units import MiB
from nova_virt_conformance.covers import covers
from nova_virt_conformance.suite.machine import refuse_lacking
from nova_virt_conformance.suite.spec_fields import if_taken, made, told

if TYPE_CHECKING:
    from nova_virt_conformance.hardware import DiskSettings, NicSettings
    from nova_virt_conformance.lab import Lab

DISK_LIMITS: Final = {
    "total": DiskLimits(total_bytes=DiskRate(per_second=MiB(100)), total_operations=DiskRate(per_second=500)),
    "both-ways": DiskLimits(
        read_bytes=DiskRate(per_second=MiB(50)),
        write_bytes=DiskRate(per_second=MiB(20)),
        read_operations=DiskRate(per_second=300),
        write_operations=DiskRate(per_second=200),
    ),
    "bursts": DiskLimits(
        total_bytes=DiskRate(per_second=MiB(100), burst_per_second=MiB(200), burst_seconds=30),
        write_operations=DiskRate(per_second=200, burst_per_second=400, burst_seconds=5),
    ),
}


def disk(lab: Lab, **fields: Any) -> DiskSettings:
    """How the disk of a running guest is used."""
    _, hardware = made(lab, disks=(replace(lab.disk(), **fields),))
    return told(hardware.disks[0].settings, "how disks are used")


def nic(lab: Lab, *, vcpus: int = 1, **fields: Any) -> NicSettings:
    """How the interface of a running guest is used."""
    _, hardware = made(lab, vcpus=vcpus, nics=(Nic(network=lab.target.network, **fields),))
    return told(hardware.nics[0].settings, "how interfaces are used")


@covers(Feature.DISK_LIMITS, Driver.spawn)
@pytest.mark.parametrize("limits", DISK_LIMITS.values(), ids=DISK_LIMITS)
def test_disk_limits(lab: Lab, limits: DiskLimits) -> None:
    """A running guest's disk has the limits that were asked for."""
    assert disk(lab, limits=limits).limits == limits


@covers(Feature.DISK_LIMITS, Driver.spawn)
def test_no_disk_limits_unless_asked(lab: Lab) -> None:
    """A disk without limits in its spec has none."""
    assert disk(lab).limits is None


@covers(Feature.DISK_CACHE, Driver.spawn)
@pytest.mark.parametrize("cache", DiskCache, ids=lambda cache: cache.value)
def test_disk_cache(lab: Lab, cache: DiskCache) -> None:
    """A disk is cached as was asked for, or the spec is refused where the endpoint cannot."""
    with if_taken(lab, "disks[0].cache"):
        assert disk(lab, cache=cache).cache is cache


@covers(Feature.DISK_DISCARD, Driver.spawn)
@pytest.mark.parametrize("discard", [True, False], ids=["on", "off"])
def test_disk_discard(lab: Lab, discard: bool) -> None:
    """What the guest discards is given back, or not, as was asked for."""
    with if_taken(lab, "disks[0].discard"):
        assert disk(lab, discard=discard).discard is discard


@covers(Feature.DISK_SERIAL, Driver.spawn)
def test_disk_serial(lab: Lab) -> None:
    """A disk has the serial number that was asked for, the longest too."""
    serial = "Conformance_kit-2.0x"
    assert len(serial) == 20
    assert disk(lab, serial=serial).serial == serial


@covers(Feature.NIC_LIMITS, Driver.spawn)
def test_nic_limits(lab: Lab) -> None:
    """A running guest's interface has the limits that were asked for, each in its direction."""
    refuse_lacking(lab, Feature.NIC_LIMITS)
    limits = NicLimits(
        receive=NicRate(bytes_per_second=1_000_000, peak_bytes_per_second=2_000_000, burst_bytes=MiB(1)),
        send=NicRate(bytes_per_second=500_000),
    )
    assert nic(lab, limits=limits).limits == limits


@covers(Feature.NIC_QUEUES, Driver.spawn)
def test_nic_queues(lab: Lab) -> None:
    """An interface has as many queues as were asked for."""
    with if_taken(lab, "nics[0].queues"):
        assert nic(lab, vcpus=2, queues=2).queues == 2


@covers(Feature.NIC_MTU, Driver.spawn)
def test_nic_mtu(lab: Lab) -> None:
    """An interface takes packets of the size that was asked for."""
    assert nic(lab, mtu=1400).mtu == 1400


@covers(Feature.NIC_LINK, Driver.spawn)
@pytest.mark.parametrize("link_up", [True, False], ids=["in", "out"])
def test_nic_link(lab: Lab, link_up: bool) -> None:
    """An interface's cable is plugged in unless it was asked for without."""
    assert nic(lab, link_up=link_up).link_up is link_up
