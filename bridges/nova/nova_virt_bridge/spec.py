"""Nova's instance as a spec of ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import nova.conf
from nova.virt import configdrive

import nova_virt_api as virt
from nova_virt_bridge.cards import Card
from nova_virt_bridge.demands import check_demands
from nova_virt_bridge.disks import bus_of, disks_of
from nova_virt_bridge.first_boot import cloud_init_of
from nova_virt_bridge.host_numa import ordinary_page
from nova_virt_bridge.machine import firmware_of, machine_of
from nova_virt_bridge.networks import nics_of
from nova_virt_bridge.numa import Claimed
from nova_virt_bridge.volumes import volumes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_api.model.place import Node

CONF = nova.conf.CONF
LABELS: Final = {
    "nova.display-name": "display_name",
    "nova.project-id": "project_id",
    "nova.user-id": "user_id",
}
"""What people who look at the hypervisor want to know of a guest, by the instance's field."""

LONGEST_LABEL: Final = 255


@dataclass(frozen=True, kw_only=True)
class Request:
    """What Nova gives its driver to make a guest from.

    Args:
        context: the request that asked for it, by whose token images are read.
        instance: Nova's instance.
        image_meta: its image; without an id where it boots from a volume.
        files: paths and contents of files that the guest is to find.
        vifs: its ports.
        block_devices: what ``nova.virt.driver.get_block_device_info`` returns.
        power_on: whether it is to run.
        accelerators: devices that Cyborg gives it.
    """

    context: Any
    instance: Any
    image_meta: Any
    files: tuple[tuple[str, Any], ...] = ()
    vifs: tuple[Any, ...] = ()
    block_devices: Mapping[str, Any]
    power_on: bool = True
    accelerators: tuple[Any, ...] = ()


def spec_of(request: Request, compute: virt.Compute, node: Node) -> virt.InstanceSpec:
    """The spec of the guest that Nova asks for. What it does not say is refused and not dropped.

    Raises:
        ComputeResourcesUnavailable: the flavor or image demands what nova-virt-api has no words for.
        ImageUnacceptable: the image needs a kernel and a ramdisk of its own.
        InvalidSpec: a value is out of bounds.
        NetworkError: a network of Neutron is none of the endpoint's.
    """
    instance, told = request.instance, compute.capabilities(node.id)
    flavor, image = instance.flavor, request.image_meta
    whole = told.has(virt.Feature.WHOLE_NODES)
    check_demands(request, told)
    return virt.InstanceSpec(
        uuid=UUID(instance.uuid),
        name=instance.name,
        vcpus=1 if whole else flavor.vcpus,  # the scheduler has chosen the machine; this is the least it has
        memory_bytes=virt.MiB(1 if whole else flavor.memory_mb),
        disks=disks_of(request, told),
        volumes=on_bus(volumes_of(request.block_devices, request.context), None if whole else bus_of(image, told)),
        nics=nics_of(request.vifs, compute, told, Card.of(flavor, image)),
        cloud_init=cloud_init_of(request, told) if configdrive.required_by(instance) else None,
        placement=virt.Placement(node=node.id, pool=CONF.nova_virt.pool),
        **firmware_of(flavor, image),
        **({} if whole else machine_of(flavor, image, claimed_of(instance, compute, node))),
        labels={label: printable(instance[field] or "") for label, field in LABELS.items()},
        power_on=request.power_on,
    )


def on_bus(volumes: tuple[virt.Volume, ...], bus: virt.DiskBus | None) -> tuple[virt.Volume, ...]:
    """The volumes, on this bus unless the user has chosen another for one of them."""
    return tuple(volume if volume.bus or bus is None else replace(volume, bus=bus) for volume in volumes)


def claimed_of(instance: Any, compute: virt.Compute, node: Node) -> Claimed:
    """What Nova has chosen of the node for an instance; the node is only asked where it has chosen something.

    Raises:
        ComputeResourcesUnavailable: it should have chosen, and has not; or it has chosen what no guest can have.
    """
    topology = instance.numa_topology
    if topology is None:
        return Claimed()
    return Claimed.of(topology, {ordinary_page(cell) for cell in compute.inventory(node.id).cells})


def printable(text: str) -> str:
    """Text as a label may hold it."""
    return "".join(character for character in text if character.isprintable())[:LONGEST_LABEL]
