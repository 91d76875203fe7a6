"""What a guest has of its host, put into a definition that was written for another one: processors, cells and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lxml import etree
from lxml.builder import E

from nova_virt_libvirt.host.cells import as_text
from nova_virt_libvirt.machine.cpu import cell_elements

if TYPE_CHECKING:
    from nova_virt_api.model.spec import InstanceSpec

BINDINGS: Final = (
    "cputune/vcpupin",
    "cputune/emulatorpin",
    "cputune/iothreadpin",
    "numatune/memory",
    "numatune/memnode",
)
"""What names processors or cells of the host; this driver writes some of them, others are of guests of other making."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostParts:
    """What a guest has of one host; plain data, which a ticket can carry.

    Args:
        runs_on: for each virtual CPU the host's processors that it may run on, as libvirt writes them; empty for any.
        cells: for each of the guest's NUMA cells the host's; None where it has no such place.
        shared: the host's processors that guests share, for one whose virtual CPUs have no places; empty for all.
    """

    runs_on: Sequence[str] = ()
    cells: Sequence[int | None] = ()
    shared: str = ""

    @classmethod
    def of(cls, spec: InstanceSpec, runs_on: Sequence[frozenset[int]], shared: frozenset[int]) -> HostParts:
        """What a spec's guest gets.

        Args:
            spec: which cells it has.
            runs_on: what was chosen for it.
            shared: the host's processors that guests share.
        """
        return cls(
            runs_on=tuple(map(as_text, runs_on)),
            cells=tuple(cell.host_cell for cell in spec.numa),
            shared=as_text(shared),
        )

    def put_into(self, definition: Any) -> None:
        """Put it in place of what a definition has of a host."""
        take_away(definition)
        vcpu = definition.find("vcpu")
        if self.shared and not self.runs_on and vcpu is not None:
            vcpu.set("cpuset", self.shared)
        if self.runs_on:
            tuning = child_of(definition, "cputune")
            tuning.extend(E.vcpupin(vcpu=str(number), cpuset=text) for number, text in enumerate(self.runs_on))
            everywhere = sorted({cpu for text in self.runs_on for cpu in text.split(",")}, key=int)
            tuning.append(E.emulatorpin(cpuset=",".join(everywhere)))
        placed = [(number, cell) for number, cell in enumerate(self.cells) if cell is not None]
        if placed:
            nodes = (E.memnode(cellid=str(number), mode="strict", nodeset=str(cell)) for number, cell in placed)
            child_of(definition, "numatune").extend(nodes)


def take_away(definition: Any) -> None:
    """Let a definition name no processor and no cell of a host."""
    vcpu = definition.find("vcpu")
    if vcpu is not None:
        vcpu.attrib.pop("cpuset", None)
    for path in BINDINGS:
        for element in definition.findall(path):
            parent = element.getparent()
            parent.remove(element)
            if not len(parent):
                definition.remove(parent)


def child_of(definition: Any, name: str) -> Any:
    """The element of this name, which is made where there is none."""
    found = definition.find(name)
    return etree.SubElement(definition, name) if found is None else found


def set_cells(definition: Any, spec: InstanceSpec) -> None:
    """Let the guest see a spec's NUMA cells in place of its own. One that can be plugged memory keeps its only cell."""
    cpu = definition.find("cpu")
    there = None if cpu is None else cpu.find("numa")
    if not spec.numa and (there is None or definition.find("maxMemory") is not None):
        return
    cpu = child_of(definition, "cpu")
    if there is not None:
        cpu.remove(there)
    cpu.extend(cell_elements(spec.numa))


def set_pages(definition: Any, spec: InstanceSpec) -> None:
    """Let the guest's memory be of a spec's pages."""
    backing = definition.find("memoryBacking")
    for old in [] if backing is None else backing.findall("hugepages"):
        backing.remove(old)
    size = None if spec.backing is None else spec.backing.page_bytes
    if size is not None:
        child_of(definition, "memoryBacking").append(E.hugepages(E.page(size=str(size // 1024), unit="KiB")))
    elif backing is not None and not len(backing):
        definition.remove(backing)
