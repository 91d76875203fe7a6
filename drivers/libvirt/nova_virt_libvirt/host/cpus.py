"""The host's processors: which guests get for themselves, and which all others share."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import libvirt
from lxml import etree

from nova_virt_api.errors import ConfigError, InvalidSpec, NoCapacity, VirtError
from nova_virt_libvirt.claims.host_claim import alone
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.cells import cpu_set
from nova_virt_libvirt.metadata import INSTANCE, NOTE
from nova_virt_libvirt.names import HOST_CPUS_KEY, reserved_cpus
from nova_virt_libvirt.resize.note import ROLE as RESIZE, ResizeNote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.place import HostCell
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_libvirt.claims.records import Records
    from nova_virt_libvirt.storage.pools import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCpus:
    """How the host's processors are divided.

    Args:
        dedicated: those that are given to one guest each.
        shared: those that all other guests run on; empty for any.
    """

    dedicated: frozenset[int] = frozenset()
    shared: frozenset[int] = frozenset()

    @classmethod
    def of(cls, options: Any) -> HostCpus:
        """What the options say.

        Raises:
            ConfigError: they cannot be read, or name the same processors.
        """
        dedicated = cpu_set("cpu_dedicated_set", options.cpu_dedicated_set)
        shared = cpu_set("cpu_shared_set", options.cpu_shared_set)
        if both := dedicated & shared:
            message = f"processors {sorted(both)} are in cpu_shared_set, too"
            raise ConfigError("cpu_dedicated_set", message, hint="take them out of one of the two")
        return cls(dedicated=dedicated, shared=shared)

    def of_host(self, cells: Sequence[HostCell], number: int) -> HostCpus:
        """The same without those that the host has not, e.g. as an option names more than there are.

        Args:
            cells: the host's NUMA cells; a host may tell none.
            number: how many processors it has.
        """
        there = frozenset(cpu for cell in cells for cpu in cell.cpus) or frozenset(range(number))
        return HostCpus(dedicated=self.dedicated & there, shared=self.shared & there)


def floating(spec: InstanceSpec, cells: Sequence[HostCell], shared: frozenset[int]) -> tuple[frozenset[int], ...]:
    """For each virtual CPU the processors of the host's cell that it was asked to be in; empty without such a wish.

    Raises:
        InvalidSpec: the host has no such cell, or none of its processors is shared.
    """
    if all(cell.host_cell is None for cell in spec.numa):
        return ()
    everywhere = frozenset(cpu for cell in cells for cpu in cell.cpus)
    found = [shared or everywhere] * spec.vcpu_ceiling
    for index, cell in enumerate(spec.numa):
        if cell.host_cell is not None:
            own = cpus_of_cell(index, cell.host_cell, cells)
            usable = own & shared if shared else own
            if not usable:
                allowed = "a cell with processors that are shared (option cpu_shared_set)"
                raise InvalidSpec(f"numa[{index}].host_cell", cell.host_cell, allowed)
            for vcpu in cell.vcpus:
                found[vcpu] = usable
    return tuple(found)


def cpus_of_cell(index: int, wanted: int, cells: Sequence[HostCell]) -> frozenset[int]:
    """The processors of a cell of the host.

    Raises:
        InvalidSpec: there is no such cell.
    """
    for cell in cells:
        if cell.id == wanted:
            return frozenset(cell.cpus)
    raise InvalidSpec(f"numa[{index}].host_cell", wanted, f"one of: {', '.join(str(cell.id) for cell in cells)}")


@contextmanager
def chosen(
    spec: InstanceSpec,
    host: HostCpus,
    cells: Sequence[HostCell],
    native: Any,
    records: Records,
    owner: str,
    op: Operation,
) -> Iterator[tuple[frozenset[int], ...]]:
    """For each virtual CPU the processors that it may run on; empty for any.

    Dedicated ones are chosen under a claim, which is held until the guest's definition tells everybody of them: define
    it inside this context. Those that the guest itself has here count as free.

    Raises:
        InvalidSpec: processors or cells were named that are not there.
        NoCapacity: not enough are free.
        Busy: somebody else was still choosing at the deadline.
    """
    if spec.cpu is None or not spec.cpu.dedicated:
        yield floating(spec, cells, host.shared)
        return
    with alone(records, HOST_CPUS_KEY, owner, op, "the host's processors"):
        with translated("look which processors are free"):
            waited_for = kept([records.pool], records.host, apart_from=spec.uuid)
            free = host.dedicated - in_use(native, apart_from=spec.uuid) - waited_for
        yield tuple(frozenset({cpu}) for cpu in pick(spec, host.dedicated, free, cells))


def pick(
    spec: InstanceSpec, dedicated: frozenset[int], free: frozenset[int], cells: Sequence[HostCell]
) -> tuple[int, ...]:
    """A processor for each virtual CPU: those that were named, or the lowest free ones of one cell if that has enough.

    Raises:
        InvalidSpec: one that was named is not set aside, or there is no such cell.
        NoCapacity: not enough are free.
    """
    named = spec.cpu.host_cpus if spec.cpu is not None else ()
    if named:
        if strange := sorted(set(named) - dedicated):
            raise InvalidSpec("cpu.host_cpus", strange, f"ones that are set aside: {sorted(dedicated)}")
        for index, cell in enumerate(spec.numa):
            if cell.host_cell is not None:
                own = cpus_of_cell(index, cell.host_cell, cells)
                if outside := sorted({named[vcpu] for vcpu in cell.vcpus} - own):
                    raise InvalidSpec("cpu.host_cpus", outside, f"ones of the host's cell {cell.host_cell}")
        if taken := sorted(set(named) - free):
            raise NoCapacity("PCPU", f"processors {taken} of the host belong to other guests")
        return tuple(named)
    found: dict[int, int] = {}
    for index, cell in enumerate(spec.numa):
        if cell.host_cell is not None:
            own = cpus_of_cell(index, cell.host_cell, cells)
            found |= dict(zip(cell.vcpus, take(len(cell.vcpus), free & own), strict=True))
            free -= frozenset(found.values())
    others = [vcpu for vcpu in range(spec.vcpus) if vcpu not in found]
    roomy = (frozenset(cell.cpus) & free for cell in cells)
    best = next((cpus for cpus in roomy if len(cpus) >= len(others)), free)
    found |= dict(zip(others, take(len(others), best), strict=True))
    return tuple(found[vcpu] for vcpu in range(spec.vcpus))


def take(count: int, free: frozenset[int]) -> list[int]:
    """The lowest of the free ones.

    Raises:
        NoCapacity: there are fewer.
    """
    if len(free) < count:
        raise NoCapacity("PCPU", f"{count} processors were asked for, {len(free)} are free there")
    return sorted(free)[:count]


def kept(pools: Iterable[Pool], host: str, apart_from: UUID | None = None) -> frozenset[int]:
    """The processors of a host that are kept for guests which are on their way to it.

    Args:
        pools: where to look.
        host: uuid of the host.
        apart_from: a guest whose own are not counted.
    """
    found = (reserved_cpus(name) for pool in pools for name in pool.names())
    mine = (one for one in found if one is not None and one.host == host and one.guest != apart_from)
    return frozenset[int]().union(*(one.cpus for one in mine))


def in_use(native: Any, apart_from: UUID | None = None) -> frozenset[int]:
    """The processors that a virtual CPU of some guest is bound to, whether the guest runs or not.

    Those count as well to which a guest goes back when its resize is reverted.

    Args:
        native: the connection.
        apart_from: a guest whose own are not counted.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    found: set[int] = set()
    for definition in definitions(native, 0):
        if apart_from is None or definition.findtext("uuid") != str(apart_from):
            found |= bound_cpus(definition).union(*map(bound_cpus, earlier(definition)))
    return frozenset(found)


