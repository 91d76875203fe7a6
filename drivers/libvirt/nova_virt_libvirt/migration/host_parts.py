"""What a guest that is moved has of its host: what it asks of any, and what the destination sets aside until it comes.

A small volume, whose name says all, keeps processors for a guest of which no definition tells here yet.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import InvalidSpec, MigrationError
from nova_virt_api.model.cpu import Cpu, NumaCell
from nova_virt_api.model.image import ImageFormat
from nova_virt_api.model.spec import LEAST_MEMORY, InstanceSpec
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.host.cells import cpu_set
from nova_virt_libvirt.host.cpus import chosen
from nova_virt_libvirt.machine.host_parts import HostParts
from nova_virt_libvirt.names import reserved_cpus, reserved_cpus_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from lxml import etree

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site
    from nova_virt_libvirt.storage.pools import Pool

TAKEN: Final = "the guest cannot leave its host: it has processors of it for itself, in cells that are not as ours are"
ANEW: Final = "make it anew at the destination, e.g. from a snapshot"
CELL: Final = re.compile(r"^(?:numa(\[\d+\])\.)?host_cell$")
"""The field of a spec, or of one of its cells, that says which cell of the host it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a guest asks of any host; plain data, which a ticket can carry.

    Args:
        vcpus: how many virtual CPUs have a place.
        dedicated: whether each has a processor of the host for itself.
        cells: the virtual CPUs in each of its NUMA cells.
        host_cells: the source's cell for each of them; None for one without a place.
    """

    vcpus: int
    dedicated: bool
    cells: Sequence[Sequence[int]] = ()
    host_cells: Sequence[int | None] = ()

    def spec(self, uuid: UUID, host_cpus: Sequence[int] | None, host_cells: Sequence[int] | None) -> InstanceSpec:
        """The same as a spec, whose sizes mean nothing.

        Args:
            uuid: the guest.
            host_cpus: the processors that it is to have; None for any.
            host_cells: the cells that it is to be in; None for those of the same numbers as at the source.

        Raises:
            InvalidSpec: more or fewer were named than it has.
        """
        if host_cpus is not None:
            check_count("host_cpus", host_cpus, self.vcpus if self.dedicated else 0, "processors of its host")
        if host_cells is not None:
            check_count("host_cells", host_cells, len(self.cells), "NUMA cells")
        places = self.host_cells if host_cells is None else host_cells
        return InstanceSpec(
            uuid=uuid,
            name=str(uuid),
            vcpus=self.vcpus,
            memory_bytes=max(1, len(self.cells)) * LEAST_MEMORY,
            cpu=Cpu(dedicated=self.dedicated, host_cpus=tuple(host_cpus or ())),
            numa=[
                NumaCell(vcpus=list(vcpus), memory_bytes=LEAST_MEMORY, host_cell=place)
                for vcpus, place in zip(self.cells, places, strict=True)
            ],
        )


def check_count(field: str, named: Sequence[int], count: int, what: str) -> None:
    """Refuse names of more or fewer things than a guest has."""
    if len(named) != count:
        raise InvalidSpec(field, tuple(named), f"{count}: so many {what} the guest has")


@contextmanager
def told_of_arguments(host_cpus: Sequence[int] | None, host_cells: Sequence[int] | None) -> Iterator[None]:
    """Let an error about a field of a spec be about the argument that stands for it.

    Raises:
        InvalidSpec: the argument is wrong.
        MigrationError: nobody said what is wrong: it came from the source.
    """
    try:
        yield
    except InvalidSpec as error:
        field = CELL.sub(r"host_cells\1", error.field.removeprefix("cpu."))
        argument = field.partition("[")[0]
        if {"host_cpus": host_cpus, "host_cells": host_cells}.get(argument) is not None:
            raise InvalidSpec(field, error.value, error.allowed) from error
        hint = "say with host_cells= what it gets here" if argument == "host_cells" else ANEW
        raise MigrationError("prepare", f"the guest does not fit in here: {error.message}", hint=hint) from error


def asked_of(definition: etree._Element, shared: frozenset[int]) -> Asked | None:
    """What a guest's definition asks of any host; None for one that goes with the definition that it has.

    Args:
        definition: the guest's.
        shared: the source's processors that guests share.

    Raises:
        MigrationError: it has processors for itself, and its cells are not such as this driver makes.
    """
    pins = [cpu_set("cpuset", pin.get("cpuset")) for pin in definition.iterfind("cputune/vcpupin")]
    own = frozenset[int]().union(*pins)
    dedicated = bool(pins) and len(own) == len(pins) == sum(map(len, pins)) and not own <= shared
    everywhere = cpu_set("cpuset", next((vcpu.get("cpuset") for vcpu in definition.iterfind("vcpu")), None))
    floats = not pins and everywhere == shared  # where nothing is set aside to be shared, a guest names none
    placed = {node.get("cellid"): node for node in definition.iterfind("numatune/memnode")}
    if not (dedicated or floats or placed):
        return None
    cells = [sorted(cpu_set("cpus", cell.get("cpus"))) for cell in definition.iterfind("cpu/numa/cell")]
    nodes = [placed.get(str(number)) for number in range(len(cells))]
    count = int(definition.findtext("vcpu") or 1)
    whole = all(cells) and (not cells or sorted(vcpu for cell in cells for vcpu in cell) == list(range(count)))
    if not whole or not all(node is None or node.get("nodeset", "").isdecimal() for node in nodes):
        if dedicated:
            raise MigrationError("check_source", TAKEN, hint=ANEW)
        return None
    return Asked(
        vcpus=count,
        dedicated=dedicated,
        cells=cells,
        host_cells=[None if node is None else int(node.get("nodeset", "")) for node in nodes],
    )


class PreparedParts:
    """What one host sets aside for one guest. Short-lived: made for one verb.

    Args:
        site: the endpoint.
        places: what names of places mean there.
        uuid: the guest.
    """

    def __init__(self, site: Site, places: Places, uuid: UUID) -> None:
        self._site = site
        self._pool = places.records_pool()
        self._uuid = uuid

    def choose(
        self, asked: Asked | None, host_cpus: Sequence[int] | None, host_cells: Sequence[int] | None, op: Operation
    ) -> HostParts | None:
        """Choose what the guest gets here, and keep its processors for it. Idempotent.

        Args:
            asked: what it asks of any host; None for nothing.
            host_cpus: the processors that it is to have; None for any.
            host_cells: the cells that it is to be in; None for those of the same numbers as at the source.
            op: the operation worked for.

        Raises:
            InvalidSpec: other processors or cells were named than are there, or than it has.
            MigrationError: there is no such cell as it is in at the source, or its cells are not such as a spec has.
            NoCapacity: not enough of them are free.
            Busy: somebody else was still choosing at the deadline.
        """
        if asked is None:
            for field, named in (("host_cpus", host_cpus), ("host_cells", host_cells)):
                if named:
                    check_count(field, named, 0, "processors or cells of its host")
            return None
        site = self._site
        records = Records(self._pool, site.host())
        with told_of_arguments(host_cpus, host_cells):
            spec = asked.spec(self._uuid, host_cpus, host_cells)
            with chosen(spec, site.cpus, site.emulator().cells, site.connection(), records, site.owner, op) as runs_on:
                self.forget()
                if asked.dedicated:
                    taken = [next(iter(cpus)) for cpus in runs_on]
                    self._pool.create(reserved_cpus_name(self._uuid, site.host(), taken), 0, ImageFormat.RAW)
        return HostParts.of(spec, runs_on, site.cpus.shared)

    def forget(self) -> None:
        """Leave the processors to the guest, which has come, or to others. Idempotent."""
        forget_reserved([self._pool], self._uuid, self._site.host())


def forget_reserved(pools: Iterable[Pool], uuid: UUID, host: str) -> None:
    """Keep no processors for a guest any more. Idempotent.

    Args:
        pools: where to look.
        uuid: the guest.
        host: uuid of the host whose processors they are.
    """
    for pool in pools:
        for name in pool.names():
            found = reserved_cpus(name)
            if found is not None and (found.guest, found.host) == (uuid, host):
                pool.remove(name)
