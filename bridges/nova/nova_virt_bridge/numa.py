"""What Nova has claimed for an instance: the host's processors and NUMA cells that its guest gets, and its pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nova import exception
from nova.objects import fields

import nova_virt_api as virt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What an instance has of its host, as the resource tracker has counted it.

    Args:
        cells: the NUMA cells that the guest sees, each in one of the host's.
        host_cpus: the host's processor for each virtual CPU; empty where it has none for itself.
        page_bytes: size of the pages that its memory is made of; None where it does not matter.
    """

    cells: tuple[virt.NumaCell, ...] = ()
    host_cpus: tuple[int, ...] = ()
    page_bytes: int | None = None

    @classmethod
    def of(cls, topology: Any, ordinary: Collection[int]) -> Claimed:
        """What Nova's ``InstanceNUMATopology`` says; nothing where there is none.

        Args:
            topology: of the instance.
            ordinary: sizes of the pages that the host has anyway.

        Raises:
            ComputeResourcesUnavailable: only some of the virtual CPUs have one for themselves, Nova has chosen none, or
                its cells have pages of several sizes.
        """
        if topology is None:
            return cls()
        cells = list(topology.cells)
        return cls(
            cells=tuple(
                virt.NumaCell(
                    vcpus=sorted(cell.total_cpus), memory_bytes=virt.MiB(cell.memory), host_cell=host_cell(cell)
                )
                for cell in cells
            ),
            host_cpus=host_cpus(cells),
            page_bytes=page_bytes(cells, ordinary),
        )


def page_bytes(cells: Sequence[Any], ordinary: Collection[int]) -> int | None:
    """The size of the pages that Nova has chosen for all cells; None for those that the host has anyway.

    Raises:
        ComputeResourcesUnavailable: the cells have several sizes.
    """
    chosen = [None if cell.pagesize is None else int(cell.pagesize) * KIB for cell in cells]
    sizes = {None if size in ordinary else size for size in chosen}
    if len(sizes) > 1:
        raise exception.ComputeResourcesUnavailable(
            reason="nova-virt-bridge cannot provide pages of several sizes; name one size in hw:mem_page_size"
        )
    return next(iter(sizes), None)


def host_cell(cell: Any) -> int:
    """The cell of the host that Nova has chosen.

    Raises:
        ComputeResourcesUnavailable: it has chosen none.
    """
    if cell.id is None or cell.id < 0:
        raise nothing_claimed("NUMA cell")
    return int(cell.id)


def host_cpus(cells: Sequence[Any]) -> tuple[int, ...]:
    """The processors that Nova has chosen, the one of virtual CPU 0 first.

    Raises:
        ComputeResourcesUnavailable: only some of the virtual CPUs have one for themselves, or Nova has chosen none.
    """
    wanted = [cpu for cell in cells for cpu in cell.pcpuset]
    if not wanted:
        return ()
    if any(cell.cpu_policy == fields.CPUAllocationPolicy.MIXED for cell in cells):
        raise exception.ComputeResourcesUnavailable(
            reason="nova-virt-bridge cannot provide: hw:cpu_policy=mixed; take dedicated or shared for all virtual CPUs"
        )
    chosen = {cpu: number for cell in cells for cpu, number in (cell.cpu_pinning or {}).items()}
    if sorted(chosen) != sorted(wanted):
        raise nothing_claimed("processor")
    return tuple(chosen[cpu] for cpu in sorted(chosen))


def nothing_claimed(what: str) -> exception.NovaException:
    """The error for an instance that came past the claim: the endpoint tells no cells of its host."""
    refused: exception.NovaException = exception.ComputeResourcesUnavailable(
        reason=f"Nova has chosen no {what} of the host for it; the endpoint has to tell its NUMA cells, and the"
        " scheduler needs the filter NUMATopologyFilter"
    )
    return refused
