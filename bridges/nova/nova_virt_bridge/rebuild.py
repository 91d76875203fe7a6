"""Making a guest anew in its place."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nova.conf
from nova import exception
from nova.compute import task_states
from nova.virt import configdrive, driver

import nova_virt_api as virt
from nova_virt_bridge import glance
from nova_virt_bridge.demands import check_image
from nova_virt_bridge.disks import image_source
from nova_virt_bridge.errors import BUILD, nova_errors
from nova_virt_bridge.first_boot import cloud_init_of
from nova_virt_bridge.site import Bridged, guest
from nova_virt_bridge.spec import Request
from nova_virt_bridge.volumes import boots_from_volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONF = nova.conf.CONF


class Rebuild(Bridged):
    """Nova's method that gives a guest a new image, where a guest is a whole machine that must not be given away.

    For virtual guests Nova's own way, destroy and spawn, does more: it makes ephemeral disks anew and keeps volumes.
    """

    def rebuild(  # noqa: PLR0917 - Nova's signature
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: str | None,
        allocations: Any,
        bdms: Any,
        detach_block_devices: Any,
        attach_block_devices: Any,
        network_info: Any = None,
        evacuate: bool = False,
        block_device_info: Any = None,
        preserve_ephemeral: bool = False,
        accel_uuids: Any = None,
        reimage_boot_volume: bool = False,
    ) -> None:
        with nova_errors(BUILD, instance):
            in_place = self.site.nodes.whole and self.site.has(virt.Capability.REBUILD)
            detaches = self.site.has(virt.Feature.ATTACH_VOLUMES)
            told = self.compute.capabilities()
        request = Request(
            context=context,
            instance=instance,
            image_meta=image_meta,
            files=tuple((path, content) for path, content in injected_files or ()),
            vifs=tuple(network_info or ()),
            block_devices=block_device_info or {},
        )
        if not evacuate:
            refuse_demands(request, told)
        if not in_place or evacuate or reimage_boot_volume or boots_from_volume(block_device_info or {}):
            if not evacuate and not detaches:
                refuse_to_detach(instance, block_device_info or {})
            raise NotImplementedError("Nova destroys and spawns such a guest by itself")
        if preserve_ephemeral:
            raise exception.PreserveEphemeralNotSupported
        instance.task_state = task_states.REBUILD_SPAWNING
        instance.save(expected_task_state=[task_states.REBUILDING])
        uuid = guest(instance)
        with (
            rebuilt_here(instance),
            nova_errors(BUILD, instance),
            glance.lent(context, instance.image_ref),
            self.site.builds.making(uuid),
        ):
            source = image_source(instance.image_ref, told, instance.trusted_certs)
            first_boot = cloud_init_of(request, told) if configdrive.required_by(instance) else None
            self.compute.rebuild(uuid, source=source, cloud_init=first_boot, timeout=self.site.spawn_timeout)


@contextmanager
def rebuilt_here(instance: Any) -> Iterator[None]:
    """Tell Nova that a server which it makes anew where it was could not be made.

    Nova takes ComputeResourcesUnavailable for an evacuation's, where the server is still what it was at its old host.
    While it is evacuated, a server is still said to be there.

    Raises:
        BuildAbortException: instead of ComputeResourcesUnavailable; Nova shows the server as broken.
    """
    try:
        yield
    except exception.ComputeResourcesUnavailable as error:
        if instance.task_state != task_states.REBUILD_SPAWNING or instance.host != CONF.host:
            raise
        reason = error.format_message()
        raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=reason) from error


def refuse_demands(request: Request, told: virt.Capabilities) -> None:
    """Refuse what Nova's own way would come to after it has destroyed the guest.

    Raises:
        InstanceFaultRollback: something is asked for that cannot be had; Nova leaves the server as it is.
    """
    try:
        check_image(request, told)
    except (exception.ComputeResourcesUnavailable, exception.ImageUnacceptable) as error:
        reason = f"{error.format_message()}; nothing was changed"
        refused = exception.BuildAbortException(instance_uuid=request.instance.uuid, reason=reason)
        raise exception.InstanceFaultRollback(refused) from error


def refuse_to_detach(instance: Any, block_devices: Mapping[str, Any]) -> None:
    """Refuse what Nova's own way would come to after it has stopped or destroyed the guest.

    Raises:
        InstanceFaultRollback: the guest has volumes, which cannot be detached here; Nova leaves it as it is.
    """
    if driver.block_device_info_get_mapping(block_devices):
        reason = "its volumes would have to be detached, and the endpoint cannot do that; nothing was changed"
        refused = exception.BuildAbortException(instance_uuid=instance.uuid, reason=reason)
        raise exception.InstanceFaultRollback(refused)
