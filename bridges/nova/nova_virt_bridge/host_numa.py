"""A node's NUMA cells, as Nova's scheduler and resource tracker want to know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import nova.conf
from nova import objects
from nova.virt import hardware

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nova_virt_api.model.place import HostCell, Inventory

CONF = nova.conf.CONF
KIB: Final = 1024
MIB: Final = 1024**2
PAGE: Final = 4096
"""Size of ordinary pages where the endpoint does not tell: Nova chooses among sizes, and there must be one."""


def numa_topology(found: Inventory) -> str | None:
    """The node's cells in Nova's form, without what is in use: that is what the resource tracker counts.

    None where the endpoint tells no cells: the scheduler then sends no instance that asks for them.
    """
    if not found.cells:
        return None
    reserved = hardware.numa_get_reserved_huge_pages()
    cells = [cell_of(cell, reserved.get(cell.id, {})) for cell in found.cells]
    text: str = objects.NUMATopology(cells=cells)._to_json()
    return text


def cell_of(cell: HostCell, reserved: Mapping[int, int]) -> Any:
    """One cell.

    Args:
        cell: the cell.
        reserved: by the size of pages in KiB how many of them nova.conf keeps back for the host.
    """
    return objects.NUMACell(
        id=cell.id,
        socket=None,  # only devices are placed by it
        cpuset=set(cell.shared),
        pcpuset=set(cell.dedicated),
        memory=cell.memory_bytes // MIB,
        cpu_usage=0,
        memory_usage=0,
        pinned_cpus=set(),
        siblings=list(cores(cell)),
        mempages=[
            objects.NUMAPagesTopology(size_kb=size // KIB, total=total, used=0, reserved=reserved.get(size // KIB, 0))
            for size, total in pages(cell)
        ],
        network_metadata=objects.NetworkMetadata(
            physnets={name for name in CONF.neutron.physnets if cell.id in CONF[f"neutron_physnet_{name}"].numa_nodes},
            tunneled=cell.id in CONF.neutron_tunnel.numa_nodes,
        ),
    )


def cores(cell: HostCell) -> Iterator[set[int]]:
    """The processors of each core that guests may have."""
    usable = {*cell.shared, *cell.dedicated}
    for core in cell.siblings:
        if found := usable.intersection(core):
            yield found


def ordinary_page(cell: HostCell) -> int:
    """Size of the pages that a cell has anyway."""
    return cell.page_bytes or PAGE


def pages(cell: HostCell) -> Iterator[tuple[int, int]]:
    """Sizes and numbers of pages, the ordinary ones first, which have what the huge ones leave."""
    left = cell.memory_bytes - sum(huge.size_bytes * huge.total for huge in cell.pages)
    ordinary = ordinary_page(cell)
    yield ordinary, max(left, 0) // ordinary
    for huge in cell.pages:
        yield huge.size_bytes, huge.total
