"""Volumes that Nova has for a guest that is about to start, and the guest has not.

An endpoint keeps a guest's volumes over a stop. But Nova's operators take a volume from a stopped guest to reach it in
another way (``nova-manage volume_attachment refresh``), and count on the next start to give it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova.virt import driver

import nova_virt_api as virt
from nova_virt_bridge.device_tags import tags_of, tell_nova
from nova_virt_bridge.site import guest
from nova_virt_bridge.volume_ids import known_as
from nova_virt_bridge.volumes import id_of, named_in, volumes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nova_virt_bridge.site import Site


def attach_missing(site: Site, context: Any, instance: Any, block_devices: Mapping[str, Any] | None) -> None:
    """Attach what is missing, with its tag; nothing where none can be, or where the guest is rescued or resized.

    Args:
        site: the endpoint.
        context: the request, by whose token the keys of encrypted volumes are read.
        instance: Nova's instance.
        block_devices: what ``nova.virt.driver.get_block_device_info`` returns.

    Raises:
        InvalidSpec: it is the volume to boot from, which a guest gets when it is made.
        VolumeError: one cannot be reached.
    """
    devices = driver.block_device_info_get_mapping(block_devices or {})
    wanted = [each for each in devices if named_in(each["connection_info"])]  # nobody can tell whether others are there
    if not wanted or not site.has(virt.Feature.ATTACH_VOLUMES):
        return
    uuid = guest(instance)
    if site.compute.instance(uuid, fresh=True).lifecycle is not virt.Lifecycle.READY:
        return
    there = {volume.id for volume in site.compute.volumes(uuid)}
    missing = [each for each in wanted if known_as(site.compute, uuid, id_of(each["connection_info"])) not in there]
    if not missing:
        return
    root = {"root_device_name": (block_devices or {}).get("root_device_name")}
    tags = tags_of(context, instance, site.compute.capabilities())
    volumes = [tags.of_volume(volume) for volume in volumes_of(root | {"block_device_mapping": missing}, context)]
    for volume in volumes:
        site.compute.attach_volume(uuid, volume, timeout=site.verb_timeout)
    if any(volume.tag is not None for volume in volumes):
        tell_nova(site.compute, uuid, instance, tags)
        instance.save()
