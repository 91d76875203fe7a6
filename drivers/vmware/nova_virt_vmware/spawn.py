"""Spawning: find the guest, or make it under its uuid; give way to who was first; undo everything if it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nova_virt_api.driver.driver import Driver
from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import (
    BackendError,
    Busy,
    ConnectionLost,
    InstanceExists,
    InvalidSpec,
    StateAfter,
    Unavailable,
    VirtError,
)
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.labels import Labels
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.record import Phase, Record, fingerprint
from nova_virt_api.toolkit.unstoppable import Unstoppable
from nova_virt_vmware.claim import Claims, ensure_owner_folder
from nova_virt_vmware.errors import NameTaken, NotThere
from nova_virt_vmware.guest_names import claim_name, machine_name
from nova_virt_vmware.hold import Hold, held, token
from nova_virt_vmware.leftovers import MACHINE
from nova_virt_vmware.making import ARRIVAL, MEBIBYTE, Making
from nova_virt_vmware.network_cards import check_models
from nova_virt_vmware.places import find_places
from nova_virt_vmware.record import GuestRecord
from nova_virt_vmware.removal import Removal
from nova_virt_vmware.site import OnSite
from nova_virt_vmware.template import find_source, is_disk

if TYPE_CHECKING:
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_vmware.machine import Machine
    from nova_virt_vmware.site import Site

LONGEST_BIRTH: Final = 12 * 3600.0
"""Seconds that a copy may take at most: nothing can be written into its record before it has ended."""

LONGEST_UNDO: Final = 3600.0
"""Seconds that undoing may take: a copy that cannot be stopped has to end first."""

SHORT_UNDO: Final = 15.0
"""The same where the server was away for so long that the verb failed for it."""

AWAY: Final = (ConnectionLost, Unavailable)


class VmwareSpawn(OnSite, Driver):
    """The verb ``spawn``."""

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        with token() as taking:
            return Spawn(self.site, spec, taking, op).run()


class Spawn:
    """One spawn.

    Args:
        site: the endpoint.
        spec: what was asked for.
        taking: the token under which the guest is made.
        op: the operation worked for.
    """

    def __init__(self, site: Site, spec: InstanceSpec, taking: str, op: Operation) -> None:
        self._site = site
        self._spec = spec
        self._op = op
        self._fingerprint = fingerprint(spec)
        self._marks = site.endpoint.manage is not Manage.ALL
        record = Record(uuid=spec.uuid, owner=site.endpoint.owner, fingerprint=self._fingerprint)
        labels = Labels(spec.labels)
        self._unheld = GuestRecord(record=record, name=spec.name, labels=labels)
        self._taking = taking
        self._claims = Claims(site, spec.uuid, taking, op)

    def run(self) -> Instance:
        """Return the guest, made now or before."""
        self._op.stage(Stage.CLAIM, CancelMode.IMMEDIATE)
        self._refuse()
        moref: str | None = None
        while moref is None:
            found = self._claims.one()
            if found is None:
                moref = self._make()
            elif self._is_finished(found):
                moref = found.moref
            else:
                keep = found.record is not None and found.record.keeps_disks
                Removal(self._site, found.moref, Unstoppable(LONGEST_UNDO, self._op), keep_disks=keep).run()
            self._op.stage(Stage.CLAIM, CancelMode.NONE if moref else CancelMode.IMMEDIATE)
        return self._site.guests.instance(InstanceRef(uuid=self._spec.uuid, native_id=moref), fresh=True)

    def _refuse(self) -> None:
        check_models(self._spec.nics)
        if self._spec.labels and not self._marks:
            raise InvalidSpec("labels", dict(self._spec.labels), 'none with manage="all": they are kept in the mark')
        if not self._site.connection.is_vcenter:
            raise BackendError("guests can be made by a vCenter only", hint="connect to the one that manages this host")

    # --- what is there --------------------------------------------------------------------------------------------

    def _is_finished(self, found: Machine) -> bool:
        """Whether a machine that bears the uuid is the guest, complete; False if nobody will finish it.

        Raises:
            InstanceExists: it is another one.
        """
        uuid = self._spec.uuid
        if found.record is None:
            if self._claims.is_remains(found):
                return False
            if self._marks or not looks_like(found, self._spec):
                raise InstanceExists(
                    f"{found.label} ({found.moref}) has the uuid {uuid} and was not made by this spec",
                    hint="take another uuid",
                )
            return True
        record = found.record.record
        if record.owner != self._site.endpoint.owner:
            raise InstanceExists(f"guest {uuid} belongs to owner {record.owner}", hint="take another uuid")
        if record.phase is not Phase.DELETING and record.fingerprint != self._fingerprint:
            raise InstanceExists(
                f"guest {uuid} was asked for with another spec", hint="take another uuid, or destroy that guest first"
            )
        return record.phase is Phase.READY

    # --- the guest ------------------------------------------------------------------------------------------------

    def _make(self) -> str | None:
        """Make the guest and give its native id; None if somebody else was first, and all has to be looked at again."""
        op, spec = self._op, self._spec
        source = find_source(self._site.connection, spec, op)
        places = find_places(self._site.connection, spec, op)
        folder = ensure_owner_folder(self._site, places.machine_folder, op)
        born = held(self._unheld, self._taking, min(op.remaining(), LONGEST_BIRTH))
        making = Making(self._site, spec, places, source, born, op)
        moref: str | None = None
        try:
            moref = making.begin(folder)
            return moref if self._complete(making, moref) else None
        except NameTaken as error:
            if moref is None:
                self._claims.refuse_name(error)
                return None
            self._undo(making, folder, moref, error)
            raise InstanceExists(error.message, hint="its folder has a virtual machine of this name") from error
        except NotThere as error:
            self._undo(making, folder, moref, error)
            if moref is not None and error.moref in (moref, ""):
                raise Busy(f"{error.message}: somebody else works on it", hint="try again") from error
            raise
        except BaseException as error:
            self._undo(making, folder, moref, error)
            raise

    def _complete(self, making: Making, moref: str) -> bool:
        """Go on with a machine of ours; False if it had to give way."""
        hold = Hold(self._site, moref, held(self._unheld, self._taking))
        try:
            made = making.look(moref)
            if self._claims.others(moref) or made.uuid != self._spec.uuid:
                return self._give_way(hold, made)
            making.furnish(hold, moref)
            making.start(moref)
            making.finish(hold, moref)
            return True
        finally:
            hold.end()

    def _give_way(self, hold: Hold, made: Machine) -> bool:
        """Remove what we have made: somebody else has made the guest, too."""
        hold.end()
        Removal(self._site, made.moref, Unstoppable(LONGEST_UNDO, self._op)).run()
        if made.uuid != self._spec.uuid and not self._claims.all():
            raise BackendError(f"the server gave guest {self._spec.uuid} another uuid, {made.uuid}")
        self._claims.pause()
        return False

    # --- back -----------------------------------------------------------------------------------------------------

    def _undo(self, making: Making, folder: str, moref: str | None, error: BaseException) -> None:
        """Remove what was made; what cannot be removed is named in the error."""
        self._op.stage(Stage.CLEAN_UP, CancelMode.NONE)
        away = isinstance(error, AWAY)
        rest = Unstoppable(SHORT_UNDO if away else LONGEST_UNDO, self._op)
        try:
            there = moref or making.begun(folder, rest, within=ARRIVAL if away else 0.0)
            if there is not None:
                Removal(self._site, there, rest).run()
        except VirtError as second:
            if isinstance(error, VirtError):
                error.state_after = StateAfter.CHANGED
                error.leftovers = second.leftovers or (self._leftover(),)

    def _leftover(self) -> Leftover:
        spec, owner = self._spec, self._site.endpoint.owner
        return Leftover(uuid=spec.uuid, kind=MACHINE, name=claim_name(spec.uuid), owner=owner)


def looks_like(machine: Machine, spec: InstanceSpec) -> bool:
    """Whether a machine has what the spec says, as far as can be seen: without a record nothing else is known."""
    disks = sum(map(is_disk, machine.devices))
    asked = (machine_name(spec.name, spec.uuid), spec.vcpus, spec.memory_bytes // MEBIBYTE)
    return asked == (machine.name, machine.vcpus, machine.memory_mb) and disks >= len(spec.disks)
