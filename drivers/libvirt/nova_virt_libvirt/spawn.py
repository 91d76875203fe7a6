"""Spawning: take the guest's claim, or find that it exists; build it; undo what was made if that fails."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import Busy, InstanceExists, StateAfter, VirtError
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.record import Phase, Record, fingerprint
from nova_virt_libvirt.build import Build
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.names import claim_key
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.remains import find_domain, mark_of, remove_guest

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    import libvirt

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.leftover import Leftover
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_libvirt.claims.claim import Chain, Claim
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.site import Site


class Spawner:
    """Makes guests on one endpoint."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        """See ``Driver.spawn``."""
        connection = self._site.connection()
        places = Places(connection, self._site.pool, self._site.bridges)
        build = Build(self._site, connection, places, spec, op)
        record = new_record(self._site, spec.uuid, fingerprint(spec))
        return Spawn(self._site, connection, places, build, record, op).run()


class Making(Protocol):
    """The work of making one guest."""

    made: list[Leftover]
    """What was made so far, in case that it cannot be removed again."""

    def plan(self) -> None:
        """Refuse what cannot be, before anything is made."""

    def make(self, record: Record, hold: Hold) -> None:
        """Make the guest and start it if that was asked for. Whoever calls undoes it if this fails."""

    def resembles(self, domain: libvirt.virDomain) -> bool:
        """Whether a guest without a mark is the one that is wanted, as far as a definition tells."""


class Spawn:
    """One guest that is made, or found made, whatever it is made from.

    Args:
        site: the endpoint.
        connection: the connection to use throughout.
        places: what names of places mean.
        build: makes it.
        record: the guest's record.
        op: the operation worked for.
    """

    def __init__(
        self,
        site: Site,
        connection: libvirt.virConnect,
        places: Places,
        build: Making,
        record: Record,
        op: Operation,
    ) -> None:
        self._site = site
        self._connection = connection
        self._places = places
        self._build = build
        self._record = record
        self._uuid = record.uuid
        self._op = op

    def run(self) -> Instance:
        """Return the guest, made now or before."""
        self._op.stage(Stage.CLAIM)
        records = Records(self._places.records_pool(), self._site.host())
        hold = self._take(records)
        if hold is not None:
            self._make(hold)
        return self._site.instance(InstanceRef(uuid=self._uuid))

    def _make(self, hold: Hold) -> None:
        try:
            self._build.make(self._record, hold)
        except BaseException as error:
            undo(self._site, hold, self._op, error, self._build.made)
            raise
        with suppress(VirtError):  # the domain's mark says it too; others only would have to wait for the lease
            if self._site.manage is Manage.ALL:
                hold.remove()
            else:
                hold.settle(Phase.READY)

    # --- the claim ------------------------------------------------------------------------------------------------

    def _take(self, records: Records) -> Hold | None:
        """The claim, with nothing of the guest made yet; None if the guest is there as asked for."""
        key = claim_key(self._uuid)
        while True:
            hold = records.create(key, self._record)
            if hold is not None:
                return hold if self._begin(hold) else None
            chain = records.read(key)
            if chain is None:
                continue
            refuse_other(chain.claim, self._record, self._site.host())
            if (holder := records.holder(chain)) is not None:
                self._op.stage(f"wait for {holder}", CancelMode.IMMEDIATE)
                records.wait(key, self._op, f"guest {self._uuid}")
            elif self._is_there(chain.claim):
                return None
            elif (hold := self._succeed(records, chain)) is not None:
                return hold

    def _begin(self, hold: Hold) -> bool:
        """Begin a claim that is new; False if there is nothing to be made.

        Before the claim is written nothing was made under it. So volumes that carry the uuid now are disks that were
        kept, and whoever finds the claim unwritten knows that he must not touch them.
        """
        try:
            domain = self._domain()
            if domain is not None and self._is_finished(domain):
                hold.retract()
                return False
            if domain is None:
                self._build.plan()
                hold.begin()
                return True
        except BaseException:
            with suppress(VirtError):
                hold.retract()
            raise
        hold.begin(phase=Phase.DELETING)  # somebody has removed the claim of a spawn that was interrupted
        start_over(self._site, self._places, hold, self._build.plan, keep_disks=False)
        return True

    def _succeed(self, records: Records, chain: Chain) -> Hold | None:
        """Take over from a holder that is gone, and undo or finish what he was doing; None if another was faster."""
        claim = chain.claim
        keep_disks = claim is None or claim.keeps_disks
        hold = records.succeed(chain, replace(self._record, phase=Phase.DELETING), keeps_disks=keep_disks)
        if hold is not None:
            start_over(self._site, self._places, hold, self._build.plan, keep_disks=keep_disks)
        return hold

    # --- what is there --------------------------------------------------------------------------------------------

    def _is_there(self, claim: Claim | None) -> bool:
        """Whether the guest is complete, going by a claim that nobody holds."""
        phase = claim.record.phase if claim else Phase.BUILDING
        if phase is Phase.DELETING:
            return False
        domain = self._domain()
        if domain is None and phase is Phase.READY:
            raise InstanceExists(
                f"the definition of guest {self._uuid} was removed by other means, its disks were not",
                hint="destroy the guest to remove them",
            )
        return domain is not None and self._is_finished(domain)

    def _domain(self) -> libvirt.virDomain | None:
        with translated(f"look for guest {self._uuid}"):
            return find_domain(self._connection, self._uuid)

    def _is_finished(self, domain: libvirt.virDomain) -> bool:
        """Whether a domain is the guest that is wanted, complete; False if it is one in the making.

        Raises:
            InstanceExists: it is another one.
        """
        mark = mark_of(domain)
        if mark is None and self._site.manage is Manage.ALL:
            if self._build.resembles(domain):
                return True
            raise other_spec(self._uuid)
        if mark is None or mark.record.owner != self._site.owner:
            raise InstanceExists(f"a guest of other making, {domain.name()}, has the uuid {self._uuid}")
        if mark.record.fingerprint != self._record.fingerprint:
            raise other_spec(self._uuid)
        return mark.record.phase is Phase.READY


def new_record(site: Site, uuid: UUID, print_: str) -> Record:
    """The record of a guest that is to be made.

    Args:
        site: the endpoint.
        uuid: the guest.
        print_: fingerprint of what was asked for.
    """
    return Record(uuid=uuid, owner=site.owner, fingerprint=print_, native_id=str(uuid))


def refuse_other(claim: Claim | None, wanted: Record, host: str) -> None:
    """Refuse a claim on something else than the wanted guest.

    Raises:
        InstanceExists: it is on another host, another owner's, or was asked for with another spec.
    """
    if claim is None:
        return
    if claim.host != host:
        raise InstanceExists(f"guest {wanted.uuid} lives on the host with uuid {claim.host}")
    if claim.record.owner != wanted.owner:
        raise InstanceExists(f"guest {wanted.uuid} belongs to owner {claim.record.owner}")
    if claim.record.phase is not Phase.DELETING and claim.record.fingerprint != wanted.fingerprint:
        raise other_spec(wanted.uuid)


def other_spec(uuid: UUID) -> InstanceExists:
    """The error for a guest that was asked for with another spec."""
    return InstanceExists(
        f"guest {uuid} was asked for with another spec", hint="take another uuid, or destroy that guest first"
    )


def start_over(site: Site, places: Places, hold: Hold, refuse: Callable[[], None], *, keep_disks: bool) -> None:
    """Remove what an interrupted verb left of a guest; only then is the claim one on a guest in the making.

    Args:
        site: the endpoint.
        places: where to look.
        hold: the guest's claim.
        refuse: refuses what cannot be, now that nothing is left but what is kept.
        keep_disks: leave disks.
    """
    uuid = hold.claim.record.uuid
    try:
        remove_guest(
            site.connection(), places, uuid, hold, keep_disks=keep_disks, vifs=site.vifs, initiator=site.initiator
        )
    except BaseException:
        with suppress(VirtError):
            hold.release()
        raise
    try:
        refuse()
    except BaseException:
        hold.remove()
        raise
    hold.rewrite(phase=Phase.BUILDING, keeps_disks=False)


def undo(site: Site, hold: Hold, op: Operation, error: BaseException, made: list[Leftover]) -> None:
    """Remove everything again after an error; what cannot be removed is named in the error."""
    op.stage(Stage.CLEAN_UP, CancelMode.NONE)
    uuid = hold.claim.record.uuid
    try:
        connection = site.connection()  # perhaps a new one
        places = Places(connection, site.pool)
        remove_guest(connection, places, uuid, hold, keep_disks=False, vifs=site.vifs, initiator=site.initiator)
        hold.remove(places.records_pool())
    except Busy:  # what is there now is made, or removed, by whoever took over
        hold.end()
    except VirtError as second:
        hold.end()
        if isinstance(error, VirtError):
            error.leftovers = second.leftovers or tuple(made)
            error.state_after = StateAfter.CHANGED
