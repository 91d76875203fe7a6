"""Rescue systems, crash dumps and images of guests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nova_virt_api as virt
from nova_virt_bridge import glance
from nova_virt_bridge.disks import image_source
from nova_virt_bridge.errors import GUEST, RUNNING, nova_errors
from nova_virt_bridge.inside import demanded_rest
from nova_virt_bridge.site import Bridged, guest
from nova_virt_bridge.snapshot import Upload

if TYPE_CHECKING:
    from collections.abc import Callable


class Repair(Bridged):
    """Nova's methods for guests that are not well, and to keep what they hold."""

    def rescue(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        image_meta: Any,
        rescue_password: str,
        block_device_info: Any,
        share_info: Any,
    ) -> None:
        """By Nova's rescue image where the endpoint takes one, else by its own; the same for the password."""
        with nova_errors(GUEST, instance):
            told = self.compute.capabilities()
            named = "id" in image_meta and told.has(virt.Feature.RESCUE_IMAGE)
            image_id = image_meta.id if named else None
            password = virt.Secret(rescue_password) if told.has(virt.Feature.RESCUE_PASSWORD) else None
            with glance.lent(context, image_id):
                image = image_source(image_id, told, instance.trusted_certs) if image_id else None
                self.compute.rescue(guest(instance), image=image, password=password, timeout=self.site.spawn_timeout)

    def unrescue(self, context: Any, instance: Any) -> None:
        with nova_errors(GUEST, instance):
            self.compute.unrescue(guest(instance), timeout=self.site.verb_timeout)

    def trigger_crash_dump(self, instance: Any) -> None:
        with nova_errors(RUNNING, instance):
            self.compute.trigger_crash_dump(guest(instance), timeout=self.site.verb_timeout)

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Callable[..., None]) -> None:
        """Not ``InstanceNotRunning`` where the state does not allow it: Nova would take the guest for a deleted one."""
        with nova_errors(GUEST, instance):
            self.compute.capabilities().require(virt.Capability.SNAPSHOT)
            with Upload(context, instance, image_id, update_task_state) as upload:
                rest, timeout = demanded_rest(instance), self.site.spawn_timeout
                made = self.compute.snapshot(guest(instance), upload.target, quiesce=rest, timeout=timeout)
                upload.send(made)
