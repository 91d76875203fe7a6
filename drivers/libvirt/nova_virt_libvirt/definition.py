"""What this driver keeps in mind of a domain's definition, read out of its XML."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from lxml import etree

from nova_virt_libvirt.machine.plugged_memory import idle_bytes
from nova_virt_libvirt.metadata import INSTANCE, Mark, parse_mark
from nova_virt_libvirt.network.user_network import USER_MODE

UNITS: Final = {"b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 1000**2, "M": 1024**2, "MiB": 1024**2}
UNITS_ABOVE: Final = {"GB": 1000**3, "G": 1024**3, "GiB": 1024**3, "TB": 1000**4, "T": 1024**4, "TiB": 1024**4}
AGENT: Final = "org.qemu.guest_agent.0"
PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)


@dataclass(frozen=True, slots=True)
class Interface:
    """A guest's network interface: its MAC address, and the network if it is on one that the endpoint shows."""

    mac: str
    network: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A domain as defined, or as running while it runs.

    Args:
        uuid: its uuid.
        name: its name.
        vcpus: virtual CPUs in use.
        memory_bytes: memory that it is to use.
        mark: our mark, unless it is a copy's.
        interfaces: its network interfaces.
        agent: whether the guest's agent is connected; only known while it runs.
        whole: whether interfaces and agent were read.
    """

    uuid: UUID
    name: str
    vcpus: int
    memory_bytes: int
    mark: Mark | None
    interfaces: tuple[Interface, ...] = ()
    agent: bool = False
    whole: bool = True


def parse_definition(xml: str, uuid: UUID) -> Definition:
    """Read a domain's XML as libvirt gives it."""
    root = etree.fromstring(xml, PARSER)
    memory, vcpu, metadata, devices = (root.find(name) for name in ("memory", "vcpu", "metadata", "devices"))
    mark = None if metadata is None else parse_mark(metadata.find(INSTANCE), uuid)
    return Definition(
        uuid=uuid,
        name=root.findtext("name") or "",
        vcpus=1 if vcpu is None else int(vcpu.get("current") or vcpu.text or 1),
        memory_bytes=0 if memory is None else size_of(memory) - idle_bytes(root),
        mark=mark,
        interfaces=() if devices is None else tuple(map(interface_of, devices.iterchildren("interface"))),
        agent=devices is not None and any(map(is_connected_agent, devices.iterchildren("channel"))),
    )


def size_of(element: etree._Element) -> int:
    """A size in bytes; libvirt's default unit is KiB."""
    unit = element.get("unit", "KiB")
    return int(element.text or 0) * (UNITS.get(unit) or UNITS_ABOVE[unit])


def interface_of(element: etree._Element) -> Interface:
    """An ``<interface>``."""
    mac, source = element.find("mac"), element.find("source")
    return Interface(
        mac="" if mac is None else mac.get("address", "").lower(),
        network=USER_MODE if element.get("type") == "user" else None if source is None else source.get("network"),
    )


def is_connected_agent(channel: etree._Element) -> bool:
    """Whether a ``<channel>`` is the agent's and the agent has opened it."""
    target = channel.find("target")
    return target is not None and target.get("name") == AGENT and target.get("state") == "connected"
