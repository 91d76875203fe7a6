"""The role LiveMigration: which phase does what, at which end."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lxml import etree

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.driver.live_migration import LiveMigration
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, InstanceExists, InstanceNotFound, MigrationError, NotSupported, VirtError
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.migration.departure import Departure, refuse_elsewhere
from nova_virt_libvirt.migration.host_parts import PreparedParts, asked_of
from nova_virt_libvirt.migration.peer import opened
from nova_virt_libvirt.migration.plan import plan_of, refuse_busy, refuse_fixed_ports, refuse_there
from nova_virt_libvirt.migration.room import Arriving
from nova_virt_libvirt.migration.run import Policy
from nova_virt_libvirt.migration.ticket import NOTE, Journey, Offer, Plan, Room, read_ticket
from nova_virt_libvirt.migration.whereabouts import Arrival, arrived_here
from nova_virt_libvirt.names import claim_key, migration_key
from nova_virt_libvirt.network.prepared_ports import PreparedPorts
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.remains import find_domain, remove_volumes
from nova_virt_libvirt.verbs import OnDomains
from nova_virt_libvirt.volumes.secrets import remove_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.host.host import Host
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.site import Site


class LibvirtLiveMigration(OnDomains, LiveMigration):
    """The role LiveMigration. The source's process reaches both daemons; the hosts send memory and disks directly."""

    site: Site
    host: Host
    endpoint: Endpoint

    # --- before ---------------------------------------------------------------------------------------------------

    def check_destination(
        self, guest: InstanceRef, op: Operation, *, spec: InstanceSpec | None = None, node: str | None = None
    ) -> Ticket:
        self.host.check_node(node)
        op.checkpoint()
        options = self.endpoint.options
        records = self._records()
        records.pool.refresh()  # on shared storage, another host made what is of the guest
        chain = records.read(claim_key(guest.uuid))
        claim = None if chain is None else chain.claim
        found = arrived_here(self.site.connection(), guest.uuid)
        if found is Arrival.ARRIVED and not self._came(guest, node):
            raise InstanceExists(f"guest {guest.uuid} is at this endpoint already", hint="name another destination")
        here = claim is not None and claim.host == self.site.host()
        if found is Arrival.NONE and here and claim is not None and claim.record.phase is Phase.READY:
            message = f"what is left of another guest with the uuid {guest.uuid} is at this endpoint"
            raise InstanceExists(message, hint="destroy it there first")
        offer = Offer(
            host=self.site.host(),
            node=self.host.name,
            uri=options.migration_uri or options.uri,
            address=options.migration_address or urlsplit(options.uri).hostname,
            tls=options.migration_tls,
            claim=None if claim is None else claim.token,
            arrived=found is Arrival.ARRIVED,
        )
        return Journey(guest=guest.uuid, offer=offer).ticket()

    def check_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> Ticket:
        journey = read_ticket(ticket, "check_source", guest.uuid)
        if journey.offer.arrived:
            return self._resumed(journey).ticket()
        domain = self.domains.owned(guest, Lifecycle.MIGRATING)
        self._refuse_moving(guest)
        if domain.mark is None:
            reason = 'a connection with manage="all" writes no marks, which say where a guest is'
            raise NotSupported(Capability.LIVE_MIGRATION, reason=reason)
        if self.endpoint.options.migration_tls and not journey.offer.tls:
            message = "the source moves guests over TLS only, the destination does not"
            raise MigrationError("check_source", message, hint="set the option migration_tls at both or at neither")
        op.stage("look at both ends", CancelMode.AT_NEXT_STEP)
        refuse_elsewhere(domain.native, journey.offer.host)
        refuse_fixed_ports(domain, self.site.vifs)
        connection = self.site.connection()
        plan = plan_of(connection, domain, domain.mark.record, self._records(), journey.offer, self.site.host())
        definition = self._definition(domain)
        with self._peer(journey, "check_source") as there:
            refuse_there(there, plan, definition)
        asked = asked_of(definition, self.site.cpus.shared)
        return replace(journey, plan=replace(plan, asked=asked), room=None).ticket()

    def prepare(
        self,
        ticket: Ticket,
        op: Operation,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        host_cpus: Sequence[int] | None = None,
        host_cells: Sequence[int] | None = None,
    ) -> Ticket:
        journey = read_ticket(ticket, "prepare")
        plan = journey.planned("prepare")
        self._check_here(journey, "prepare")
        if journey.offer.arrived:
            return ticket
        arriving = Arriving(self.site, journey, op)
        room = arriving.prepare(plan, nics, volumes)
        try:
            parts = self._parts(journey).choose(plan.asked, host_cpus, host_cells, op)
        except BaseException:
            with suppress(VirtError):  # what could not be removed is among the leftovers
                arriving.roll_back()
            raise
        return replace(journey, room=replace(room, parts=parts)).ticket()

    # --- the move -------------------------------------------------------------------------------------------------

    def migrate(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        journey = read_ticket(ticket, "migrate", guest.uuid)
        plan, _ = journey.prepared("migrate")
        domain: Domain | None = None
        with suppress(InstanceNotFound):  # perhaps it has gone already
            domain = self.domains.owned(guest, Lifecycle.MIGRATING)
            if domain.lifecycle is Lifecycle.READY:
                domain.require(PowerState.RUNNING, PowerState.PAUSED)
        with self._departing(journey, plan, "migrate", op) as departure:
            if domain is not None and domain.lifecycle is Lifecycle.READY:
                refuse_busy(domain, self._definition(domain), self._records())
            departure.go(Policy.of(self.endpoint.options))

    # --- after ----------------------------------------------------------------------------------------------------

    def finish_destination(self, guest: InstanceRef, op: Operation) -> Instance:
        domain = self.domains.owned(guest, Lifecycle.MIGRATING)
        if domain.lifecycle is Lifecycle.MIGRATING and arrived_here(self.site.connection(), guest.uuid) is not (
            Arrival.ARRIVED
        ):
            raise MigrationError("finish_destination", "the guest has not arrived", hint="repeat migrate at the source")
        op.stage("finish", CancelMode.NONE)
        if domain.mark is not None:
            self._settle(domain, domain.mark, op)
        places = Places(self.site.connection(), self.site.pool)
        PreparedPorts(places, self.site.vifs, guest.uuid, self.site.host()).forget()
        PreparedParts(self.site, places, guest.uuid).forget()
        self.domains.forget(guest.uuid)
        return self.domains.instance(guest, fresh=True)

    def finish_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        journey = read_ticket(ticket, "finish_source", guest.uuid)
        plan = journey.planned("finish_source")
        op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        connection = self.site.connection()
        with translated(f"look for guest {guest.uuid}"):
            here = find_domain(connection, guest.uuid)
        if here is not None:
            with self._peer(journey, "finish_source") as there:
                departure = Departure(self.site, there, journey, op)
                if not departure.has_arrived():
                    raise MigrationError("finish_source", "the guest is still here", hint="migrate it, or roll back")
                departure.complete()
        self.domains.forget(guest.uuid)
        if not plan.shared:
            self._remove_rest(guest, plan, op)
            return
        if here is None:
            remove_secrets(connection, guest.uuid)
        self._parts(journey).forget()  # if it came here once, and that was never finished

    def rollback_source(self, guest: InstanceRef, ticket: Ticket, op: Operation) -> None:
        journey = read_ticket(ticket, "rollback_source", guest.uuid)
        plan = journey.planned("rollback_source")
        with self._departing(journey, plan, "rollback_source", op) as departure:
            departure.stay()

    def rollback_destination(self, ticket: Ticket, op: Operation) -> None:
        journey = read_ticket(ticket, "rollback_destination")
        self._check_here(journey, "rollback_destination")
        Arriving(self.site, journey, op).roll_back()

    # --- what was interrupted -------------------------------------------------------------------------------------

    def _came(self, guest: InstanceRef, node: str | None) -> bool:
        """Whether the guest, which is here, has come by a move that may not be finished at its source.

        Raises:
            NotSupported: it is to go to another node of this endpoint.
        """
        if node is not None:
            raise NotSupported(Feature.MIGRATE_WITHIN, "node", "this endpoint is one host")
        mark = self.domains.owned(guest, Lifecycle.MIGRATING).mark
        return mark is not None and NOTE in mark.notes

    def _resumed(self, journey: Journey) -> Journey:
        """The migration that the guest is in the middle of, of which only the end is missing.

        Raises:
            InstanceNotFound: nothing of the guest is left here.
        """
        chain = self._records().read(claim_key(journey.guest))
        claim = None if chain is None else chain.claim
        if claim is None or claim.record.owner != self.site.owner:
            raise InstanceNotFound(f"guest {journey.guest} has gone from here to {journey.offer.node}")
        plan = Plan(
            host=self.site.host(),
            owner=claim.record.owner,
            fingerprint=claim.record.fingerprint,
            name="",
            paused=False,
            shared=claim.token == journey.offer.claim,
            pieces=(),
            networks={},
        )
        return replace(journey, plan=plan, room=Room(paths={}, networks={}, overlays=False))

    def _refuse_moving(self, guest: InstanceRef) -> None:
        """Refuse a guest that another living process moves.

        Raises:
            Busy: one does.
        """
        records = self._records()
        chain = records.read(migration_key(guest.uuid))
        holder = None if chain is None else records.holder(chain)
        if holder is not None:
            raise Busy("the guest is being moved", holder, hint="wait until that is over")

    # --- what they share ------------------------------------------------------------------------------------------

    def _definition(self, domain: Domain) -> etree._Element:
        with translated("look at the guest"):
            return etree.fromstring(domain.native.XMLDesc(0), PARSER)

    def _records(self) -> Records:
        return Records(Places(self.site.connection(), self.site.pool).records_pool(), self.site.host())

    def _parts(self, journey: Journey) -> PreparedParts:
        return PreparedParts(self.site, Places(self.site.connection(), self.site.pool), journey.guest)

    def _peer(self, journey: Journey, phase: str) -> Any:
        return opened(journey.offer, self.endpoint.options, self.site.host(), phase)

    def _check_here(self, journey: Journey, phase: str) -> None:
        """Refuse a ticket that another host offered."""
        if journey.offer.host != self.site.host():
            message = f"this ticket leads to {journey.offer.node}, not here"
            raise MigrationError(phase, message, hint="give it to the endpoint that check_destination was called at")

    @contextmanager
    def _departing(self, journey: Journey, plan: Plan, phase: str, op: Operation) -> Iterator[Departure]:
        """The source's part, under a claim: nobody else moves the guest, or rolls that back, meanwhile."""
        record = Record(uuid=journey.guest, owner=plan.owner, fingerprint=plan.fingerprint)
        what = f"moving guest {journey.guest}"
        hold = self._records().acquire(migration_key(journey.guest), record, op, what)
        try:
            with self._peer(journey, phase) as there:
                yield Departure(self.site, there, journey, op)
        finally:
            self.domains.forget(journey.guest)
            with suppress(VirtError):  # otherwise whoever wants it next sees that we are gone
                hold.remove()
            hold.end()

    def _settle(self, domain: Domain, mark: Mark, op: Operation) -> None:
        """Let mark and claim say that the guest is complete and lives here."""
        records = self._records()
        key = claim_key(domain.uuid)
        chain = records.read(key)
        claim = None if chain is None else chain.claim
        here = claim is not None and claim.record.phase is Phase.READY and claim.host == self.site.host()
        if here and NOTE not in mark.notes:
            return
        hold = records.acquire(key, replace(mark.record, phase=Phase.READY), op, f"guest {domain.uuid}")
        try:
            with translated("mark the guest"):
                mark = read_mark(domain.native) or mark
                if NOTE in mark.notes:
                    write_mark(domain.native, replace(mark.noting(NOTE, None), standing=None))
        finally:
            hold.settle(Phase.READY)

    def _remove_rest(self, guest: InstanceRef, plan: Plan, op: Operation) -> None:
        """Remove the disks and the claim of a guest that has gone and took copies along."""
        records = self._records()
        key = claim_key(guest.uuid)
        chain = records.read(key)
        if chain is None or (chain.claim is not None and chain.claim.record.phase is Phase.BUILDING):
            return  # removed before, or made for the guest's way back
        record = Record(uuid=guest.uuid, owner=plan.owner, fingerprint=plan.fingerprint, phase=Phase.DELETING)
        hold = records.acquire(key, record, op, f"guest {guest.uuid}")
        pools = Places(self.site.connection(), self.site.pool).active_pools()
        try:
            hold.verify()  # else they may be somebody else's by now
            remove_secrets(self.site.connection(), guest.uuid)
            remove_volumes(guest.uuid, pools, keep_disks=False, spare=hold.names())
        except BaseException:
            with suppress(VirtError):
                hold.release()
            raise
        hold.remove()
