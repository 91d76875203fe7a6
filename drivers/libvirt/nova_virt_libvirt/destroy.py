"""Removing a guest and all that was made for it, from every state, or what is left of one."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import libvirt

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import PermissionDenied, Timeout, VirtError
from nova_virt_api.model.instance import DiskPolicy
from nova_virt_api.model.record import Phase, Record
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.foreign import remove_adopted_disks, remove_foreign
from nova_virt_libvirt.health import SILENT_MILLISECONDS
from nova_virt_libvirt.migration.ticket import refuse_departed
from nova_virt_libvirt.names import claim_key, is_claim, reserved_cpus
from nova_virt_libvirt.native_call import in_seconds
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.pulse import QUESTION
from nova_virt_libvirt.remains import find_domain, mark_of, remove_guest, stop, volumes_of
from nova_virt_libvirt.stored_volumes.removal import remove_unfinished

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_libvirt.claims.claim import Chain
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.metadata import Mark
    from nova_virt_libvirt.site import Site


ASK_AGAIN_SECONDS: Final = 5.0
"""How often a QEMU is asked whether it hangs while somebody else works on the guest."""


class Destroyer:
    """Removes guests of one endpoint."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        """See ``Driver.destroy``."""
        destruction = Destruction(self._site, guest, op, keep_disks=disks is DiskPolicy.KEEP, foreign=foreign)
        return destruction.run() or remove_unfinished(self._site, guest.uuid, op)  # or of a volume that has this id


class Destruction:
    """One removal.

    Args:
        site: the endpoint.
        guest: what to remove.
        op: the operation worked for.
        keep_disks: leave its disks.
        foreign: allow a guest of another owner or of none.
    """

    def __init__(self, site: Site, guest: InstanceRef, op: Operation, *, keep_disks: bool, foreign: bool) -> None:
        self._site = site
        self._ask_at = 0.0
        self._uuid = guest.uuid
        self._op = op
        self._keep_disks = keep_disks
        self._foreign = foreign
        self._connection = site.connection()
        self._places = Places(self._connection, site.pool)

    def run(self) -> bool:
        """Return whether there was anything to remove."""
        self._op.stage(Stage.CLAIM)
        domain = self._domain()
        mark = mark_of(domain) if domain is not None else None
        if domain is not None and mark is None:
            self._permit(None)
            self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
            remove_foreign(self._connection, domain, keep_disks=self._keep_disks)
            return True
        if domain is not None and mark is not None:
            refuse_departed(domain, mark)
        hold = self._take(Records(self._places.records_pool(), self._site.host()), mark)
        if hold is None:
            return False
        self._remove(hold)
        return True

    def _take(self, records: Records, mark: Mark | None) -> Hold | None:
        """The claim; None if there is nothing to be removed."""
        key = claim_key(self._uuid)
        if mark is not None:
            self._permit(mark.record.owner)
        while True:
            chain = records.read(key)
            if chain is None:
                if mark is None and not self._has_strays():
                    return None
                hold = records.create(key, self._record(mark.record if mark else None))
                if hold is not None:
                    self._keep_disks |= mark is None  # nothing else is left of the guest: they were kept
                    hold.begin(keeps_disks=self._keep_disks)
                    return hold
                continue
            self._refuse_elsewhere(chain)
            if (holder := records.holder(chain)) is not None:
                self._op.stage(f"wait for {holder}", CancelMode.IMMEDIATE)
                records.wait(key, self._op, f"guest {self._uuid}", self._stop_silent)
            elif (hold := self._succeed(records, chain, mark)) is not None:
                return hold

    def _succeed(self, records: Records, chain: Chain, mark: Mark | None) -> Hold | None:
        claim = chain.claim
        self._keep_disks |= claim is None and mark is None  # whoever died had not made any yet
        known = claim.record if claim else mark.record if mark else None
        return records.succeed(chain, self._record(known), keeps_disks=self._keep_disks)

    def _remove(self, hold: Hold) -> None:
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        try:
            hold.verify()  # else it may be another guest by now
            if not self._keep_disks and (domain := self._domain()) is not None:
                remove_adopted_disks(self._connection, domain)
            remove_guest(
                self._connection,
                self._places,
                self._uuid,
                hold,
                keep_disks=self._keep_disks,
                vifs=self._site.vifs,
                initiator=self._site.initiator,
            )
        except BaseException:
            with suppress(VirtError):
                self._give_up(hold)
            hold.end()
            raise
        hold.remove()

    def _give_up(self, hold: Hold) -> None:
        """Leave a guest that could not be touched as it was, and one that was for the next who wants it removed."""
        if self._domain() is None:
            hold.release()
        else:
            hold.retract()

    def _stop_silent(self) -> None:
        """Cut the power of a guest whose QEMU hangs: whoever works on the guest may wait for just that QEMU.

        QEMU itself is asked. While libvirt does a longer job, its books do not say who waits for whom.
        """
        now = time.monotonic()
        if now < self._ask_at:
            return
        try:
            in_seconds(self._ask, SILENT_MILLISECONDS / 1000, "look whether the guest's QEMU answers")
        except Timeout:
            domain = self._domain()
            if domain is not None:
                with translated(f"stop guest {self._uuid}"):
                    stop(domain)
        self._ask_at = time.monotonic() + ASK_AGAIN_SECONDS

    def _ask(self) -> None:
        with suppress(libvirt.libvirtError, VirtError), self._site.another() as own:  # it is off, or gone
            own.domainListGetStats([own.lookupByUUID(self._uuid.bytes)], QUESTION, 0)

    # --- what is there --------------------------------------------------------------------------------------------

    def _domain(self) -> libvirt.virDomain | None:
        with translated(f"look for guest {self._uuid}"):
            return find_domain(self._connection, self._uuid)

    def _record(self, known: Record | None) -> Record:
        owner, print_ = (known.owner, known.fingerprint) if known else (self._site.owner, "")
        return Record(uuid=self._uuid, owner=owner, fingerprint=print_, phase=Phase.DELETING, native_id=str(self._uuid))

    def _has_strays(self) -> bool:
        """Whether a removal was interrupted after its last step but one, or processors are kept here for the guest."""
        names = [name for _, name in volumes_of(self._uuid, [self._places.records_pool()])]
        kept = filter(None, map(reserved_cpus, names))
        return any(map(is_claim, names)) or any(one.host == self._site.host() for one in kept)

    # --- refusals -------------------------------------------------------------------------------------------------

    def _permit(self, owner: str | None) -> None:
        if owner == self._site.owner:
            return
        whose = f"belongs to owner {owner}" if owner else "was not made by this API"
        if self._site.manage is not Manage.ALL:
            raise PermissionDenied(f"guest {self._uuid} {whose}", hint='connect with manage="all" to change it')
        if not self._foreign:
            raise PermissionDenied(f"guest {self._uuid} {whose}", hint="say foreign=True to remove it all the same")

    def _refuse_elsewhere(self, chain: Chain) -> None:
        claim = chain.claim
        if claim is None:
            return
        if claim.host != self._site.host():
            raise PermissionDenied(
                f"guest {self._uuid} lives on the host with uuid {claim.host}", hint="remove it by that host's libvirt"
            )
        self._permit(claim.record.owner)
