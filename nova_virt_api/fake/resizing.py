"""What a fake guest was before a resize that is neither confirmed nor reverted."""

from dataclasses import dataclass
from typing import Any

from nova_virt_api.fake.outside_port import OutsidePort
from nova_virt_api.model.size import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskBefore:
    """One of the guest's own disks as it was.

    Args:
        pool: the storage pool.
        name: the volume.
        size_bytes: its size.
        content: what was on it, in words.
    """

    pool: str
    name: str
    size_bytes: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NicBefore:
    """One of the guest's ports as it was.

    Args:
        mac: its MAC address.
        network: its network.
        model: the network card that the guest sees.
        vif_id: a network service's id for it.
        outside: the port of a switch outside of the world's networks.
        tag: what the guest is told of it.
    """

    mac: str
    network: str
    model: str
    vif_id: str | None
    outside: OutsidePort | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resizing:
    """One resize.

    Args:
        token: names it, also in its ticket.
        vcpus: virtual CPUs asked for; None for as many as there were.
        memory_bytes: memory asked for; None for as much as there was.
        disk_bytes: sizes of disks asked for.
        away: whether it was prepared for whoever has the ticket.
        done: whether the guest has the new size.
        made: whether another endpoint has made the guest.
        old_vcpus: virtual CPUs before.
        old_memory_bytes: memory before.
        old_plugged_bytes: how much of that the guest had been given while it ran.
        disks: its own disks before.
        nics: its ports before.
    """

    token: str
    vcpus: int | None
    memory_bytes: int | None
    disk_bytes: tuple[int | None, ...]
    away: bool
    done: bool = False
    made: bool = False
    old_vcpus: int
    old_memory_bytes: int
    old_plugged_bytes: int = 0
    disks: tuple[DiskBefore, ...]
    nics: tuple[NicBefore, ...]

    @property
    def size(self) -> Size:
        """What was asked for."""
        return Size(vcpus=self.vcpus, memory_bytes=self.memory_bytes, disks=self.disk_bytes)

    @property
    def old_size(self) -> Size:
        """What it had."""
        return Size(vcpus=self.old_vcpus, memory_bytes=self.old_memory_bytes)


def asked(size: Size) -> dict[str, Any]:
    """A size as the fields of a resize."""
    return {"vcpus": size.vcpus, "memory_bytes": size.memory_bytes, "disk_bytes": tuple(size.disks)}
