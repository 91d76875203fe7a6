"""How fast a flavor lets its guests use disks and interfaces: its extra specs ``quota:``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import nova_virt_api as virt

DISK_RATES: Final = {
    f"quota:disk_{way}_{theirs}_sec": f"{way}_{ours}"
    for way in ("read", "write", "total")
    for theirs, ours in (("bytes", "bytes"), ("iops", "operations"))
}
"""Nova's names, with the fields of :class:`~nova_virt_api.DiskLimits`."""

DIRECTIONS: Final = {"receive": "inbound", "send": "outbound"}
"""Fields of :class:`~nova_virt_api.NicLimits`, with Nova's names, which are the guest's view as well."""

KILOBYTE: Final = 1000
KIBIBYTE: Final = 1024


def disk_limits(extra_specs: Mapping[str, Any]) -> virt.DiskLimits | None:
    """For each of the guest's own disks; None without limit. A volume's own come with its connection.

    Raises:
        InvalidSpec: a value is no whole number that a disk can have.
    """
    asked = {field: number(extra_specs, name) for name, field in DISK_RATES.items() if name in extra_specs}
    rates = {field: virt.DiskRate(per_second=value) for field, value in asked.items() if value}
    return virt.DiskLimits(**rates) if rates else None


def nic_limits(extra_specs: Mapping[str, Any]) -> virt.NicLimits | None:
    """For each interface; None without limit. Nova counts in kilobytes a second, and bursts in kibibytes.

    Raises:
        InvalidSpec: a value is no whole number, or a peak or burst has no average.
    """
    rates = {field: nic_rate(extra_specs, way) for field, way in DIRECTIONS.items()}
    found = {field: rate for field, rate in rates.items() if rate is not None}
    return virt.NicLimits(**found) if found else None


def nic_rate(extra_specs: Mapping[str, Any], way: str) -> virt.NicRate | None:
    """In one direction."""
    average, peak, burst = (f"quota:vif_{way}_{part}" for part in ("average", "peak", "burst"))
    if not (number(extra_specs, average) or number(extra_specs, peak) or number(extra_specs, burst)):
        return None
    return virt.NicRate(
        bytes_per_second=number(extra_specs, average) * KILOBYTE,
        peak_bytes_per_second=number(extra_specs, peak) * KILOBYTE or None,
        burst_bytes=number(extra_specs, burst) * KIBIBYTE or None,
    )


def number(extra_specs: Mapping[str, Any], name: str) -> int:
    """The value of an extra spec; 0, which sets no limit, where it is not there.

    Raises:
        InvalidSpec: it is no whole number.
    """
    text = str(extra_specs.get(name, 0)).strip()
    if not text.isdecimal():
        raise virt.InvalidSpec(name, text, "a whole number")
    return int(text)
