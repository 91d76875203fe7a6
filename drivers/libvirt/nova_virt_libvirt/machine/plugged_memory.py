"""Memory that a guest can be given while it runs: one ``virtio-mem`` device, of which a part is in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lxml import etree
from lxml.builder import E

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nova_virt_api.model.spec import InstanceSpec

BLOCK: Final = 2 * 1024**2
"""Bytes of the pieces in which such memory is given and taken: on this architecture a guest's huge page."""

KIB: Final = 1024
DEVICES: Final = "devices/memory[@model='virtio-mem']"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluggedMemory:
    """What a definition says of it.

    Args:
        element: the device.
        size_bytes: how much it could be.
        requested_bytes: how much the guest is to use.
        used_bytes: how much the guest uses; None where nothing runs.
        block_bytes: in pieces of which size.
    """

    element: etree._Element
    size_bytes: int
    requested_bytes: int
    used_bytes: int | None
    block_bytes: int

    def shape(self, size_bytes: int) -> None:
        """Give the device another size, and let the guest use nothing of it."""
        self.request(0)
        target(self.element, "size").text = str(size_bytes // KIB)
        target(self.element, "size").set("unit", "KiB")

    def request(self, size_bytes: int) -> str:
        """The device as it is, but that the guest is to use so much of it."""
        target(self.element, "requested").text = str(size_bytes // KIB)
        target(self.element, "requested").set("unit", "KiB")
        return etree.tostring(self.element, encoding="unicode")


def plugged_memory(definition: etree._Element) -> PluggedMemory | None:
    """The device; None of a guest without, or with several, which somebody else made."""
    found = definition.findall(DEVICES)
    if len(found) != 1:
        return None
    element = found[0]
    used = element.find("target/current")
    return PluggedMemory(
        element=element,
        size_bytes=kibibytes(element, "size") * KIB,
        requested_bytes=kibibytes(element, "requested") * KIB,
        used_bytes=None if used is None else int(used.text or 0) * KIB,
        block_bytes=kibibytes(element, "block") * KIB or BLOCK,
    )


def idle_bytes(definition: etree._Element) -> int:
    """How much of the memory that libvirt counts the guest is not to use."""
    idle = sum(kibibytes(e, "size") - kibibytes(e, "requested") for e in definition.iterfind(DEVICES))
    return idle * KIB


def ceiling_elements(spec: InstanceSpec) -> Iterator[etree._Element]:
    """What stands before a guest's devices if its memory has a ceiling."""
    if spec.max_memory_bytes is not None:
        most = spec.memory_bytes + pluggable(spec)
        yield E.maxMemory(str(most // KIB), slots="1", unit="KiB")
        yield E.currentMemory(str(spec.memory_bytes // KIB), unit="KiB")


def device_elements(spec: InstanceSpec) -> Iterator[etree._Element]:
    """The device, not in use."""
    if size := pluggable(spec):
        yield device(size, block_of(spec))


def device(size_bytes: int, block_bytes: int) -> etree._Element:
    """A device of this size, not in use; the guest's first cell has it."""
    sizes = (E.size(str(size_bytes // KIB), unit="KiB"), E.node("0"), E.block(str(block_bytes // KIB), unit="KiB"))
    return E.memory(E.target(*sizes, E.requested("0", unit="KiB")), model="virtio-mem")


def pluggable(spec: InstanceSpec) -> int:
    """How much memory the guest can be given, in whole pieces."""
    if spec.max_memory_bytes is None:
        return 0
    return in_blocks(spec.max_memory_bytes - spec.memory_bytes, block_of(spec))


def block_of(spec: InstanceSpec) -> int:
    """In which pieces a guest's memory can be given: not less than the pages that it is made of."""
    return max(BLOCK, spec.backing.page_bytes or 0) if spec.backing is not None else BLOCK


def in_blocks(size_bytes: int, block_bytes: int) -> int:
    """As much of a size as whole pieces make up: more would be beyond the guest's ceiling."""
    return size_bytes // block_bytes * block_bytes


def kibibytes(element: etree._Element, name: str) -> int:
    """A size that libvirt tells, which it does in KiB whatever was said; 0 if it does not."""
    return int(element.findtext(f"target/{name}") or 0)


def target(element: etree._Element, name: str) -> Any:
    """A part of a device's ``<target>``."""
    return element.find(f"target/{name}")
