"""Interfaces that a guest gets and loses while it lives."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from nova import exception

import nova_virt_api as virt
from nova_virt_bridge.cards import card_of
from nova_virt_bridge.device_tags import tags_of, tell_nova
from nova_virt_bridge.errors import ATTACH, DETACH, nova_errors
from nova_virt_bridge.networks import nic_of
from nova_virt_bridge.site import Bridged, guest

if TYPE_CHECKING:
    from uuid import UUID

LOG = logging.getLogger(__name__)


class Interfaces(Bridged):
    """Nova's methods about a guest's interfaces."""

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        with nova_errors(ATTACH, instance):
            names = [network.name for network in self.compute.networks()]
            told = self.compute.capabilities()
            tags = tags_of(context, instance, told)
            nic = tags.of_nic(nic_of(vif, names, told, card_of(instance)), vif)
            self.compute.attach_interface(guest(instance), nic, timeout=self.site.verb_timeout)
            if nic.tag is not None:
                try:
                    tell_nova(self.compute, guest(instance), instance, tags)
                    instance.save()
                except Exception as error:
                    self._unplug_again(guest(instance), vif)
                    raise exception.InterfaceAttachFailed(instance_uuid=instance.uuid) from error

    def detach_interface(self, context: Any, instance: Any, vif: Any) -> None:
        """Found by its port, or by its MAC address; one that is not there is detached already."""
        with nova_errors(DETACH, instance):
            uuid = guest(instance)
            for found in self.compute.interfaces(uuid):
                if is_of(found, vif):
                    self.compute.detach_interface(uuid, found, timeout=self.site.verb_timeout)
                    if found.tag is not None:
                        tell_nova(self.compute, uuid, instance, tags_of(context, instance, self.compute.capabilities()))
                        instance.save()

    def _unplug_again(self, uuid: UUID, vif: Any) -> None:
        """Nova gives a port back to Neutron that could not be attached, so the guest must not use it."""
        try:
            for found in self.compute.interfaces(uuid):
                if is_of(found, vif):
                    self.compute.detach_interface(uuid, found, timeout=self.site.verb_timeout)
        except virt.VirtError as error:
            LOG.warning("guest %s may still use port %s, which Nova gives back: %s", uuid, vif["id"], error)


def is_of(found: virt.Interface, vif: Any) -> bool:
    """Whether an interface is a port's."""
    return vif["id"] == found.vif_id or (found.mac is not None and found.mac == vif["address"].lower())
