"""Making guests and removing them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from nova import exception
from nova.compute import task_states

import nova_virt_api as virt
from nova_virt_bridge import glance
from nova_virt_bridge.device_tags import tagged, tags_of, tell_nova
from nova_virt_bridge.errors import BUILD, DESTROY, nova_errors
from nova_virt_bridge.plugging import Plugging
from nova_virt_bridge.rebuild import rebuilt_here
from nova_virt_bridge.site import Bridged, guest
from nova_virt_bridge.spec import Request, spec_of

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.model.spec import InstanceSpec

LOG = logging.getLogger(__name__)


class Build(Bridged):
    """Nova's methods that make a guest or remove one."""

    def spawn(  # noqa: PLR0917 - Nova's signature
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: str | None,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Any = None,
        power_on: bool = True,
        accel_info: Any = None,
    ) -> None:
        request = Request(
            context=context,
            instance=instance,
            image_meta=image_meta,
            files=tuple((path, content) for path, content in injected_files or ()),
            vifs=tuple(network_info or ()),
            block_devices=block_device_info or {},
            power_on=power_on,
            accelerators=tuple(accel_info or ()),
        )
        with rebuilt_here(instance), nova_errors(BUILD, instance):
            node = self.site.nodes.home(instance)
            tags = tags_of(context, instance, self.compute.capabilities(node.id))
            spec = tagged(spec_of(request, self.compute, node), tags, request.vifs, request.block_devices)
            self.make(spec, request)
            tell_nova(self.compute, spec.uuid, instance, tags)

    def make(self, spec: InstanceSpec, request: Request) -> None:
        """Make the guest and wait, where Nova has to, for Neutron to plug its ports; if it does not, undo the guest."""
        plugging = Plugging(self.virtapi, request.instance, request.vifs if request.power_on else ())
        with glance.lent(request.context, request.instance.image_ref):
            try:
                with plugging, self.site.builds.making(spec.uuid):
                    self.compute.spawn(
                        spec,
                        timeout=self.site.spawn_timeout,
                        hooks={virt.Stage.BEFORE_START: lambda op: plugging.before_start()},
                    )
            except exception.VirtualInterfaceCreateException:  # after the start: what the endpoint knows nothing of
                self.compute.destroy(spec.uuid, timeout=self.site.spawn_timeout)
                raise

    def destroy(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        with nova_errors(DESTROY, instance):
            uuid = guest(instance)
            if self._waits_for_its_resize(uuid, instance, destroy_disks=destroy_disks):
                return
            disks = virt.DiskPolicy.DELETE if destroy_disks else virt.DiskPolicy.KEEP
            self.site.builds.overtake(uuid)
            there = self.compute.destroy(uuid, disks=disks, timeout=self.site.spawn_timeout)
            self.site.moves.forget(uuid)
        if not there:
            LOG.info("guest %s was not there any more", instance.uuid)

    def cleanup(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        migrate_data: Any = None,
        destroy_vifs: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """What is left after the guest was stopped: to the endpoint that is the same as removing it.

        After a live migration nothing is left: ``post_live_migration`` has seen to it, and whoever has the uuid here
        now may be the guest itself, which only changed its node.
        """
        if migrate_data is not None:
            return
        self.destroy(context, instance, network_info, block_device_info, destroy_disks, destroy_secrets)

    def delete_instance_files(self, instance: Any) -> bool:
        """Remove what is here of a guest that Nova has deleted elsewhere, e.g. on its way to another host.

        What waits here for the end of a resize is in no list of Nova's, and nobody else would look for it.
        """
        uuid = guest(instance)
        with nova_errors(DESTROY, instance):
            try:
                self.compute.destroy(uuid, timeout=self.site.spawn_timeout)
            except virt.VirtError as error:
                if error.retryable:
                    raise
                LOG.warning("guest %s was deleted, and not all that it had here: %s", uuid, error)
                return False
        self.site.moves.forget(uuid)
        return True

    def _waits_for_its_resize(self, uuid: UUID, instance: Any, *, destroy_disks: bool) -> bool:
        """Keep what a resize may have to come back to.

        Nova destroys a resized guest before it reverts it, which would be the guest itself where it was resized in its
        place. On its way to another cell it is destroyed but for its disks, and comes back from them.
        """
        if instance.task_state == task_states.RESIZE_MIGRATING and not destroy_disks:
            self.compute.prepare_resize(uuid, virt.Size(), timeout=self.site.verb_timeout)
            return True
        if instance.task_state != task_states.RESIZE_REVERTING:
            return False
        try:
            return self.compute.instance(uuid, fresh=True).lifecycle is virt.Lifecycle.RESIZE_PENDING
        except virt.InstanceNotFound:
            return False
