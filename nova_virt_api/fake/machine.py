"""The machine that a fake guest is, beside its size: all that its spec asks for, and the processors it got."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_api.model.cpu import Cpu, NumaCell
from nova_virt_api.model.memory import MemoryBacking
from nova_virt_api.model.screen import Screen
from nova_virt_api.model.spec import InstanceSpec
from nova_virt_api.model.tpm import Tpm
from nova_virt_api.model.watchdog import Watchdog

HOST_CELLS: Final = (None, 0)
ANY_CPU: Final = Cpu()
ANY_BACKING: Final = MemoryBacking()
ANY_SCREEN: Final = Screen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A guest's machine.

    Args:
        secure_boot: whether its firmware starts signed systems only.
        stateless_firmware: whether its firmware keeps no variables.
        tpm: its trusted platform module.
        cpu: its processor, with the host's processors that it has for itself.
        numa: its NUMA cells.
        backing: how its memory is made.
        watchdog: its watchdog.
        screen: its screen.
        max_vcpus: how many virtual CPUs it can be given while it runs.
        max_memory_bytes: how much memory it can be given while it runs.
    """

    secure_boot: bool = False
    stateless_firmware: bool = False
    tpm: Tpm | None = None
    cpu: Cpu = ANY_CPU
    numa: tuple[NumaCell, ...] = ()
    backing: MemoryBacking = ANY_BACKING
    watchdog: Watchdog | None = None
    screen: Screen = ANY_SCREEN
    max_vcpus: int | None = None
    max_memory_bytes: int | None = None

    @classmethod
    def of(cls, spec: InstanceSpec, dedicated: Iterable[int], taken: Iterable[int]) -> "Machine":
        """The machine that a spec asks for.

        Args:
            spec: what was asked for.
            dedicated: the host's processors that one guest each may have.
            taken: those that guests have.

        Raises:
            InvalidSpec: processors were named that are not set aside, or a cell that the host has not.
            NoCapacity: not enough of them are free.
        """
        for index, cell in enumerate(spec.numa):
            if cell.host_cell not in HOST_CELLS:
                raise InvalidSpec(f"numa[{index}].host_cell", cell.host_cell, "0, the only cell of the host, or None")
        return cls(
            secure_boot=spec.secure_boot,
            stateless_firmware=spec.stateless_firmware,
            tpm=spec.tpm,
            cpu=with_host_cpus(spec.cpu or ANY_CPU, spec.vcpus, frozenset(dedicated), frozenset(taken)),
            numa=tuple(spec.numa),
            backing=spec.backing or ANY_BACKING,
            watchdog=spec.watchdog,
            screen=spec.screen or ANY_SCREEN,
            max_vcpus=spec.max_vcpus,
            max_memory_bytes=spec.max_memory_bytes,
        )

    def placed(self, spec: InstanceSpec, dedicated: Iterable[int], taken: Iterable[int]) -> "Machine":
        """This machine on another host, or on the same again, of which it has what a spec says."""
        there = Machine.of(spec, dedicated, taken)
        cpu = replace(self.cpu, dedicated=there.cpu.dedicated, host_cpus=there.cpu.host_cpus)
        backing = replace(self.backing, page_bytes=there.backing.page_bytes)
        return replace(self, cpu=cpu, numa=there.numa, backing=backing)

    def moved(
        self,
        vcpus: int,
        dedicated: Iterable[int],
        taken: Iterable[int],
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
    ) -> "Machine":
        """This machine on another host: with processors for itself there if it has such, in cells of the same numbers.

        Args:
            vcpus: how many virtual CPUs it has.
            dedicated: the host's processors that one guest each may have.
            taken: those that guests have.
            host_cpus: the processors that it is to have; None for any.
            host_cells: the host's cells that its own are to be in; None for those of the same numbers.

        Raises:
            InvalidSpec: more or fewer were named than it has, or ones that are not there.
            NoCapacity: not enough of them are free.
        """
        own = vcpus if self.cpu.dedicated else 0
        for field, named, count in (("host_cpus", host_cpus, own), ("host_cells", host_cells, len(self.numa))):
            if named is not None and len(named) != count:
                raise InvalidSpec(field, tuple(named), f"{count}: so many of them the guest has")
        if any(cell not in HOST_CELLS for cell in host_cells or ()):
            raise InvalidSpec("host_cells", host_cells, "0, the only cell of the host")
        wanted = replace(self.cpu, host_cpus=tuple(host_cpus or ()))
        cpu = with_host_cpus(wanted, vcpus, frozenset(dedicated), frozenset(taken), field="host_cpus")
        places = [cell.host_cell for cell in self.numa] if host_cells is None else host_cells
        numa = tuple(replace(cell, host_cell=place) for cell, place in zip(self.numa, places, strict=True))
        return replace(self, cpu=cpu, numa=numa)


def with_host_cpus(
    cpu: Cpu, vcpus: int, dedicated: frozenset[int], taken: frozenset[int], *, field: str = "cpu.host_cpus"
) -> Cpu:
    """The processor with those of the host that it has for itself: the ones that were named, or the lowest free."""
    if not cpu.dedicated:
        return cpu
    strange = sorted(set(cpu.host_cpus) - dedicated)
    if strange:
        raise InvalidSpec(field, strange, f"ones that are set aside: {sorted(dedicated)}")
    wanted = list(cpu.host_cpus) or sorted(dedicated - taken)[:vcpus]
    if len(wanted) < vcpus or taken.intersection(wanted):
        raise NoCapacity("PCPU", f"not enough of the {len(dedicated)} processors that are set aside are free")
    return replace(cpu, host_cpus=tuple(wanted))


ORDINARY: Final = Machine()
"""Of a guest that asked for nothing."""
