"""The places of an endpoint: nodes, storage pools, networks, and what a node has to give."""

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Something that guests run on: a host, a cluster, or a machine to be claimed.

    Args:
        id: the backend's stable id.
        name: what specs and people call it.
        maintenance: why no guest is placed on it now, empty when nobody said why; None when guests are.
    """

    id: str
    name: str
    maintenance: str | None = None


class PoolFeature(enum.Enum):
    """What a storage pool can do."""

    OVERLAY = "overlay"
    THIN = "thin"
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePool:
    """A place for disks.

    Args:
        id: the backend's stable id.
        name: what specs and people call it.
        kind: the backend's word for its type, e.g. ``dir``.
        nodes: names of the nodes that reach it.
        capacity_bytes: its size; None when not known.
        free_bytes: what is left; None when not known.
        available: whether it can be used now.
        features: what it can do.
    """

    id: str
    name: str
    kind: str
    nodes: tuple[str, ...] = ()
    capacity_bytes: int | None = None
    free_bytes: int | None = None
    available: bool = True
    features: frozenset[PoolFeature] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that NICs can be connected to. The library uses networks and never creates them.

    Args:
        id: the backend's stable id.
        name: what specs and people call it.
        kind: the backend's word for its type, e.g. ``nat``.
        nodes: names of the nodes that reach it.
        available: whether it can be used now.
    """

    id: str
    name: str
    kind: str
    nodes: tuple[str, ...] = ()
    available: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """How much a node has of one resource class.

    Args:
        resource_class: a name of os-resource-classes, e.g. ``VCPU``, ``MEMORY_MB``, ``DISK_GB``, or ``CUSTOM_...``.
        total: units that exist.
        reserved: units that guests do not get.
        used: units in use by guests, foreign ones included; None when not known.
    """

    resource_class: str
    total: int
    reserved: int = 0
    used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPages:
    """The memory of a host's NUMA cell that is set aside in pages of one size.

    Args:
        size_bytes: size of a page.
        total: pages that exist.
        free: pages that no guest has.
    """

    size_bytes: int
    total: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCell:
    """A NUMA cell of a host.

    Args:
        id: its number on the host.
        cpus: numbers of its processors.
        memory_bytes: its memory.
        pages: its huge pages, by size; none where it has none.
        page_bytes: size of its ordinary pages; None when not known.
        dedicated: those of its processors that one guest each may have for itself.
        shared: those of its processors that all other guests run on.
        siblings: its processors by core, those that are threads of one core together; none when not known.
    """

    id: int
    cpus: tuple[int, ...]
    memory_bytes: int
    pages: tuple[HostPages, ...] = ()
    page_bytes: int | None = None
    dedicated: tuple[int, ...] = ()
    shared: tuple[int, ...] = ()
    siblings: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a node has to give, in the terms of OpenStack's Placement.

    Args:
        node: the node.
        hypervisor: the backend's name for what runs the guests, e.g. ``QEMU``.
        hypervisor_version: its version.
        address: the node's IP address or host name for management, if known.
        uptime_seconds: since the node started, if known.
        resources: one entry per resource class.
        traits: names of os-traits, or ``CUSTOM_...``.
        cells: its NUMA cells, as far as known.
    """

    node: Node
    hypervisor: str
    hypervisor_version: str
    address: str | None = None
    uptime_seconds: int | None = None
    resources: tuple[Resource, ...]
    traits: tuple[str, ...] = ()
    cells: tuple[HostCell, ...] = ()
