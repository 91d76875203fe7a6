"""Where a new guest goes, and whether there is room for it."""

from dataclasses import dataclass

from nova_virt_api.errors import InvalidSpec, NoCapacity
from nova_virt_api.fake.shape import Shape
from nova_virt_api.fake.state import State
from nova_virt_api.model.nic import Nic
from nova_virt_api.model.nic_binding import NicBinding, OpaquePort
from nova_virt_api.model.spec import InstanceSpec, require_one


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places that a spec means.

    Args:
        node: the host; None where any will do.
        pool: the pool for what is not one of the spec's disks.
        pools: the pool of each disk.
        networks: the network of each NIC.
    """

    node: str | None
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
        node=chosen_node(placement.node, shape),
        pool=home or require_one("placement.pool", placement.pool, shape.pools),
        pools=pools,
        networks=tuple(network_of(nic, f"nics[{index}]", shape) for index, nic in enumerate(spec.nics)),
    )


def chosen_node(name: str | None, shape: Shape) -> str | None:
    """The host that a spec means; where guests are whole hosts it need not name one.

    Raises:
        InvalidSpec: it names one that is not there, or none where one has to be named.
    """
    if name is None and shape.whole_nodes:
        return None
    return require_one("placement.node", name, shape.nodes)


def network_of(nic: Nic, field: str, shape: Shape) -> str:
    """The network that an interface means; one that a network service made is on the first.

    One that names its own port is on none: the port stands for it.

    Raises:
        InvalidSpec: it names one that is not there, or none where there are several.
    """
    if nic.binding is not None:
        return port_name(nic.binding)
    if nic.network is None and nic.vif_id is not None and shape.networks:
        return shape.networks[0]
    return require_one(f"{field}.network", nic.network, shape.networks)


def port_name(binding: NicBinding) -> str:
    """What the world calls the switch of a port that is on none of its networks."""
    return f"outside:{binding.kind if isinstance(binding, OpaquePort) else binding.bridge}"


def node_for(state: State, shape: Shape, wanted: str | None, vcpus: int, memory_bytes: int) -> str:
    """The host that a new guest goes to.

    Raises:
        NoCapacity: the hosts that are meant take no new guest.
    """
    names = shape.nodes if wanted is None else (wanted,)
    in_use = [name for name in names if name not in state.maintenance]
    if not in_use:
        reasons = ", ".join(f"{name} ({state.maintenance[name]})" for name in names)
        raise NoCapacity("nodes", f"taken out of use: {reasons}")
    if not shape.whole_nodes:
        return in_use[0]
    if vcpus > shape.vcpus:
        raise NoCapacity("vcpus", f"hosts have {shape.vcpus} CPUs, {vcpus} are needed")
    if memory_bytes > shape.memory_bytes:
        raise NoCapacity("memory_bytes", f"hosts have {shape.memory_bytes} bytes of memory, {memory_bytes} are needed")
    free = [name for name in in_use if not state.guests_on(name)]
    if not free:
        raise NoCapacity("nodes", f"no host is free: each of {', '.join(in_use)} has a guest")
    return free[0]


def check_host(state: State, shape: Shape, node: str, vcpus: int, memory_bytes: int) -> None:
    """Refuse to start a guest for which a host has no room.

    Raises:
        NoCapacity: names the resource.
    """
    if shape.whole_nodes:
        return
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
