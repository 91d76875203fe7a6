"""What the nodes have to give, as the resource tracker and Placement want to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import nova.conf
import nova.virt.driver
from nova.compute import utils as compute_utils
from nova.objects import fields
from oslo_serialization import jsonutils

import nova_virt_api as virt
from nova_virt_bridge.errors import HOST, nova_errors
from nova_virt_bridge.host_numa import numa_topology
from nova_virt_bridge.site import Bridged
from nova_virt_bridge.versions import version_number

if TYPE_CHECKING:
    from nova_virt_api.model.place import Inventory, Resource

CONF = nova.conf.CONF

RATIOS: Final = ("VCPU", "MEMORY_MB", "DISK_GB")
"""The resource classes that Nova overcommits; a unit of any other is used once."""

HYPERVISORS: Final = {
    "fake": (fields.HVType.FAKE,),
    "ironic": (fields.HVType.BAREMETAL,),
    "kvm": (fields.HVType.KVM, fields.HVType.QEMU),
    "qemu": (fields.HVType.QEMU, fields.HVType.KVM),
    "vmware": (fields.HVType.VMWARE,),
    "xen": (fields.HVType.XEN,),
}
"""Nova's closed list of hypervisors, by what endpoints call theirs."""

ARCHITECTURES: Final = "HW_ARCH_"
OURS: Final = (
    *("HW_", "STORAGE_", "MISC_"),
    *("COMPUTE_FIRMWARE_", "COMPUTE_GRAPHICS_", "COMPUTE_SECURITY_TPM_", "COMPUTE_STORAGE_BUS_"),
)
"""Traits that tell what a node is: set and taken away as the endpoint says. Others are only added, as operators do."""

TPM_OF_THE_HOST: Final = "COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST"
"""Who is root on the host can read what a TPM keeps: the only one of Nova's three promises that is kept here."""


class ProviderTree(Bridged):
    """Nova's methods about what a node has."""

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        with nova_errors(HOST):
            node = self.site.nodes.by_name().get(nodename)
            if node is None:
                return {}  # Nova's word for a node that is gone
            found = self.compute.inventory(node.id)
            uuids = {name: uuid for uuid, name in self.site.nodes.by_uuid().items()}
        return {"uuid": uuids[nodename], "hypervisor_hostname": nodename} | resource_view(found)

    def update_provider_tree(self, provider_tree: Any, nodename: str, allocations: Any = None) -> None:
        with nova_errors(HOST):
            found = self.compute.inventory(self.site.nodes.node(nodename).id)
            whole = self.site.nodes.whole
        now = provider_tree.data(nodename)
        ratios = nova.virt.driver.ComputeDriver._get_allocation_ratios(now.inventory)
        records = {item.resource_class: record(item, found, ratios, whole=whole) for item in found.resources}
        provider_tree.update_inventory(nodename, {name: item for name, item in records.items() if item["total"]})
        wanted = set(found.traits) | ({TPM_OF_THE_HOST} if self.site.has(virt.Feature.TPM) else set())
        provider_tree.add_traits(nodename, *wanted)
        provider_tree.remove_traits(nodename, *(trait for trait in now.traits - wanted if trait.startswith(OURS)))


def resource_view(found: Inventory) -> dict[str, Any]:
    """What the resource tracker calls a node's resources."""
    resources = {item.resource_class: item for item in found.resources}

    def total(name: str) -> int:
        return resources[name].total if name in resources else 0

    def used(name: str) -> int:
        return (resources[name].used or 0) if name in resources else 0

    return {
        "vcpus": total("VCPU"),
        "vcpus_used": used("VCPU"),
        "memory_mb": total("MEMORY_MB"),
        "memory_mb_used": used("MEMORY_MB"),
        "local_gb": total("DISK_GB"),
        "local_gb_used": used("DISK_GB"),
        "disk_available_least": total("DISK_GB") - used("DISK_GB"),
        "hypervisor_type": found.hypervisor,
        "hypervisor_version": version_number(found.hypervisor_version),
        "cpu_info": jsonutils.dumps({}),
        "numa_topology": numa_topology(found),
        "supported_instances": supported_instances(found),
    }


def supported_instances(found: Inventory) -> list[tuple[str, str, str]]:
    """Which architectures run on which hypervisor here, as far as the endpoint tells."""
    kinds = next((kinds for name, kinds in HYPERVISORS.items() if name in found.hypervisor.lower()), ())
    names = [trait.removeprefix(ARCHITECTURES).lower() for trait in found.traits if trait.startswith(ARCHITECTURES)]
    known = [name for name in names if fields.Architecture.is_valid(name)]
    return [(name, kind, fields.VMMode.HVM) for name in known for kind in kinds]


def record(item: Resource, found: Inventory, ratios: dict[str, float], *, whole: bool) -> dict[str, Any]:
    """One entry of Placement's inventory.

    A node in maintenance gives nothing to new guests. A whole machine is given as a whole and once.
    """
    shared = item.resource_class in RATIOS and not whole
    reserved = item.reserved + (reserved_by_nova(item.resource_class) if shared else 0)
    if found.node.maintenance is not None:
        reserved = item.total
    return {
        "total": item.total,
        "reserved": min(reserved, item.total),
        "min_unit": 1,
        "max_unit": item.total,
        "step_size": 1,
        "allocation_ratio": ratios[item.resource_class] if shared else 1.0,
    }


def reserved_by_nova(resource_class: str) -> int:
    """What nova.conf keeps back for the host."""
    if resource_class == "VCPU":
        return int(CONF.reserved_host_cpus)
    if resource_class == "MEMORY_MB":
        return int(CONF.reserved_host_memory_mb)
    return int(compute_utils.convert_mb_to_ceil_gb(CONF.reserved_host_disk_mb))
