"""What a node has to give, in the terms of OpenStack's Placement."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from nova_virt_api.model.place import Inventory, Resource
from nova_virt_api.model.units import GiB, MiB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nova_virt_api.model.place import StoragePool
    from nova_virt_vmware.nodes import NodeRow
    from nova_virt_vmware.vm_row import VmRow

HYPERVISOR: Final = "VMware ESXi"
RUNNING: Final = "poweredOn"


def inventory_of(row: NodeRow, pools: Iterable[StoragePool], guests: Iterable[VmRow]) -> Inventory:
    """What a node has to give: of its hosts, those on which guests can be started.

    Args:
        row: the node.
        pools: all storage pools; those that the node reaches count.
        guests: all virtual machines; those count that run on one of the node's hosts, foreign ones included.
    """
    usable = row.usable_hosts
    hosts = {host.moref for host in row.hosts}
    on = [guest for guest in guests if guest.host in hosts and guest.power_state == RUNNING]
    booted = usable[0].booted if len(row.hosts) == 1 and usable else None
    return Inventory(
        node=row.node,
        hypervisor=next((host.product[0] for host in usable if host.product[0]), HYPERVISOR),
        hypervisor_version=min((host.product[1] for host in usable if host.product[1]), key=version_key, default=""),
        address=row.hosts[0].name if len(row.hosts) == 1 else None,
        uptime_seconds=None if booted is None else max(0, int((datetime.now(UTC) - booted).total_seconds())),
        resources=(
            Resource(
                resource_class="VCPU",
                total=sum(host.threads for host in usable),
                used=sum(guest.vcpus for guest in on),
            ),
            Resource(
                resource_class="MEMORY_MB",
                total=sum(host.memory_bytes for host in usable) // MiB(1),
                used=sum(guest.memory_mb for guest in on),
            ),
            *disk(row, pools),
        ),
    )


def disk(row: NodeRow, pools: Iterable[StoragePool]) -> list[Resource]:
    """Room for disks on the datastores that a node reaches; none where nothing is known."""
    known = [
        (pool.capacity_bytes, pool.free_bytes)
        for pool in pools
        if pool.id in row.datastores and pool.available and pool.capacity_bytes is not None
    ]
    if not known:
        return []
    total = sum(capacity for capacity, _ in known)
    free = sum(left or 0 for _, left in known)
    return [Resource(resource_class="DISK_GB", total=total // GiB(1), used=(total - free) // GiB(1))]


def version_key(version: str) -> tuple[int, ...]:
    """A version that can be compared."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