def in_use_now(native: Any) -> frozenset[int]:
    """The processors that a virtual CPU of a guest which is on is bound to: one stands for each of them.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    return frozenset[int]().union(*map(bound_cpus, definitions(native, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)))


def definitions(native: Any, which: int) -> Iterator[etree._Element]:
    """What guests start from next, without asking their QEMU.

    Args:
        native: the connection.
        which: of which guests, as a flag of ``virConnectListAllDomains``.
    """
    for domain in native.listAllDomains(which):
        try:
            text = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:  # removed meanwhile
                raise
        else:
            yield etree.fromstring(text, PARSER)


def earlier(definition: etree._Element) -> Iterator[etree._Element]:
    """What a guest was defined as before a resize that it waits to have confirmed or reverted."""
    for mark in definition.iterfind(f"metadata/{INSTANCE}"):
        note = mark.find(f"{NOTE}[@role='{RESIZE}']")
        with suppress(VirtError, etree.XMLSyntaxError):  # somebody has edited it: there is no way back by it
            kept = "" if note is None else ResizeNote.decode(note.text or "").definition
            if kept:
                yield etree.fromstring(kept, PARSER)


def bound_cpus(definition: etree._Element) -> frozenset[int]:
    """The processors that a definition binds single virtual CPUs to, as of guests that have them for themselves."""
    sets = (cpu_set("cpuset", pin.get("cpuset")) for pin in definition.iterfind("cputune/vcpupin"))
    return frozenset().union(*(cpus for cpus in sets if len(cpus) == 1))
