"""Counters of all guests: one call for what libvirt and the kernel know, one for what each QEMU must be asked."""

from __future__ import annotations

import time
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import libvirt

from nova_virt_api.driver.metrics import Metrics
from nova_virt_api.model.instance import HEALTHY
from nova_virt_api.model.metrics import DiskMetrics, GuestMetrics, NicMetrics
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.health import health_of
from nova_virt_libvirt.native_call import begun
from nova_virt_libvirt.verbs import OnDomains

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nova_virt_libvirt.connection import Connection

UNASKED: Final[int] = libvirt.VIR_DOMAIN_STATS_INTERFACE
"""What the kernel knows."""

ASKED: Final[int] = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_BLOCK | libvirt.VIR_DOMAIN_STATS_BALLOON
)
"""Groups for which libvirt asks each QEMU; that of processors too, since it tells how long they polled."""

ACTIVE: Final[int] = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
NOWAIT: Final[int] = ACTIVE | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
"""Passes over guests that somebody waits for already."""

LOOK_AGAIN: Final = 0.5
"""Seconds between two looks into libvirt's books while an answer is awaited."""

MOST_ROUNDS: Final = 2
"""The first may be held up by a guest that hangs; the next passes over it."""

KIB: Final = 1024

Stats = dict[str, Any]
Rows = list[tuple[Any, Stats]]


class LibvirtMetrics(OnDomains, Metrics):
    """The role Metrics."""

    reading: Connection
    asking: Connection

    def metrics(self) -> Sequence[GuestMetrics]:
        at = time.time()
        with translated("sample the guests"):
            rows: Rows = self.reading.native.getAllDomainStats(UNASKED, ACTIVE)
        answers = {domain.UUID(): stats for domain, stats in self._ask([domain for domain, _ in rows])}
        macs = self.domains.macs([domain for domain, _ in rows])
        return tuple(sample(domain.UUID(), at, stats, answers, macs) for domain, stats in rows)

    def _ask(self, domains: Sequence[Any]) -> Rows:
        """What the guests' QEMUs answered; nothing of those that hang."""
        for _ in range(MOST_ROUNDS if domains else 0):
            answer = begun(self._answers)
            while not wait([answer], LOOK_AGAIN).done:
                if any(hangs(domain) for domain in domains):
                    break
            else:
                return answer.result()
        return []

    def _answers(self) -> Rows:
        with translated("sample the guests"):
            found: Rows = self.asking.native.getAllDomainStats(ASKED, NOWAIT)
        return found


def hangs(domain: Any) -> bool:
    """Whether libvirt's books say that the guest's QEMU does not answer."""
    with translated("look at the guest"):
        return health_of(domain) is not HEALTHY


def sample(
    uuid: bytes, at: float, stats: Stats, answers: Mapping[bytes, Stats], macs: Mapping[bytes, Sequence[str]]
) -> GuestMetrics:
    """One guest's sample; see ``virConnectGetAllDomainStats`` for the names."""
    asked = answers.get(uuid, {})
    nanoseconds = asked.get("cpu.time")
    return GuestMetrics(
        uuid=UUID(bytes=uuid),
        at=at,
        cpu_seconds=None if nanoseconds is None else nanoseconds / 1e9,
        memory_bytes=kibibytes(asked, "balloon.current"),
        memory_used_bytes=used_bytes(asked),
        memory_resident_bytes=kibibytes(asked, "balloon.rss"),
        disks=tuple(disks_of(asked)) if "block.count" in asked else None,
        nics=tuple(nics_of(stats, macs.get(uuid, ()))),
    )


def kibibytes(stats: Stats, name: str) -> int | None:
    """A size that libvirt gives in KiB."""
    found = stats.get(name)
    return None if found is None else int(found) * KIB


def used_bytes(stats: Stats) -> int | None:
    """What the guest's kernel says that it uses, if its balloon driver tells."""
    available, unused = stats.get("balloon.available"), stats.get("balloon.unused")
    return None if available is None or unused is None else (available - unused) * KIB


def disks_of(stats: Stats) -> Iterator[DiskMetrics]:
    """The disks, without media that the guest has no counters of."""
    for index in range(stats["block.count"]):
        of_disk = f"block.{index}."
        if f"{of_disk}rd.bytes" not in stats:
            continue
        yield DiskMetrics(
            device=stats[f"{of_disk}name"],
            read_bytes=stats[f"{of_disk}rd.bytes"],
            read_requests=stats[f"{of_disk}rd.reqs"],
            write_bytes=stats[f"{of_disk}wr.bytes"],
            write_requests=stats[f"{of_disk}wr.reqs"],
            flush_requests=stats.get(f"{of_disk}fl.reqs"),
            capacity_bytes=stats.get(f"{of_disk}capacity"),
            allocated_bytes=stats.get(f"{of_disk}allocation"),
        )


def nics_of(stats: Stats, macs: Sequence[str]) -> Iterator[NicMetrics]:
    """The interfaces that have a device on the host; they are numbered as in the definition."""
    for index in range(stats.get("net.count", 0)):
        of_nic = f"net.{index}."
        if f"{of_nic}rx.bytes" not in stats:
            continue
        yield NicMetrics(
            mac=macs[index] if index < len(macs) else None,
            received_bytes=stats[f"{of_nic}rx.bytes"],
            received_packets=stats[f"{of_nic}rx.pkts"],
            received_errors=stats[f"{of_nic}rx.errs"],
            received_dropped=stats[f"{of_nic}rx.drop"],
            sent_bytes=stats[f"{of_nic}tx.bytes"],
            sent_packets=stats[f"{of_nic}tx.pkts"],
            sent_errors=stats[f"{of_nic}tx.errs"],
            sent_dropped=stats[f"{of_nic}tx.drop"],
        )
