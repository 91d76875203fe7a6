"""The source's part of a live migration, which finds out first how far an earlier attempt has come."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import libvirt
from lxml import etree

from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import (
    InstanceExists,
    InstanceNotFound,
    InvalidState,
    MigrationError,
    NetworkError,
    StateAfter,
    VirtError,
)
from nova_virt_api.model.instance import Lifecycle
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.toolkit.committed import Committed
from nova_virt_libvirt.claims.guest_claim import claimed
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.definition import PARSER
from nova_virt_libvirt.devices.volume_disk import label_of
from nova_virt_libvirt.domain import HINTS
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.note import HostConnectionNote
from nova_virt_libvirt.metadata import read_mark, write_mark
from nova_virt_libvirt.migration.abort import Abort
from nova_virt_libvirt.migration.host_parts import forget_reserved
from nova_virt_libvirt.migration.peer import find
from nova_virt_libvirt.migration.room import end_waiting
from nova_virt_libvirt.migration.run import Copying, failure
from nova_virt_libvirt.migration.shared_state import seen_by_both
from nova_virt_libvirt.migration.ticket import NOTE, earlier_journey
from nova_virt_libvirt.migration.whereabouts import STOPPED, Arrival, arrival, is_moving
from nova_virt_libvirt.names import claim_key
from nova_virt_libvirt.network.vif import Owner
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.remains import find_domain, remove_domain
from nova_virt_libvirt.storage.pools import Pool, Volume
from nova_virt_libvirt.volumes.secrets import remove_secrets

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.migration.run import Policy
    from nova_virt_libvirt.migration.ticket import Journey, Plan
    from nova_virt_libvirt.site import Site

PHASE: Final = "migrate"
MOVABLE: Final = (Lifecycle.READY, Lifecycle.MIGRATING)
SIDE_BYTES: Final = 16 * 1024**2
"""As much of the console's log, and of first-boot data, as is taken along."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The guest as its claim has to say it is.

    Args:
        uuid: the guest.
        mark: its mark.
    """

    uuid: UUID
    mark: Mark


class Departure:
    """One guest that is to leave, or has left.

    Args:
        site: the source.
        there: a connection to the destination.
        journey: what is known of its migration.
        op: the operation worked for.
    """

    def __init__(self, site: Site, there: Any, journey: Journey, op: Operation) -> None:
        self._site = site
        self._there = there
        self._journey = journey
        self._uuid = journey.guest
        self._op = op
        self._connection = site.connection()

    # --- where it is ----------------------------------------------------------------------------------------------

    def domain(self) -> Any:
        """The guest's domain here; None if it has none any more."""
        with translated(f"look for guest {self._uuid}"):
            return find_domain(self._connection, self._uuid)

    def has_arrived(self) -> bool:
        """Whether the guest runs at the destination; waits for an attempt that libvirt still works at."""
        here = self.domain()
        if here is not None:
            Committed(self._op).wait_until(lambda: not is_moving(here))
        found = arrival(find(self._there, self._uuid.bytes))
        if found is Arrival.SPLIT:
            message = "the guest was started at the destination before all of its memory was there"
            hint = "see virsh domstate --reason on both hosts; virsh migrate --postcopy-resume goes on"
            raise MigrationError(PHASE, message, hint=hint, state_after=StateAfter.UNKNOWN)
        return found is Arrival.ARRIVED

    def _has_gone(self) -> bool:
        """Whether the guest runs at the destination; if not, it cannot begin to: what waited for it there is ended."""
        while not self.has_arrived():
            with suppress(InstanceExists):  # it arrived just now
                end_waiting(self._there, self._uuid)
                return False
        return True

    # --- going ----------------------------------------------------------------------------------------------------

    def go(self, policy: Policy) -> None:
        """Move the guest, or finish what an earlier attempt had begun."""
        self.stop_earlier()
        if not self._has_gone():
            here = self.domain()
            if here is None:
                raise InstanceNotFound(f"guest {self._uuid} is neither here nor at {self._journey.offer.node}")
            refuse_elsewhere(here, self._journey.offer.host)
            self._move(here, policy)
        with suppress(NetworkError):  # a port of os-vif's is left here: the guest has gone all the same
            self.complete()

    def stop_earlier(self) -> None:
        """End what an attempt of a process that is gone has left running."""
        here = self.domain()
        if here is None or not is_moving(here):
            return
        self._op.stage("wait for an earlier attempt", CancelMode.NONE)
        abort = Abort(here)
        Committed(self._op).wait_until(lambda: abort.until(lambda: not is_moving(here)))

    def _move(self, here: Any, policy: Policy) -> None:
        plan, room = self._journey.prepared(PHASE)
        self.let_run(here)
        self._stand(here, Lifecycle.MIGRATING, self._op)
        try:
            refuse_attached_since(here, plan)
            self._bring_along()
            Copying(here, self._there, plan, room, self._journey.offer, policy, self._op).run()
        except (libvirt.libvirtError, VirtError) as error:
            self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
            if self._is_lost(here):
                return  # only the answer was lost, the guest was not
            raise (failure(error) if isinstance(error, libvirt.libvirtError) else error) from error

    def _is_lost(self, here: Any) -> bool:
        """After a failure: whether the guest has arrived all the same; if not it is again as it was.

        Raises:
            MigrationError: it cannot be told.
        """
        try:
            if self._has_gone():
                return True
            self.let_run(here)
            self._stand(here, None, Committed(self._op))
        except VirtError as error:
            message = f"after a failure it cannot be told where the guest is: {error.message}"
            hint = "repeat this, or roll back, when both endpoints can be reached"
            raise MigrationError(PHASE, message, hint=hint, state_after=StateAfter.UNKNOWN) from error
        return False

    def let_run(self, here: Any) -> None:
        """Let a guest go on here that was stopped to be moved; it must not run at the destination.

        Libvirt stops it, or whoever hastened the move did. Nobody else may while the guest is MIGRATING.
        """
        with translated("let the guest run on"):
            state, reason = here.state()
            left = state == libvirt.VIR_DOMAIN_PAUSED and reason in STOPPED
            if left and earlier_journey(read_mark(here)) is not None and not self._journey.planned(PHASE).paused:
                here.resume()

    def _stand(self, domain: Any, standing: Lifecycle | None, op: Operation) -> None:
        """Say in the guest's mark what it is in the middle of, and by which ticket.

        Raises:
            InvalidState: a verb that is gone has left it in the middle of something else.
            Busy: somebody works on the guest.
        """
        with translated("mark the guest"):
            mark = read_mark(domain)
        if mark is None or (standing is None and mark.standing is not Lifecycle.MIGRATING):
            return
        with claimed(self._site, Leaving(self._uuid, mark), op), translated("mark the guest"):
            mark = read_mark(domain) or mark
            if mark.lifecycle not in MOVABLE:
                raise InvalidState(mark.lifecycle, MOVABLE, hint=HINTS.get(mark.lifecycle, ""))
            ticket = self._journey.ticket().encode() if standing is Lifecycle.MIGRATING else None
            wanted = replace(mark.noting(NOTE, ticket), standing=standing)
            if wanted != mark:
                write_mark(domain, wanted)

    def _bring_along(self) -> None:
        """Copy what libvirt does not: first-boot data, and what the console's log has so far."""
        plan, room = self._journey.prepared(PHASE)
        if plan.shared:
            return
        self._op.stage("copy first-boot data and console log")
        for piece in plan.pieces:
            if piece.disk is not None:
                continue
            with translated(f"copy volume {piece.name}"):
                source = self._connection.storageVolLookupByPath(piece.path)
                target = self._there.storageVolLookupByPath(room.paths[piece.path])
                size = source.info()[1]
            if size:
                content = as_volume(self._connection, source).read(min(size, SIDE_BYTES))
                as_volume(self._there, target).write(content)

    # --- gone -----------------------------------------------------------------------------------------------------

    def complete(self) -> None:
        """Take away what must not be here any more now that the guest runs there, and say there that it has arrived."""
        self._op.stage("finish", CancelMode.NONE)
        if self._journey.planned(PHASE).shared:
            self._hand_over()  # first: who destroys the guest here from now on must leave its disks alone
        here = self.domain()
        there = find(self._there, self._uuid.bytes)
        if here is not None:
            self._unplug(here)
            ends = (self._connection, here, self._there, there)
            remove_domain(here, spare=() if there is None else seen_by_both(*ends, self._uuid))
        remove_secrets(self._connection, self._uuid)
        if there is not None:  # it may have been destroyed since
            self._arrive(there)

    def _unplug(self, here: Any) -> None:
        """Remove the ports that os-vif had made here, while the mark still tells of them."""
        with translated("look at the guest's mark"):
            ports, owner = VifNote.of(read_mark(here)), Owner(self._uuid, here.name())
        self._site.vifs.unplug_all(owner, ports)

    def _arrive(self, there: Any) -> None:
        """Let the guest be READY at the destination; that it came by this ticket is forgotten when all is finished."""
        with translated("mark the guest at the destination"):
            mark = read_mark(there)
            if mark is not None and mark.standing is not None:
                write_mark(there, replace(mark, standing=None))

    def _hand_over(self) -> None:
        """Let the claim on shared storage say that the guest lives on the destination's host."""
        plan, offer = self._journey.planned(PHASE), self._journey.offer
        records = Records(Places(self._connection, self._site.pool).records_pool(), offer.host)
        key = claim_key(self._uuid)
        chain = records.read(key)
        if chain is None or (chain.claim is not None and chain.claim.host == offer.host):
            return
        op = Committed(self._op)
        record = Record(
            uuid=self._uuid,
            owner=plan.owner,
            fingerprint=plan.fingerprint,
            native_id=str(self._uuid),
            phase=Phase.READY,
        )
        records.acquire(key, record, op, f"guest {self._uuid}").settle(Phase.READY)

    # --- staying --------------------------------------------------------------------------------------------------

    def stay(self) -> None:
        """Make a guest that did not leave one like all others again.

        Raises:
            MigrationError: it has left.
        """
        self.stop_earlier()
        here = self.domain()
        if here is None or self._has_gone():
            message = f"the guest has gone to {self._journey.offer.node}"
            raise MigrationError("rollback_source", message, hint="repeat migrate with the same ticket, then finish")
        refuse_elsewhere(here, self._journey.offer.host)
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        self.let_run(here)
        forget_reserved(Places(self._there, None).active_pools(), self._uuid, self._journey.offer.host)
        self._stand(here, None, self._op)  # last: whoever finds it MIGRATING rolls back once more


