"""Counters of guests, for whoever samples them."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskMetrics:
    """Counters of one disk or volume since the guest was started.

    Args:
        device: the name that the backend gives it, e.g. ``vda``.
        read_bytes: bytes read.
        read_requests: read requests.
        write_bytes: bytes written.
        write_requests: write requests.
        flush_requests: requests to write caches to stable storage; None when not known.
        capacity_bytes: size that the guest sees; None when not known.
        allocated_bytes: what it takes on storage; None when not known.
    """

    device: str
    read_bytes: int
    read_requests: int
    write_bytes: int
    write_requests: int
    flush_requests: int | None = None
    capacity_bytes: int | None = None
    allocated_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NicMetrics:
    """Counters of one network interface since the guest was started, as the guest sees it.

    Args:
        mac: its MAC address; None when not known.
        received_bytes: bytes that came to the guest.
        received_packets: packets that came.
        received_errors: packets that came broken.
        received_dropped: packets that were not delivered.
        sent_bytes: bytes that the guest sent.
        sent_packets: packets that it sent.
        sent_errors: packets that could not be sent.
        sent_dropped: packets that were thrown away.
    """

    mac: str | None
    received_bytes: int
    received_packets: int
    received_errors: int
    received_dropped: int
    sent_bytes: int
    sent_packets: int
    sent_errors: int
    sent_dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestMetrics:
    """One sample of a guest; a figure that is not known is None. Counters begin anew when the guest is started.

    Args:
        uuid: the guest, as in ``Instance``.
        at: when the sample was taken, in seconds since the epoch.
        cpu_seconds: time that its virtual CPUs have used.
        memory_bytes: memory that it has now.
        memory_used_bytes: what of that the guest itself uses, as it tells.
        memory_resident_bytes: memory of the host that it takes.
        disks: its disks and volumes, in their order; None when the backend has not answered in time.
        nics: its network interfaces, in their order; None when the backend has not answered in time.
    """

    uuid: UUID
    at: float
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_resident_bytes: int | None = None
    disks: tuple[DiskMetrics, ...] | None = None
    nics: tuple[NicMetrics, ...] | None = None
