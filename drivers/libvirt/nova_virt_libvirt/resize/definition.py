"""Another size, other disks and other interfaces in a domain's definition; all else in it stays."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from nova_virt_libvirt.definition import PARSER, size_of
from nova_virt_libvirt.devices.screen import LONG_AGO
from nova_virt_libvirt.machine.plugged_memory import in_blocks, plugged_memory
from nova_virt_libvirt.machine.spare_cpus import vcpus_element
from nova_virt_libvirt.metadata import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_virt_api.model.size import Size
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.storage.pools import Volume

KIB: Final = 1024
PASSWORD: Final = ("passwd", "passwdValidTo", "connected")
LOCKED: Final = ("vnc", "spice")
"""Screens that are entered with a password."""

OF_ONE_VCPU: Final = ("vcpupin", "vcpusched", "cachetune", "memorytune")
"""Elements of ``<cputune>`` that name virtual CPUs."""


def parsed(xml: str) -> Any:
    """A definition to be changed."""
    return etree.fromstring(xml, PARSER)


def text_of(definition: Any) -> str:
    """A definition as libvirt takes it."""
    return str(etree.tostring(definition, encoding="unicode"))


def without_mark(xml: str) -> str:
    """A definition without our mark."""
    definition = parsed(xml)
    for mark in definition.iterfind(f"metadata/{INSTANCE}"):
        mark.getparent().remove(mark)
    return text_of(definition)


def set_mark(definition: Any, mark: Mark) -> None:
    """Put our mark in place of the one that is there."""
    metadata = definition.find("metadata")
    if metadata is None:
        metadata = etree.Element("metadata")
        definition.insert(2, metadata)
    for old in metadata.findall(INSTANCE):
        metadata.remove(old)
    metadata.append(mark.element())


def set_size(definition: Any, size: Size) -> None:
    """Give the guest the CPUs and the memory of a size, as far as it says any."""
    if size.vcpus is not None:
        set_vcpus(definition, size.vcpus)
    if size.memory_bytes is not None:
        set_memory(definition, size.memory_bytes)


def set_vcpus(definition: Any, count: int) -> None:
    """Give the guest this many virtual CPUs; one that can be given more while it runs keeps its ceiling.

    If there are more than it could have, all of them are in use; topology, NUMA cells and pinning follow.
    """
    vcpu = definition.find("vcpu")
    if vcpu is None:
        vcpu = etree.SubElement(definition, "vcpu")
    if int(vcpu.text or 1) == count and "current" not in vcpu.attrib:
        return
    if "current" in vcpu.attrib and count <= int(vcpu.text or 1):
        vcpu.set("current", str(count))
        if (listed := definition.find("vcpus")) is not None:
            definition.replace(listed, vcpus_element(count, int(vcpu.text or 1)))
        return
    vcpu.text = str(count)
    vcpu.attrib.pop("current", None)
    drop(definition, "vcpus")
    fit_topology(definition, count)
    for index, cell in enumerate(cells := definition.findall("cpu/numa/cell")):
        cell.attrib.pop("cpus", None)  # a cell may do without
        if share := share_of(count, len(cells), index):
            cell.set("cpus", share)
    tuning = definition.find("cputune")
    if tuning is not None:
        for element in [e for e in tuning if e.tag in OF_ONE_VCPU and not names_some(e, count)]:
            tuning.remove(element)


def set_memory(definition: Any, size_bytes: int) -> None:
    """Give the guest this much memory; NUMA cells get an equal part each, and modules become part of it.

    What it can be given while it runs is what is left below its ceiling.
    """
    room = fit_plugged_memory(definition, size_bytes)
    total = (size_bytes + room) // KIB
    for tag in ("memory", "currentMemory"):
        element = definition.find(tag)
        if element is not None:
            element.set("unit", "KiB")
            element.text = str(total)
    most = definition.find("maxMemory")
    if most is not None and size_of(most) < size_bytes + room:
        most.set("unit", "KiB")
        most.text = str(total)
    devices = definition.find("devices")
    for module in [] if devices is None else devices.findall("memory[@model='dimm']"):
        devices.remove(module)
    if room:
        definition.find("currentMemory").text = str(size_bytes // KIB)
    total = size_bytes // KIB
    cells = definition.findall("cpu/numa/cell")
    for index, cell in enumerate(cells):
        part = total // 1024 // len(cells) * 1024
        cell.set("unit", "KiB")
        cell.set("memory", str(part if index else total - part * (len(cells) - 1)))


def fit_plugged_memory(definition: Any, size_bytes: int) -> int:
    """Let what can be plugged in begin above this size, up to the ceiling that there is; return how much that is."""
    found, memory = plugged_memory(definition), definition.find("memory")
    if found is None:
        return 0
    room = in_blocks(max(0, size_of(memory) - size_bytes), found.block_bytes)
    if room:
        found.shape(room)
    else:
        definition.find("devices").remove(found.element)
    return room


def set_disk(disk: Any, volume: Volume) -> None:
    """Make a ``<disk>`` another volume, of the format qcow2."""
    source, driver = disk.find("source"), disk.find("driver")
    disk.set("type", "file")
    attributes = {"file": volume.path()}
    source.attrib.clear()
    source.attrib.update(attributes)
    driver.set("type", "qcow2")
    for chain in disk.findall("backingStore"):
        disk.remove(chain)


def keep_passwords(definition: Any, secure: Any) -> None:
    """Give screens the passwords that they have now: a definition that was kept has none, and would be open to all."""
    now = secure.findall("devices/graphics")
    for screen, with_password in zip(definition.findall("devices/graphics"), now, strict=False):
        for name in PASSWORD:
            if name in with_password.attrib and screen.get("type") == with_password.get("type"):
                screen.set(name, with_password.get(name))
    lock_screens(definition)


def lock_screens(definition: Any) -> None:
    """Give screens without a password one that nobody knows and that has expired, as new guests have."""
    for screen in definition.findall("devices/graphics"):
        if screen.get("type") in LOCKED and "passwd" not in screen.attrib:
            screen.set("passwd", secrets.token_urlsafe(6))
            screen.set("passwdValidTo", LONG_AGO)


def set_interfaces(definition: Any, cards: Sequence[Any]) -> None:
    """Put these network cards in place of those that are there. One that the guest has keeps its address and tag."""
    known = {mac_of(card): card for card in definition.iterfind("devices/interface")}
    for card in cards:
        before = known.get(mac_of(card))
        for kept in () if before is None else before.xpath("alias|address"):
            if card.find(kept.tag) is None:
                card.append(kept)
    replace_interfaces(definition, cards)


def mac_of(card: Any) -> str:
    """The address by which a network card is known."""
    return str(card.find("mac").get("address")).lower()


def replace_interfaces(definition: Any, cards: Sequence[Any]) -> None:
    """Put these network cards in place of those that are there, whatever they are called."""
    devices = definition.find("devices")
    for card in devices.findall("interface"):
        devices.remove(card)
    devices.extend(cards)


def fit_topology(definition: Any, count: int) -> None:
    """Keep cores and threads of a topology if the count is a multiple of them, else make each CPU a socket."""
    topology = definition.find("cpu/topology")
    if topology is None:
        return
    inner = {name: int(topology.get(name, "1")) for name in ("dies", "cores", "threads")}
    per_socket = inner["dies"] * inner["cores"] * inner["threads"]
    if count % per_socket:
        per_socket = 1
        for name in inner:
            if name in topology.attrib:
                topology.set(name, "1")
    topology.set("sockets", str(count // per_socket))


def share_of(count: int, parts: int, index: int) -> str:
    """The CPUs of one of several cells, in libvirt's notation; the first cells get one more where it does not divide.

    Empty for a cell that is left without one.
    """
    small, more = divmod(count, parts)
    first = index * small + min(index, more)
    last = first + small + (index < more) - 1
    return "" if last < first else str(first) if first == last else f"{first}-{last}"


def names_some(element: Any, count: int) -> bool:
    """Whether an element is about CPUs that are all still there."""
    text = element.get("vcpu") or element.get("vcpus") or ""
    numbers = [int(number) for part in text.replace("^", "").split(",") for number in part.split("-") if number]
    return all(number < count for number in numbers)


def drop(definition: Any, tag: str) -> None:
    """Remove an element if it is there."""
    element = definition.find(tag)
    if element is not None:
        definition.remove(element)
