"""What a fake world consists of before there is any guest: hosts, pools, networks, images."""

from dataclasses import dataclass
from typing import Any

from nova_virt_api.model.place import HostCell, Network, Node, PoolFeature, StoragePool
from nova_virt_api.model.units import GiB

PAGE = 4096
IMAGE_SIZE = GiB(1)
"""Virtual size of the images that a world has from the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes and places of a world, as the options give them.

    Args:
        nodes: names of the hosts.
        vcpus: virtual CPUs that each host can run at the same time.
        memory_bytes: memory of each host.
        pools: names of the storage pools.
        pool_bytes: size of each pool.
        networks: names of the networks.
        images: names of the images that are there from the start.
        boot_seconds: how long a guest boots.
        whole_nodes: whether a guest is a whole host.
        dedicated_cpus: processors of each host that guests may have for themselves, beside the others.
    """

    nodes: tuple[str, ...]
    vcpus: int
    memory_bytes: int
    pools: tuple[str, ...]
    pool_bytes: int
    networks: tuple[str, ...]
    images: tuple[str, ...]
    boot_seconds: float
    whole_nodes: bool = False
    dedicated_cpus: int = 0

    @property
    def dedicated(self) -> range:
        """The numbers of the processors that guests may have for themselves."""
        return range(self.vcpus, self.vcpus + self.dedicated_cpus)

    @property
    def cells(self) -> tuple[HostCell, ...]:
        """The only NUMA cell of each host; none where guests are whole hosts."""
        if self.whole_nodes:
            return ()
        cpus = tuple(range(self.vcpus + self.dedicated_cpus))
        return (
            HostCell(
                id=0,
                cpus=cpus,
                memory_bytes=self.memory_bytes,
                page_bytes=PAGE,
                dedicated=tuple(self.dedicated),
                shared=cpus[: self.vcpus],
                siblings=tuple((cpu,) for cpu in cpus),
            ),
        )

    @classmethod
    def of(cls, options: Any) -> "Shape":
        """Read the options' values; a name that is given twice counts once."""
        return cls(
            nodes=tuple(dict.fromkeys(options.nodes)),
            vcpus=options.vcpus,
            memory_bytes=GiB(options.memory_gib),
            pools=tuple(dict.fromkeys(options.pools)),
            pool_bytes=GiB(options.pool_gib),
            networks=tuple(dict.fromkeys(options.networks)),
            images=tuple(dict.fromkeys(options.images)),
            boot_seconds=options.boot_seconds,
            whole_nodes=options.whole_nodes,
            dedicated_cpus=0 if options.whole_nodes else options.dedicated_cpus,
        )

    def node(self, name: str, maintenance: str | None = None) -> Node:
        """A host as the API shows it."""
        return Node(id=name, name=name, maintenance=maintenance)

    def pool(self, name: str, used_bytes: int) -> StoragePool:
        """A storage pool as the API shows it."""
        return StoragePool(
            id=name,
            name=name,
            kind="memory",
            nodes=self.nodes,
            capacity_bytes=self.pool_bytes,
            free_bytes=max(self.pool_bytes - used_bytes, 0),
            features=frozenset({PoolFeature.SHARED}) if len(self.nodes) > 1 else frozenset(),
        )

    def network(self, name: str) -> Network:
        """A network as the API shows it."""
        return Network(id=name, name=name, kind="memory", nodes=self.nodes)
