"""Guests that change their host while they run. Nova carries our ticket from one phase to the next."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import nova_virt_api as virt
from nova_virt_api.driver.live_migration import LiveMigration as Role
from nova_virt_bridge.cards import card_of
from nova_virt_bridge.claimed_there import carried, parts_of
from nova_virt_bridge.errors import CHECK, MOVE, nova_errors
from nova_virt_bridge.networks import at_destination, nics_of
from nova_virt_bridge.site import Bridged, guest
from nova_virt_bridge.tickets import packed, repacked, unpacked
from nova_virt_bridge.volumes import volumes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from nova_virt_bridge.site import Site

LOG = logging.getLogger(__name__)
REPORT_SECONDS: Final = 5.0
"""How often Nova's database is told how far a migration is."""


class LiveMigration(Bridged):
    """Nova's methods about live migration, in the order in which it calls them.

    Which disks are copied is decided by the endpoints: ``block_migration`` and ``disk_over_commit`` are not looked at.
    """

    # --- before ---------------------------------------------------------------------------------------------------

    def check_can_live_migrate_destination(
        self,
        context: Any,
        instance: Any,
        src_compute_info: Any,
        dst_compute_info: Any,
        block_migration: bool = False,
        disk_over_commit: bool = False,
    ) -> Any:
        with nova_errors(CHECK, instance):
            ref, nodes = virt.InstanceRef(uuid=guest(instance)), self.compute.nodes()
            node = None if len(nodes) == 1 else self.site.nodes.node(dst_compute_info["hypervisor_hostname"]).id
            data = packed(self._phase(ref.uuid, lambda role, op: role.check_destination(ref, op, node=node)))
            if instance.numa_topology is not None:
                data.dst_supports_numa_live_migration = True
            return data

    def check_can_live_migrate_source(
        self, context: Any, instance: Any, dest_check_data: Any, block_device_info: Any = None
    ) -> Any:
        with nova_errors(CHECK, instance):
            ref, ticket = virt.InstanceRef(uuid=guest(instance)), unpacked(dest_check_data, "check_source")
            decided = self._phase(ref.uuid, lambda role, op: role.check_source(ref, ticket, op))
            if instance.numa_topology is not None:  # then Nova claims at the destination
                dest_check_data.src_supports_numa_live_migration = True
            return repacked(dest_check_data, decided)

    def post_claim_migrate_data(self, context: Any, instance: Any, migrate_data: Any, claim: Any) -> Any:
        migrate_data.dst_numa_info = carried(claim.claimed_numa_topology)
        return migrate_data

    def cleanup_live_migration_destination_check(self, context: Any, dest_check_data: Any) -> None:
        """Nothing: a check leaves nothing behind."""

    def pre_live_migration(
        self,
        context: Any,
        instance: Any,
        block_device_info: Any,
        network_info: Any,
        disk_info: Any,
        migrate_data: Any,
    ) -> Any:
        with nova_errors(CHECK, instance):
            ticket = unpacked(migrate_data, "prepare")
            told = self.compute.capabilities()
            nics = nics_of(at_destination(migrate_data, network_info), self.compute, told, card_of(instance))
            volumes = volumes_of(block_device_info or {}, context) or None
            parts = parts_of(instance, migrate_data)
            prepared = self._phase(
                guest(instance), lambda role, op: role.prepare(ticket, op, nics=nics, volumes=volumes, **parts)
            )
            return repacked(migrate_data, prepared)

    # --- the move -------------------------------------------------------------------------------------------------

    def live_migration(
        self,
        context: Any,
        instance: Any,
        dest: str,
        post_method: Callable[..., None],
        recover_method: Callable[..., None],
        block_migration: bool = False,
        migrate_data: Any = None,
    ) -> None:
        """Nova's ``recover_method`` asks both ends to roll back, and they refuse where the guest has gone over.

        Where it fails, e.g. because nova-compute ends, the ticket is kept for :func:`roll_back_what_was_left`.
        """
        uuid = guest(instance)
        try:
            with nova_errors(MOVE, instance):
                ticket = unpacked(migrate_data, "migrate")
                self._migrate(instance, ticket)
        except Exception as error:
            LOG.exception("guest %s could not be moved to %s", instance.uuid, dest)
            status = "cancelled" if isinstance(error.__cause__, virt.Cancelled) else "failed"
            recover_method(context, instance, dest, migrate_data, migration_status=status)
            self.site.moves.forget(uuid)
        else:
            self.site.moves.forget(uuid)
            post_method(context, instance, dest, block_migration, migrate_data)

    def live_migration_abort(self, instance: Any) -> None:
        """Nova comes here as well after it was killed while it moved a guest; then the guest is looked after."""
        with nova_errors(MOVE, instance):
            ticket = self.site.moves.abort(guest(instance))
            if ticket is not None:
                roll_back(self.site, ticket)

    def live_migration_force_complete(self, instance: Any) -> None:
        with nova_errors(MOVE, instance):
            self.site.moves.complete_now(guest(instance))

    def _migrate(self, instance: Any, ticket: virt.Ticket) -> None:
        ref = virt.InstanceRef(uuid=guest(instance))

        def begin() -> virt.Operation[None]:
            return self.compute.submit.perform(
                ref.uuid, Role, lambda role, op: role.migrate(ref, ticket, op), timeout=self.site.spawn_timeout
            )

        with self.site.moves.under_way(ref.uuid, ticket, begin) as operation:
            while not operation.wait(REPORT_SECONDS):
                tell(instance, operation.progress)
            operation.result()

    # --- after ----------------------------------------------------------------------------------------------------

    def post_live_migration(
        self, context: Any, instance: Any, block_device_info: Any, migrate_data: Any = None
    ) -> None:
        """A disk or port that cannot be removed stays behind: the guest has gone all the same."""
        with nova_errors(MOVE, instance):
            ref, ticket = virt.InstanceRef(uuid=guest(instance)), unpacked(migrate_data, "finish_source")
            try:
                self._phase(ref.uuid, lambda role, op: role.finish_source(ref, ticket, op))
            except (virt.StorageError, virt.NetworkError) as error:
                LOG.warning("guest %s has gone, and not all that it had here: %s", instance.uuid, error)
        self.site.moves.forget(ref.uuid)

    def post_live_migration_at_destination(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_migration: bool = False,
        block_device_info: Any = None,
    ) -> None:
        with nova_errors(MOVE, instance):
            ref = virt.InstanceRef(uuid=guest(instance))
            self._phase(ref.uuid, lambda role, op: role.finish_destination(ref, op))
        self.site.moves.forget(ref.uuid)  # of an earlier move from here

    def rollback_live_migration_at_source(self, context: Any, instance: Any, migrate_data: Any) -> None:
        with nova_errors(MOVE, instance):
            ref, ticket = virt.InstanceRef(uuid=guest(instance)), unpacked(migrate_data, "rollback_source")
            self._phase(ref.uuid, lambda role, op: role.rollback_source(ref, ticket, op))

    def rollback_live_migration_at_destination(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any,
        destroy_disks: bool = True,
        migrate_data: Any = None,
    ) -> None:
        with nova_errors(MOVE, instance):
            ticket = unpacked(migrate_data, "rollback_destination")
            self._phase(guest(instance), lambda role, op: role.rollback_destination(ticket, op))

    def _phase(self, uuid: UUID, verb: Callable[[Role, Any], Any]) -> Any:
        """One phase but the move itself."""
        return self.compute.perform(uuid, Role, verb, timeout=self.site.verb_timeout)


def tell(instance: Any, progress: float) -> None:
    """Write down how far a move is. That it cannot be written down is no reason to end the move."""
    instance.progress = int(progress * 100)
    try:
        instance.save()
    except Exception:
        LOG.warning("how far guest %s is could not be written down", instance.uuid, exc_info=True)


def roll_back_what_was_left(site: Site) -> None:
    """Roll back the moves from here that ended with a nova-compute, for which Nova itself may not ask any more."""
    for ticket in site.moves.left():
        try:
            roll_back(site, ticket)
        except virt.VirtError as error:
            LOG.warning("the move of guest %s could not be rolled back: %s", ticket.guest, error)


def roll_back(site: Site, ticket: virt.Ticket) -> None:
    """Roll back at the source, and forget the ticket. A guest that is gone has nothing to roll back."""
    ref = virt.InstanceRef(uuid=ticket.guest)
    with suppress(virt.InstanceNotFound):
        site.compute.perform(
            ref.uuid, Role, lambda role, op: role.rollback_source(ref, ticket, op), timeout=site.verb_timeout
        )
    site.moves.forget(ref.uuid)
