"""The host's NUMA cells and huge pages, and its processors as options name them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from lxml import etree

from nova_virt_api.errors import ConfigError
from nova_virt_api.model.place import HostCell, HostPages

PART: Final = re.compile(r"(?P<without>\^?)(?P<first>\d{1,5})(-(?P<last>\d{1,5}))?")


def cells_of(capabilities: etree._Element) -> tuple[HostCell, ...]:
    """The cells that libvirt's capabilities tell, with all pages taken for free.

    Args:
        capabilities: the root of what ``virConnectGetCapabilities`` gives.
    """
    return tuple(map(cell_of, capabilities.iterfind("host/topology/cells/cell")))


def cell_of(element: etree._Element) -> HostCell:
    """A ``<cell>``; the smallest pages are the ordinary ones."""
    memory = int(element.findtext("memory") or 0) * 1024
    counts = {int(page.get("size", "0")) * 1024: int(page.text or 0) for page in element.iterfind("pages")}
    ordinary = min(counts, default=None)
    told = {tuple(sorted(cpu_set("siblings", cpu.get("siblings")))) for cpu in element.iterfind("cpus/cpu")}
    return HostCell(
        id=int(element.get("id", "0")),
        cpus=tuple(int(cpu.get("id", "0")) for cpu in element.iterfind("cpus/cpu")),
        memory_bytes=memory,
        pages=tuple(
            HostPages(size_bytes=size, total=count, free=count)
            for size, count in sorted(counts.items())
            if size != ordinary and count
        ),
        page_bytes=ordinary,
        siblings=tuple(sorted(core for core in told if core)),
    )


def divided(cells: Iterable[HostCell], dedicated: frozenset[int], shared: frozenset[int]) -> Iterator[HostCell]:
    """The cells, with who their processors are for.

    Args:
        cells: the host's cells.
        dedicated: the host's processors that are given to one guest each.
        shared: those that all other guests run on; empty for any, and then for those that are not given away.
    """
    for cell in cells:
        own = frozenset(cell.cpus)
        usable = own & shared if shared else own - dedicated
        yield replace(cell, dedicated=tuple(sorted(own & dedicated)), shared=tuple(sorted(usable)))


def with_free_pages(native: Any, cells: Iterable[HostCell]) -> Iterator[HostCell]:
    """The cells with the pages that are free now; asks libvirt only where there are huge pages.

    Raises:
        libvirt.libvirtError: the connection broke.
    """
    for cell in cells:
        if not cell.pages:
            yield cell
            continue
        sizes = [pages.size_bytes // 1024 for pages in cell.pages]
        free = native.getFreePages(sizes, cell.id, 1, 0)[cell.id]
        yield replace(
            cell, pages=tuple(replace(pages, free=int(free[pages.size_bytes // 1024])) for pages in cell.pages)
        )


def cpu_set(option: str, text: str | None) -> frozenset[int]:
    """The processors that an option names: ``0-3,^2,8`` is 0, 1, 3 and 8; none where it is not set.

    Raises:
        ConfigError: it cannot be read.
    """
    chosen: set[int] = set()
    left_out: set[int] = set()
    for part in (text or "").replace(" ", "").split(","):
        if not part:
            continue
        found = PART.fullmatch(part)
        first, last = (int(found["first"]), int(found["last"] or found["first"])) if found else (1, 0)
        if found is None or last < first:
            raise ConfigError(option, f"{part!r} names no processors", hint="write them as in 0-3,^2,8")
        (left_out if found["without"] else chosen).update(range(first, last + 1))
    return frozenset(chosen - left_out)


def as_text(cpus: Iterable[int]) -> str:
    """Processors as libvirt writes them."""
    return ",".join(map(str, sorted(cpus)))
