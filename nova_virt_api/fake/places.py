"""Where a new guest goes, and whether there is room for it."""

from dataclasses import dataclass

from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_api.fake.shape import Shape
from nova_virt_api.fake.state import State
from nova_virt_api.model.spec import InstanceSpec, require_one


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places that a spec means.

    Args:
        node: the host.
        pool: the pool for what is not one of the spec's disks.
        pools: the pool of each disk.
        networks: the network of each NIC.
    """

    node: str
    pool: str
    pools: tuple[str, ...]
    networks: tuple[str, ...]


def choose_places(spec: InstanceSpec, shape: Shape) -> Places:
    """The places that a spec means.

    Raises:
        InvalidSpec: it names one that is not there, or none where there are several.
    """
    placement = spec.placement
    for field in ("folder", "host"):
        if getattr(placement, field) is not None:
            raise InvalidSpec(f"placement.{field}", getattr(placement, field), "None: there are no such places here")
    pools = tuple(
        require_one("placement.pool", placement.pool, shape.pools)
        if disk.pool is None
        else require_one(f"disks[{index}].pool", disk.pool, shape.pools)
        for index, disk in enumerate(spec.disks)
    )
    home = pools[0] if pools and placement.pool is None else None
    return Places(
        node=require_one("placement.node", placement.node, shape.nodes),
        pool=home or require_one("placement.pool", placement.pool, shape.pools),
        pools=pools,
        networks=tuple(
            require_one(f"nics[{index}].network", nic.network, shape.networks) for index, nic in enumerate(spec.nics)
        ),
    )


def check_host(state: State, shape: Shape, node: str, vcpus: int, memory_bytes: int) -> None:
    """Refuse to start a guest for which a host has no room.

    Raises:
        NoCapacity: names the resource.
    """
    running = list(state.running_on(node))
    free_vcpus = shape.vcpus - sum(guest.vcpus for guest in running)
    if vcpus > free_vcpus:
        raise NoCapacity("vcpus", f"{node} has {free_vcpus} of {shape.vcpus} virtual CPUs left, {vcpus} are needed")
    free = shape.memory_bytes - sum(guest.memory_bytes for guest in running)
    if memory_bytes > free:
        raise NoCapacity("memory_bytes", f"{node} has {free} bytes of memory left, {memory_bytes} are needed")


def check_pool(state: State, shape: Shape, pool: str, size_bytes: int) -> None:
    """Refuse a volume for which a pool has no room.

    Raises:
        NoCapacity: names the pool.
    """
    free = shape.pool_bytes - state.used_bytes(pool)
    if size_bytes > free:
        raise NoCapacity(pool, f"pool {pool} has {free} bytes left, {size_bytes} are needed")
