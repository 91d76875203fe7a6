"""``nova-virt metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.output import Lister

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nova_virt_api.model.metrics import GuestMetrics

COLUMNS = (
    "name",
    "cpu_seconds",
    "memory_bytes",
    "memory_used_bytes",
    "memory_resident_bytes",
    "read_bytes",
    "write_bytes",
    "received_bytes",
    "sent_bytes",
    "uuid",
)


class Metrics(Lister):
    """Show what each running guest has used since it was started; its disks and interfaces as sums."""

    expendable = ("uuid", "memory_resident_bytes", "memory_used_bytes")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """It takes none."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        names = {guest.uuid: guest.name for guest in self.compute.instances()}
        rows = [row(names.get(sample.uuid, ""), sample) for sample in self.compute.metrics()]
        return COLUMNS, sorted(rows, key=lambda fields: (fields[0], fields[-1]))


def row(name: str, sample: GuestMetrics) -> tuple[Any, ...]:
    """One guest's line; a sum of what is not known is not known."""
    disks, nics = sample.disks, sample.nics
    return (
        name,
        None if sample.cpu_seconds is None else round(sample.cpu_seconds, 3),
        sample.memory_bytes,
        sample.memory_used_bytes,
        sample.memory_resident_bytes,
        None if disks is None else sum(disk.read_bytes for disk in disks),
        None if disks is None else sum(disk.write_bytes for disk in disks),
        None if nics is None else sum(nic.received_bytes for nic in nics),
        None if nics is None else sum(nic.sent_bytes for nic in nics),
        str(sample.uuid),
    )
