"""How much guests read from volumes and write to them, for those who are billed for it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from nova import context as nova_context, objects

import nova_virt_api as virt
from nova_virt_bridge import volume_ids
from nova_virt_bridge.errors import GUEST, HOST, nova_errors
from nova_virt_bridge.site import Bridged, guest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

Counters: TypeAlias = Mapping[str, virt.DiskMetrics]
"""The counters of a guest's disks by the names that the endpoint has for them."""

Stats: TypeAlias = tuple[int, int, int, int, int]
"""Nova's order: read requests and bytes, write requests and bytes, flushes."""


class VolumeUsage(Bridged):
    """Nova's methods that count. All guests are sampled at once; one that is off uses nothing now."""

    def get_all_volume_usage(
        self, context: Any, compute_host_bdms: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        with nova_errors(HOST):
            sampled = {each.uuid: counters_of(each) for each in self.compute.metrics()}
        found = []
        for each in compute_host_bdms:
            counters = sampled.get(guest(each["instance"]))
            if counters and each["instance_bdms"]:
                found += self._used_by(each["instance"], counters, [bdm.volume_id for bdm in each["instance_bdms"]])
        return found

    def block_stats(self, instance: Any, disk_id: str) -> Stats | None:
        """``disk_id`` is the name that Nova has for the disk. None for one that nothing is known of.

        So for a guest that is gone: Nova asks before it detaches, and would not detach after an error.
        """
        devices = objects.BlockDeviceMappingList.get_by_instance_uuid(nova_context.get_admin_context(), instance.uuid)
        volume_id = next((each.volume_id for each in devices if named(each, disk_id)), None)
        if volume_id is None:
            return None
        with nova_errors(GUEST, instance), suppress(virt.InstanceNotFound):
            sampled = {each.uuid: counters_of(each) for each in self.compute.metrics()}
            counted = self._counted(guest(instance), sampled.get(guest(instance), {}), volume_id)
            return None if counted is None else stats_of(counted)
        return None

    def _used_by(self, instance: Any, counters: Counters, used: Sequence[str]) -> list[dict[str, Any]]:
        """A guest that went away meanwhile uses nothing."""
        try:
            counted = [(each, self._counted(guest(instance), counters, each)) for each in used]
        except virt.InstanceNotFound:
            return []
        return [usage(instance, volume_id, disk) for volume_id, disk in counted if disk is not None]

    def _counted(self, uuid: UUID, counters: Counters, volume_id: str) -> virt.DiskMetrics | None:
        known = volume_ids.known_as(self.compute, uuid, volume_id)
        device = next((volume.device for volume in self.compute.volumes(uuid) if volume.id == known), None)
        return None if device is None else counters.get(device)


def counters_of(sample: virt.GuestMetrics) -> Counters:
    """The counters of a guest's disks; none of a guest that did not answer."""
    return {disk.device: disk for disk in sample.disks or ()}


def named(device: Any, disk_id: str) -> bool:
    """Whether Nova's block device is a volume of this name."""
    return bool(device.is_volume and device.device_name and device.device_name.removeprefix("/dev/") == disk_id)


def stats_of(disk: virt.DiskMetrics) -> Stats:
    """Counters in Nova's order."""
    return disk.read_requests, disk.read_bytes, disk.write_requests, disk.write_bytes, disk.flush_requests or 0


def usage(instance: Any, volume_id: str, disk: virt.DiskMetrics) -> dict[str, Any]:
    """Counters of one volume under Nova's names."""
    return {
        "volume": volume_id,
        "instance": instance,
        "rd_req": disk.read_requests,
        "rd_bytes": disk.read_bytes,
        "wr_req": disk.write_requests,
        "wr_bytes": disk.write_bytes,
    }
