"""What a host keeps for a guest of which nothing else tells there yet."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """Processors of a host for a guest that is on its way.

    Args:
        guest: the guest.
        node: the host.
        host_cpus: the processors.
    """

    guest: UUID
    node: str
    host_cpus: tuple[int, ...]
