"""How fast a guest may use its disks and its network interfaces."""

from dataclasses import dataclass, fields
from typing import Any, Final

from nova_virt_api.model.check import check, check_integer, check_type

FASTEST: Final = 2**50
"""Units in a second; anything above is taken for a slip."""

LONGEST_BURST: Final = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRate:
    """How many bytes or operations a disk may do.

    Args:
        per_second: in each second, for as long as it likes.
        burst_per_second: in each second of a burst, at least as many as ``per_second``; None allows no bursts.
        burst_seconds: how long a burst may last; None for one second.
    """

    per_second: int
    burst_per_second: int | None = None
    burst_seconds: int | None = None

    def __post_init__(self) -> None:
        check_integer("per_second", self.per_second, 1, FASTEST, "units in a second")
        if self.burst_per_second is not None:
            lowest = self.per_second
            check_integer("burst_per_second", self.burst_per_second, lowest, FASTEST, "units in a second of a burst")
        if self.burst_seconds is not None:
            check_integer("burst_seconds", self.burst_seconds, 1, LONGEST_BURST, "seconds")
            has_burst = self.burst_per_second is not None
            check(has_burst, "burst_seconds", self.burst_seconds, "None without burst_per_second")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLimits:
    """How fast a guest may use a disk; None is without limit. A total stands alone or its two parts do.

    Args:
        total_bytes: bytes read and written.
        read_bytes: bytes read.
        write_bytes: bytes written.
        total_operations: reads and writes.
        read_operations: reads.
        write_operations: writes.
    """

    total_bytes: DiskRate | None = None
    read_bytes: DiskRate | None = None
    write_bytes: DiskRate | None = None
    total_operations: DiskRate | None = None
    read_operations: DiskRate | None = None
    write_operations: DiskRate | None = None

    def __post_init__(self) -> None:
        check_rates(self, DiskRate)
        for unit in ("bytes", "operations"):
            total, *parts = (getattr(self, f"{part}_{unit}") for part in ("total", "read", "write"))
            alone = total is None or parts == [None, None]
            check(alone, f"total_{unit}", total, f"None beside read_{unit} or write_{unit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NicRate:
    """How many bytes an interface may move in one direction.

    Args:
        bytes_per_second: on average, a multiple of 1000.
        peak_bytes_per_second: while a burst lasts, a multiple of 1000; None for the speed of the link.
        burst_bytes: how many bytes a burst has, a multiple of 1024; None lets the hypervisor choose.
    """

    bytes_per_second: int
    peak_bytes_per_second: int | None = None
    burst_bytes: int | None = None

    def __post_init__(self) -> None:
        for field, unit in (("bytes_per_second", 1000), ("peak_bytes_per_second", 1000), ("burst_bytes", 1024)):
            value = getattr(self, field)
            if value is not None or field == "bytes_per_second":
                check_integer(field, value, unit, FASTEST, "bytes")
                check(value % unit == 0, field, value, f"a multiple of {unit}")
        peak = self.peak_bytes_per_second
        sensible = peak is None or peak >= self.bytes_per_second
        check(sensible, "peak_bytes_per_second", peak, f"at least {self.bytes_per_second}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NicLimits:
    """How fast a guest may use an interface; None is without limit.

    Args:
        receive: what the guest receives.
        send: what the guest sends.
    """

    receive: NicRate | None = None
    send: NicRate | None = None

    def __post_init__(self) -> None:
        check_rates(self, NicRate)


def check_rates(limits: Any, kind: type) -> None:
    """Refuse limits that limit nothing, or by something that is no rate."""
    rates = {field.name: getattr(limits, field.name) for field in fields(limits)}
    for name, rate in rates.items():
        if rate is not None:
            check_type(name, rate, kind, f"a {kind.__name__}")
    check(any(rate is not None for rate in rates.values()), next(iter(rates)), None, "one rate at least in such limits")