def refuse_elsewhere(here: Any, host: str) -> None:
    """Refuse a guest that an earlier attempt may have brought to another destination than this.

    One that runs here has not left: it is stopped here before it runs there.

    Args:
        here: its domain at the source.
        host: uuid of the destination's host.

    Raises:
        MigrationError: it names the other destination.
    """
    with translated("look at the guest"):
        before = earlier_journey(read_mark(here))
        runs = here.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    if before is not None and before.offer.host != host and not runs:
        message = f"an earlier attempt may have brought the guest to {before.offer.node}"
        hint = f"repeat the live migration to {before.offer.node}, or roll it back with its own ticket"
        raise MigrationError(PHASE, message, hint=hint, state_after=StateAfter.UNKNOWN)


def refuse_attached_since(here: Any, plan: Plan) -> None:
    """Refuse a guest whose volumes or ports changed since it was planned how it goes: the destination is not prepared.

    It stands MIGRATING by now, so that they change no more.

    Args:
        here: its domain at the source.
        plan: what was planned.

    Raises:
        MigrationError: it has other volumes now, or some that this host connects, or other ports that os-vif makes.
    """
    with translated("look at the guest's volumes"):
        mark = read_mark(here)
        connected, ports = HostConnectionNote.of(mark).volumes, VifNote.of(mark).ports
        texts = [here.XMLDesc(flags) for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE)]
    found: list[Any] = [etree.fromstring(text, PARSER) for text in texts]
    hint = "roll the migration back, and begin anew"
    if connected:
        message = f"the guest has volumes that its own host connects: {', '.join(connected)}"
        raise MigrationError(PHASE, message, hint=f"{hint} without them")
    if ports.keys() != set(plan.vifs):
        message = (
            f"the guest's ports of os-vif's changed since it was checked; now it has: {', '.join(ports) or 'none'}"
        )
        raise MigrationError(PHASE, message, hint=hint)
    now = {disk.find("target").get("dev"): label_of(disk) for one in found for disk in one.iterfind("devices/disk")}
    targets = {target: label for target, label in now.items() if label is not None}
    planned = {target: volume_id for volume_id, target in plan.volumes.items()}
    if targets.keys() != planned.keys() or any(
        label.into is None and label.id != planned[target] for target, label in targets.items()
    ):
        ids = ", ".join(sorted(label.id for label in targets.values())) or "none"
        raise MigrationError(PHASE, f"the guest's volumes changed since it was checked; now it has: {ids}", hint=hint)


def as_volume(connection: Any, native: Any) -> Volume:
    """A volume by libvirt's handle."""
    return Volume(Pool(connection, native.storagePoolLookupByVolume()), native)
