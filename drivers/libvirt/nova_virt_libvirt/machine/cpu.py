"""A guest's processor, its NUMA cells, and the host's processors that it runs on."""

from collections.abc import Iterator, Sequence

from lxml import etree
from lxml.builder import E

from nova_virt_api.model.cpu import Cpu, CpuMode, NumaCell
from nova_virt_libvirt.host.cells import as_text

ANY: Cpu = Cpu()


def cpu_element(cpu: Cpu | None, cells: Sequence[NumaCell], virt_type: str) -> etree._Element:
    """The processor that the guest sees, with its cells.

    Without a wish it is the host's own under KVM; without KVM the best that QEMU can emulate, as many systems refuse
    its default.
    """
    cpu = cpu or ANY
    mode = mode_of(cpu, virt_type)
    element = E.cpu(*model_elements(cpu), mode=mode, check="none")
    if mode in ("custom", CpuMode.HOST_MODEL.value):
        element.set("check", "partial")
    else:
        element.set("migratable", "on")
    if mode == "custom":
        element.set("match", "exact")
    for child in (*topology_elements(cpu), *cell_elements(cells)):
        element.append(child)
    return in_order(element)


def mode_of(cpu: Cpu, virt_type: str) -> str:
    """Libvirt's word for what the processor is derived from."""
    if cpu.model is not None:
        return "custom"
    if cpu.mode is not None:
        return cpu.mode.value
    return CpuMode.HOST_PASSTHROUGH.value if virt_type == "kvm" else CpuMode.MAXIMUM.value


def model_elements(cpu: Cpu) -> Iterator[etree._Element]:
    """Model and flags."""
    if cpu.model is not None:
        yield E.model(cpu.model, fallback="forbid")
    for flag in cpu.with_flags:
        yield E.feature(policy="require", name=flag)
    for flag in cpu.without_flags:
        yield E.feature(policy="disable", name=flag)


def topology_elements(cpu: Cpu) -> Iterator[etree._Element]:
    """How the virtual CPUs are arranged."""
    if (topology := cpu.topology) is not None:
        yield E.topology(
            sockets=str(topology.sockets), dies="1", cores=str(topology.cores), threads=str(topology.threads)
        )


def cell_elements(cells: Sequence[NumaCell]) -> Iterator[etree._Element]:
    """The cells that the guest sees."""
    if cells:
        yield E.numa(
            *(
                E.cell(
                    id=str(number),
                    cpus=as_text(cell.vcpus),
                    memory=str(cell.memory_bytes // 1024),
                    unit="KiB",
                )
                for number, cell in enumerate(cells)
            )
        )


def in_order(element: etree._Element) -> etree._Element:
    """Children as libvirt's schema wants them: model, topology, flags, cells."""
    order = ("model", "topology", "feature", "numa")
    element[:] = sorted(element, key=lambda child: order.index(child.tag))
    return element


def tuning_elements(cells: Sequence[NumaCell], runs_on: Sequence[frozenset[int]]) -> Iterator[etree._Element]:
    """Which of the host's processors and cells the guest gets.

    Args:
        cells: the guest's cells.
        runs_on: for each virtual CPU the host's processors that it may run on; empty for any.
    """
    if runs_on:
        everywhere = frozenset[int]().union(*runs_on)
        yield E.cputune(
            *(E.vcpupin(vcpu=str(number), cpuset=as_text(cpus)) for number, cpus in enumerate(runs_on)),
            E.emulatorpin(cpuset=as_text(everywhere)),
        )
    placed = [(number, cell.host_cell) for number, cell in enumerate(cells) if cell.host_cell is not None]
    if placed:
        yield E.numatune(*(E.memnode(cellid=str(number), mode="strict", nodeset=str(cell)) for number, cell in placed))
