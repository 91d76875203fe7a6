"""The host behind a connection: who it is, what it has to give, how it is called."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lxml import etree

from nova_virt_api.errors import InvalidSpec
from nova_virt_api.model.instance import PowerState
from nova_virt_api.model.place import Inventory, Node, Resource
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.cells import divided, with_free_pages
from nova_virt_libvirt.host.cpus import HostCpus, in_use, in_use_now, kept
from nova_virt_libvirt.host.emulator import Emulator, emulator_of
from nova_virt_libvirt.host.maintenance import Maintenance
from nova_virt_libvirt.host.traits import traits_of
from nova_virt_libvirt.host.unreachable import is_local
from nova_virt_libvirt.machine.guest_cpus import flags_of
from nova_virt_libvirt.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.place import StoragePool
    from nova_virt_libvirt.connection import Connection

ON: Final = frozenset({PowerState.RUNNING, PowerState.PAUSED, PowerState.NOSTATE, PowerState.CRASHED})
"""States in which a guest holds CPUs and memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The versions at the other end of a connection, as libvirt numbers them.

    Args:
        hypervisor: QEMU's.
        library: libvirt's own.
    """

    hypervisor: int
    library: int


class Host:
    """The one node of a libvirt endpoint.

    Args:
        reading: the connection for reads.
        pool: the driver's option ``pool``.
    """

    def __init__(self, reading: Connection, pool: str | None) -> None:
        self._reading = reading
        self._pool = pool
        self._name = ""
        self._uuid = ""
        self._emulator: Emulator | None = None
        self._versions: Versions | None = None
        self._cpu_flags: dict[str, frozenset[str]] = {}

    def greet(self, native: Any) -> None:
        """Learn who is at the other end of a new connection.

        Raises:
            libvirt.libvirtError: the connection broke.
        """
        self._emulator = None
        self._versions = None
        self._cpu_flags = {}
        self._uuid = ""
        self._name = native.getHostname()

    @property
    def name(self) -> str:
        """The host's name as libvirt tells it."""
        return self._name

    @property
    def uuid(self) -> str:
        """The host's uuid; stays when its name changes. Asked once per connection, as libvirt may ask QEMU first."""
        if not self._uuid:
            with translated("look at the host"):
                capabilities = etree.fromstring(self._reading.native.getCapabilities())
            self._uuid = capabilities.findtext("host/uuid") or self._name
        return self._uuid

    @property
    def node(self) -> Node:
        """The host as a node; whether it takes new guests is asked now."""
        maintenance = Maintenance(self._reading.native, self._pool, self.uuid)
        return Node(id=self.uuid, name=self._name, maintenance=maintenance.reason())

    def emulator(self) -> Emulator:
        """What the hypervisor offers; asked once per connection, as libvirt may have to ask QEMU for it."""
        emulator = self._emulator
        if emulator is None:
            with translated("look at what the hypervisor offers"):
                emulator = self._emulator = emulator_of(self._reading.native)
        return emulator

    def versions(self) -> Versions:
        """What answers; asked once per connection."""
        versions = self._versions
        if versions is None:
            with translated("look at the hypervisor"):
                native = self._reading.native
                versions = self._versions = Versions(hypervisor=native.getVersion(), library=native.getLibVersion())
        return versions

    def check_node(self, node: str | None) -> None:
        """Refuse a name that is not this host's.

        Raises:
            InvalidSpec: there is no such node.
        """
        if node is not None and node not in (self._name, self.uuid):
            raise InvalidSpec("node", node, f"one of: {self._name}")

    def cpu_flags(self, virt_type: str) -> frozenset[str]:
        """The flags of the processor that guests of this type can have; asked once per connection."""
        found = self._cpu_flags.get(virt_type)
        if found is None:
            with translated("look at what processors guests can have"):
                found = self._cpu_flags[virt_type] = flags_of(self._reading.native, virt_type)
        return found

    def inventory(
        self, guests: Iterable[Instance], pools: Iterable[StoragePool], cpus: HostCpus, virt_type: str
    ) -> Inventory:
        """What the host has to give; guests of every making count as use.

        Args:
            guests: all guests.
            pools: all storage pools.
            cpus: how the processors are divided.
            virt_type: domain type of new guests.
        """
        with translated("look at the host"):
            native = self._reading.native
            found = with_free_pages(native, self.emulator().cells)
            cells = tuple(divided(found, cpus.dedicated, cpus.shared))
            taken, bound = self._taken(native, cpus.dedicated)
            _, memory_mib, number, *_ = native.getInfo()
            there = cpus.of_host(cells, number)
            version = native.getVersion()
            kind = native.getType()
        on = [guest for guest in guests if guest.power_state in ON]
        resources = [
            Resource(
                resource_class="VCPU",
                total=len(there.shared) if cpus.shared else number - len(there.dedicated),
                used=max(0, sum(guest.vcpus for guest in on) - len(bound)),
            ),
            Resource(
                resource_class="MEMORY_MB", total=memory_mib, used=sum(guest.memory_bytes for guest in on) // 1024**2
            ),
        ]
        if cpus.dedicated:
            resources.append(Resource(resource_class="PCPU", total=len(there.dedicated), used=len(taken)))
        resources += disk_of(pools)
        return Inventory(
            node=self.node,
            hypervisor=kind,
            hypervisor_version=dotted(version),
            address=urlsplit(self._reading.uri).hostname,
            uptime_seconds=int(time.clock_gettime(time.CLOCK_BOOTTIME)) if is_local(self._reading.uri) else None,
            resources=tuple(resources),
            traits=traits_of(self.emulator(), self.cpu_flags(virt_type)),
            cells=cells,
        )

    def _taken(self, native: Any, dedicated: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
        """Of these processors, those that no other guest can have, and those that guests which are on run on now."""
        if not dedicated:
            return frozenset(), frozenset()
        waited_for = kept(Places(native, self._pool).active_pools(), self.uuid)
        return (in_use(native) | waited_for) & dedicated, in_use_now(native) & dedicated


def disk_of(pools: Iterable[StoragePool]) -> list[Resource]:
    """The space of all pools that tell it; pools on one file system tell the same space each, and count once."""
    spaces = {
        (pool.capacity_bytes, pool.free_bytes)
        for pool in pools
        if pool.available and pool.capacity_bytes is not None and pool.free_bytes is not None
    }
    if not spaces:
        return []
    total = sum(capacity for capacity, _ in spaces if capacity is not None)
    free = sum(free for _, free in spaces if free is not None)
    return [Resource(resource_class="DISK_GB", total=total // 1024**3, used=(total - free) // 1024**3)]


def dotted(version: int) -> str:
    """Libvirt's version number as people write it: 7002022 is 7.2.22."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
