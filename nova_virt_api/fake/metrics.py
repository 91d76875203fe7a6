"""Counters of guests."""

import time
from collections.abc import Sequence
from typing import Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.metrics import Metrics
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.state import HOLDS_MEMORY, State
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.instance import Condition
from nova_virt_api.model.metrics import DiskMetrics, GuestMetrics, NicMetrics

BOOT_BYTES: Final = 16 * 1024**2
BOOT_REQUESTS: Final = 256
"""What a guest reads from each disk while it starts."""


class FakeMetrics(Metrics):
    """The role ``Metrics`` of the fake driver: guests read while they start, and count the seconds."""

    connection: Connection

    def metrics(self) -> Sequence[GuestMetrics]:
        self.connection.require(Capability.METRICS)
        self.connection.switches.reach(Step.READ)
        with self.connection.world.reading() as state:
            now = time.time()
            return tuple(sample(guest, state, now) for guest in state.guests.values() if is_on(guest))


def is_on(guest: Guest) -> bool:
    """Whether it runs, or is paused."""
    return guest.power_state in HOLDS_MEMORY


def sample(guest: Guest, state: State, now: float) -> GuestMetrics:
    """What is known of a guest; of one that hangs nothing that it would have to be asked for."""
    answers = guest.health.condition is Condition.OK
    return GuestMetrics(
        uuid=guest.uuid,
        at=now,
        cpu_seconds=None if guest.started_at is None else max(0.0, now - guest.started_at) * guest.vcpus,
        memory_bytes=guest.memory_bytes,
        memory_used_bytes=guest.memory_bytes // 2 if answers else None,
        memory_resident_bytes=guest.memory_bytes,
        disks=tuple(disk(name) for _, name in guest.own_disks) if answers else None,
        nics=tuple(nic(state.ports[name].mac) for name in guest.ports),
    )


def disk(name: str) -> DiskMetrics:
    """Counters of one disk."""
    return DiskMetrics(device=name, read_bytes=BOOT_BYTES, read_requests=BOOT_REQUESTS, write_bytes=0, write_requests=0)


def nic(mac: str) -> NicMetrics:
    """Counters of one interface, over which nothing went."""
    return NicMetrics(
        mac=mac,
        received_bytes=0,
        received_packets=0,
        received_errors=0,
        received_dropped=0,
        sent_bytes=0,
        sent_packets=0,
        sent_errors=0,
        sent_dropped=0,
    )
