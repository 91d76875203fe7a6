"""Guests that get another flavor, or another host while they are off. Nova carries our ticket as its ``disk_info``."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nova import exception

import nova_virt_api as virt
from nova_virt_bridge.cards import card_of
from nova_virt_bridge.errors import MOVE, STOP, nova_errors, translated
from nova_virt_bridge.host import address
from nova_virt_bridge.kept import refuse_changes
from nova_virt_bridge.networks import nics_of
from nova_virt_bridge.power import STOPPED, mode
from nova_virt_bridge.shares import match_shares
from nova_virt_bridge.site import Bridged, guest
from nova_virt_bridge.spec import Request, spec_of
from nova_virt_bridge.tickets import ticket_of
from nova_virt_bridge.volumes import boots_from_volume, volumes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from nova_virt_bridge.errors import Table

LOG = logging.getLogger(__name__)


class Resize(Bridged):
    """Nova's methods about resizing and cold migration. Ports are not waited for, as in Nova's own libvirt driver."""

    def migrate_disk_and_power_off(
        self,
        context: Any,
        instance: Any,
        dest: str,
        flavor: Any,
        network_info: Any,
        block_device_info: Any = None,
        timeout: int = 0,
        retry_interval: int = 0,
    ) -> str:
        """A guest that could not be prepared runs again, if it did before, and Nova leaves the server as it was."""
        with unchanged(), nova_errors(MOVE, instance):
            self.compute.capabilities().require(virt.Capability.RESIZE)
            if dest != address(self.compute):
                self.compute.capabilities().require(virt.Feature.COLD_MIGRATION)
            refuse_changes(instance, flavor)
            size = size_of(instance.flavor, flavor, block_device_info or {})
            uuid = guest(instance)
            before = self.compute.instance(uuid, fresh=True).power_state
        grace = float(timeout)
        try:
            self.compute.power_off(
                uuid,
                mode=mode(self.site, graceful=timeout > 0),
                grace_seconds=grace,
                timeout=self.site.verb_timeout + grace,
            )
        except virt.VirtError as error:
            raise self._as_before(error, STOP, instance, before) from error
        try:
            return self.compute.prepare_resize(uuid, size, timeout=self.site.verb_timeout).encode()
        except virt.VirtError as error:
            raise self._as_before(error, MOVE, instance, before) from error

    def finish_migration(  # noqa: PLR0917 - Nova's signature
        self,
        context: Any,
        migration: Any,
        instance: Any,
        disk_info: str,
        network_info: Any,
        image_meta: Any,
        resize_instance: bool,
        allocations: Any,
        block_device_info: Any = None,
        power_on: bool = True,
        share_info: Any = None,
    ) -> None:
        """A guest that uses shares gets them here before it starts: what is carried over knows nothing of them."""
        request = Request(
            context=context,
            instance=instance,
            image_meta=image_meta,
            vifs=tuple(network_info or ()),
            block_devices=block_device_info or {},
            power_on=power_on and not share_info,
        )
        with nova_errors(MOVE, instance), self.site.builds.making(guest(instance)):
            ticket = ticket_of(disk_info, "finish_resize")
            spec = spec_of(request, self.compute, self.site.nodes.home(instance))
            as_they_are = replace(spec, volumes=volumes_of(request.block_devices, context))  # each stays on its bus
            self.compute.finish_resize(ticket, spec=as_they_are, timeout=self.site.spawn_timeout)
            if share_info:
                match_shares(self.site, instance, share_info)
                if power_on:
                    self._start(guest(instance))

    def confirm_migration(self, context: Any, migration: Any, instance: Any, network_info: Any) -> None:
        with nova_errors(MOVE, instance):
            self.compute.confirm_resize(guest(instance), timeout=self.site.spawn_timeout)

    def finish_revert_migration(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        migration: Any,
        block_device_info: Any = None,
        power_on: bool = True,
        share_info: Any = None,
    ) -> None:
        """Nova comes here as well after it was killed while it resized, where a guest may wait for nothing."""
        with nova_errors(MOVE, instance):
            uuid = guest(instance)
            self.compute.revert_resize(
                uuid,
                nics=nics_of(tuple(network_info or ()), self.compute, self.compute.capabilities(), card_of(instance)),
                volumes=volumes_of(block_device_info or {}, context),
                power_on=power_on,
                timeout=self.site.spawn_timeout,
            )
            if power_on:
                self._start(uuid)

    def _as_before(
        self, error: virt.VirtError, table: Table, instance: Any, before: virt.PowerState
    ) -> exception.NovaException:
        """What to raise: where the guest is as it was, what lets Nova leave the server as it was."""
        cause = translated(error, table, instance)
        if error.state_after is not virt.StateAfter.UNCHANGED:
            return cause
        if before not in STOPPED:
            try:
                self._start(guest(instance))
            except virt.VirtError as second:
                LOG.warning("guest %s could not be started again: %s", instance.uuid, second)
                return cause
        return exception.InstanceFaultRollback(cause)

    def _start(self, uuid: UUID) -> None:
        if self.compute.instance(uuid, fresh=True).power_state in STOPPED:
            self.compute.power_on(uuid, timeout=self.site.verb_timeout)


@contextmanager
def unchanged() -> Iterator[None]:
    """Let Nova leave the server as it was where the endpoint is away before anything was done."""
    try:
        yield
    except exception.HypervisorUnavailable as error:
        raise exception.InstanceFaultRollback(error) from error


def size_of(old: Any, new: Any, block_devices: Mapping[str, Any]) -> virt.Size:
    """What the guest is to have by its new flavor. Ephemeral disks and swap stay as they are.

    Args:
        old: its flavor.
        new: the new flavor.
        block_devices: what ``nova.virt.driver.get_block_device_info`` returns.

    Raises:
        InstanceFaultRollback: a disk would shrink.
    """
    own_root = not boots_from_volume(block_devices)
    smaller = [field for field in ("root_gb", "ephemeral_gb") if new[field] < old[field]]
    if "ephemeral_gb" in smaller or (own_root and "root_gb" in smaller):
        reason = f"disks only grow, and the new flavor has less {', '.join(smaller)}"
        raise exception.InstanceFaultRollback(exception.ResizeError(reason=reason))
    grows = own_root and new.root_gb > old.root_gb
    return virt.Size(
        vcpus=new.vcpus,
        memory_bytes=virt.MiB(new.memory_mb),
        disks=(virt.GiB(new.root_gb),) if grows else (),
    )
