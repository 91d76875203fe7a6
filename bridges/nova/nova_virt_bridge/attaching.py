"""Volumes that a guest gets, loses, sees grow and changes while it is there; who a node is to Cinder."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import nova.conf
from nova.compute import task_states

import nova_virt_api as virt
from nova_virt_bridge import volume_ids
from nova_virt_bridge.device_tags import tags_of, tell_nova
from nova_virt_bridge.errors import DETACH_VOLUME, GUEST, VOLUME, nova_errors
from nova_virt_bridge.site import Bridged, guest
from nova_virt_bridge.volumes import encryption_of, id_of, volume_of

if TYPE_CHECKING:
    from uuid import UUID

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class Attaching(Bridged):
    """Nova's methods about volumes of guests. Copying a volume may take as long as making a guest."""

    def get_volume_connector(self, instance: Any) -> dict[str, Any]:
        with nova_errors(GUEST, instance):
            told = self.compute.volume_connector(self.site.nodes.home(instance).id)
        connector: dict[str, Any] = {"host": CONF.host, "ip": next(iter(told.addresses), CONF.my_block_storage_ip)}
        if told.iscsi_initiator is not None:
            connector["initiator"] = told.iscsi_initiator
        if told.wwpns:
            connector |= {"wwpns": list(told.wwpns), "wwnns": list(told.wwnns)}
        fabric = {"nqn": told.nqn, "nvme_hostid": told.nvme_host_id, "system uuid": told.system_uuid}
        connector |= {name: value for name, value in fabric.items() if value is not None}
        if told.multipath:
            connector["multipath"] = True
        return connector

    def attach_volume(
        self,
        context: Any,
        connection_info: Any,
        instance: Any,
        mountpoint: str,
        disk_bus: str | None = None,
        device_type: str | None = None,
        encryption: Any = None,
    ) -> None:
        """Where the guest finds it is its own affair: ``mountpoint`` is not passed on."""
        with nova_errors(VOLUME, instance):
            tags = tags_of(context, instance, self.compute.capabilities())
            volume = tags.of_volume(
                volume_of(connection_info, bus=disk_bus, kind=device_type, encryption=encryption, context=context)
            )
            try:
                self.compute.attach_volume(guest(instance), volume, timeout=self.site.verb_timeout)
            except virt.VirtError as error:
                if is_unknown(error):
                    self._take_back(guest(instance), volume.id)
                raise
            if volume.tag is not None:
                try:
                    tell_nova(self.compute, guest(instance), instance, tags)
                    instance.save()
                except Exception:
                    self._take_back(guest(instance), volume.id)
                    raise

    def detach_volume(
        self, context: Any, connection_info: Any, instance: Any, mountpoint: str, encryption: Any = None
    ) -> None:
        """A guest that is gone has no volumes, as Nova comes here after it has destroyed one, too.

        Nor is there anything to do where a move here failed: what was prepared goes as a whole, and an endpoint that is
        the source as well would take it from the guest that runs on.
        """
        if instance.task_state == task_states.MIGRATING:
            return
        with nova_errors(DETACH_VOLUME, instance):
            uuid, volume_id, timeout = guest(instance), id_of(connection_info), self.site.verb_timeout
            try:
                known = volume_ids.known_as(self.compute, uuid, volume_id)
                self.compute.detach_volume(uuid, known, timeout=timeout)
                volume_ids.forget(self.compute, uuid, volume_id, timeout=timeout)
            except virt.InstanceNotFound:
                LOG.info("guest %s is gone, and with it the use of volume %s", instance.uuid, volume_id)

    def extend_volume(self, context: Any, connection_info: Any, instance: Any, requested_size: int) -> None:
        with nova_errors(VOLUME, instance):
            uuid = guest(instance)
            known = volume_ids.known_as(self.compute, uuid, id_of(connection_info))
            self.compute.extend_volume(uuid, known, requested_size, timeout=self.site.verb_timeout)

    def swap_volume(
        self,
        context: Any,
        old_connection_info: Any,
        new_connection_info: Any,
        instance: Any,
        mountpoint: str,
        resize_to: int,
    ) -> None:
        """``resize_to`` is in GiB, and 0 where the other volume is no larger."""
        with nova_errors(VOLUME, instance):
            uuid, old = guest(instance), id_of(old_connection_info)
            encryption = encryption_of(new_connection_info, context)
            new = volume_of(new_connection_info, encryption=encryption, context=context)
            known = volume_ids.known_as(self.compute, uuid, old)
            volume_ids.note(self.compute, uuid, old, (known, new.id), timeout=self.site.verb_timeout)
            try:
                self.compute.swap_volume(uuid, known, new, timeout=self.site.spawn_timeout)
            except virt.VirtError as error:
                if not is_unknown(error) or not self._went_over(uuid, known, new.id):
                    raise
            if resize_to:
                try:
                    self.compute.extend_volume(uuid, new.id, virt.GiB(resize_to), timeout=self.site.verb_timeout)
                except virt.VirtError as error:  # the guest uses the other volume by now, and Nova has to know
                    LOG.warning("guest %s sees all of volume %s when it is started next: %s", uuid, new.id, error)

    def _take_back(self, uuid: UUID, volume_id: str) -> None:
        """Nova gives a volume back to Cinder that could not be attached, so the guest must not use it."""
        try:
            self.compute.detach_volume(uuid, volume_id, timeout=self.site.verb_timeout)
        except virt.VirtError as error:
            LOG.warning("guest %s may still use volume %s, which Nova gives back: %s", uuid, volume_id, error)

    def _went_over(self, uuid: UUID, old: str, new: str) -> bool:
        """Whether the guest uses the other volume; then Nova must not take it back."""
        used = {volume.id for volume in self.compute.volumes(uuid)}
        return new in used and old not in used


def is_unknown(error: virt.VirtError) -> bool:
    """Whether what failed may have been done all the same."""
    return error.state_after is not virt.StateAfter.UNCHANGED or isinstance(error, virt.ConnectionLost)
