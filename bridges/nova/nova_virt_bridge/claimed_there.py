"""What Nova has claimed for a guest at the destination of a live migration, as Nova's data of the move carry it."""

from __future__ import annotations

from typing import Any

from nova import exception
from nova.objects.migrate_data import LibvirtLiveMigrateNUMAInfo

from nova_virt_bridge.numa import host_cell, host_cpus


def carried(topology: Any) -> LibvirtLiveMigrateNUMAInfo:
    """A claim as Nova's data of a live migration has it: processors and cells. Pages stay as they are.

    Raises:
        MigrationPreCheckError: what was claimed is not what a guest can have; Nova itself translates nothing here.
    """
    cells = [] if topology is None else list(topology.cells)
    try:
        cpus, places = host_cpus(cells), [host_cell(cell) for cell in cells]
    except exception.ComputeResourcesUnavailable as error:
        raise exception.MigrationPreCheckError(reason=error.format_message()) from error
    return LibvirtLiveMigrateNUMAInfo(
        cpu_pins={str(vcpu): {cpu} for vcpu, cpu in enumerate(cpus)},
        cell_pins={str(number): {place} for number, place in enumerate(places)},
    )


def parts_of(instance: Any, data: Any) -> dict[str, tuple[int, ...]]:
    """The processors and cells that the guest is to have, as ``prepare`` takes them; nothing for one that has none.

    Raises:
        MigrationPreCheckError: Nova has claimed none: whatever the guest got, Nova would not count it.
    """
    if instance.numa_topology is None:
        return {}
    info = data.dst_numa_info if "dst_numa_info" in data else None
    if info is None:
        reason = (
            "Nova has claimed no processors or NUMA cells for it there; both hosts must run the same nova-virt-bridge"
        )
        raise exception.MigrationPreCheckError(reason=reason)
    found = {"host_cells": in_order(info.cell_pins)}
    return found | {"host_cpus": in_order(info.cpu_pins)} if info.cpu_pins else found


def in_order(pins: dict[str, set[int]]) -> tuple[int, ...]:
    """The one place of each, by number."""
    return tuple(next(iter(pins[number])) for number in sorted(pins, key=int))
