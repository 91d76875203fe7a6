"""Memory that a guest's QEMU shares with other processes of its host: file systems of the host are served out of it."""

from __future__ import annotations

from typing import Any

from lxml import etree


def is_shared(definition: Any) -> bool:
    """Whether a guest's memory can be shared: all of it, or each of its NUMA cells."""
    access = definition.find("memoryBacking/access")
    everywhere = access is not None and access.get("mode") == "shared"
    cells = [cell.get("memAccess") for cell in definition.iterfind("cpu/numa/cell")]
    if not cells:
        return everywhere
    return all(mode == "shared" or (mode is None and everywhere) for mode in cells)


def share_memory(definition: Any) -> None:
    """Let a guest's memory be shared from its next start; whatever else is said of the memory stays."""
    backing = definition.find("memoryBacking")
    if backing is None:
        backing = etree.SubElement(definition, "memoryBacking")
    access, source = backing.find("access"), backing.find("source")
    if access is None:
        access = etree.SubElement(backing, "access")
    access.set("mode", "shared")
    for cell in definition.iterfind("cpu/numa/cell"):
        cell.attrib.pop("memAccess", None)
    if backing.find("hugepages") is not None:  # which are files already
        return
    if source is None:
        source = etree.SubElement(backing, "source")
    if source.get("type") in (None, "anonymous"):
        source.set("type", "memfd")
