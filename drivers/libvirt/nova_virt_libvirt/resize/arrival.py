"""A guest that waits on another host, made here: its disks are fetched, its definition is patched.

The guest's claim is taken first, as in a spawn, and what was made is removed again if this fails. What the guest was is
read from its mark at the source, and only if that mark bears the ticket's token.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import libvirt

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import InstanceExists, MigrationError, VirtError
from nova_virt_api.model.record import Phase, Record
from nova_virt_api.model.size import Size
from nova_virt_libvirt import peers
from nova_virt_libvirt.build import finished
from nova_virt_libvirt.claims.records import Records
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host.maintenance import Maintenance
from nova_virt_libvirt.machine.told_devices import tell_news_now
from nova_virt_libvirt.metadata import Mark, read_mark, write_mark
from nova_virt_libvirt.names import claim_key, is_disk
from nova_virt_libvirt.network.vif import Owner
from nova_virt_libvirt.network.vif_note import VifNote
from nova_virt_libvirt.places import Places
from nova_virt_libvirt.remains import find_domain, mark_of, volumes_of
from nova_virt_libvirt.resize.host_parts import as_there, on_host
from nova_virt_libvirt.resize.host_state import fetch_state
from nova_virt_libvirt.resize.note import (
    ResizeNote,
    ResizeStage,
    note_of,
    pending_note,
    refuse_made_elsewhere,
    with_note,
)
from nova_virt_libvirt.resize.parts import PartsFromSource
from nova_virt_libvirt.spawn import start_over, undo
from nova_virt_libvirt.taken import kept_disk
from nova_virt_libvirt.volumes.opening import start_guest

if TYPE_CHECKING:
    from uuid import UUID

    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_libvirt.claims.claim import Chain
    from nova_virt_libvirt.claims.hold import Hold
    from nova_virt_libvirt.peers import Door
    from nova_virt_libvirt.resize.parcel import Parcel
    from nova_virt_libvirt.site import Site

REMOVE: Final = "remove that one first if it is not wanted"


class Arrival:
    """One guest that is made from a ticket.

    Args:
        site: the endpoint, where the guest is to be.
        uuid: the guest.
        parcel: the ticket's content.
        spec: what is to differ here; None for nothing but the size that the source knows.
        op: the operation worked for.
    """

    def __init__(self, site: Site, uuid: UUID, parcel: Parcel, spec: InstanceSpec | None, op: Operation) -> None:
        self._site = site
        self._uuid = uuid
        self._parcel = parcel
        self._spec = spec
        self._op = op
        self._connection = site.connection()
        self._places = Places(self._connection, site.pool, site.bridges)

    def run(self, way: Door) -> None:
        """Make the guest, unless it was made from this ticket before.

        Raises:
            MigrationError: the source cannot be reached, or the guest does not wait there for this ticket.
            InstanceExists: another guest has the uuid or the name.
            InvalidSpec: a place is not there.
            NoCapacity: not enough of a resource.
            StorageError: a disk could not be made.
            Busy: another living process works on this guest.
        """
        self._op.stage(Stage.CLAIM)
        if self._is_there():
            with suppress(VirtError), peers.reached(self._parcel.host, way, "finish_resize") as source:
                self._bind(source, made=True)  # whoever made it may have been killed right before
            return
        Maintenance(self._connection, self._site.pool, self._site.host()).refuse_new()
        with peers.reached(self._parcel.host, way, "finish_resize") as source:
            self._fetch(source)

    def _fetch(self, source: libvirt.virConnect) -> None:
        mark, note = self._waiting(source)
        record = replace(mark.record, phase=Phase.BUILDING, holder=None, lease_until=None)
        hold = self._take(record)
        if hold is None:
            return
        parts = PartsFromSource(self._site, self._places, source, self._uuid, self._spec, self._op)
        try:
            self._bind(source)
            self._build(parts, mark, note, hold)
        except BaseException as error:
            undo(self._site, hold, self._op, error, parts.made)
            with suppress(VirtError):  # then only this host can make it, and whoever tries elsewhere is told so
                self._unbind(source)
            raise
        with suppress(VirtError):  # a repeated call does it
            self._bind(source, made=True)
        with suppress(VirtError):  # the domain's mark says it too; others only would have to wait for the lease
            if self._site.manage is Manage.ALL:
                hold.remove()
            else:
                hold.settle(Phase.READY)

    def _build(self, parts: PartsFromSource, mark: Mark, note: ResizeNote, hold: Hold) -> None:
        arrived = ResizeNote(stage=ResizeStage.ARRIVED, token=note.token, size=note.size)
        building = with_note(replace(mark, record=replace(mark.record, phase=Phase.BUILDING)), arrived)
        text = parts.definition(note.definition, size_wanted(note.size, self._spec), building)
        op = self._op
        op.stage(Stage.NETWORK_READY)
        op.stage(Stage.DISKS_READY)
        hold.verify()
        fetch_state(parts.source, self._connection, self._uuid, note.definition, text, op)
        op.stage(Stage.DEFINE)
        hold.verify()
        self._waiting(parts.source)  # it may have been reverted meanwhile
        if self._spec is None:
            text = as_there(self._site, self._uuid, text, self._parcel.shared)
        here = on_host(self._site, self._places, text, self._spec, op)
        with here as placed, translated("define the guest"):
            domain = self._connection.defineXML(placed)
        self._site.vifs.plug_all(Owner(self._uuid, domain.name()), VifNote.of(mark_of(domain)))
        op.stage(Stage.BEFORE_START)
        if self._spec is not None and self._spec.power_on:
            op.stage(Stage.START, CancelMode.NONE)
            tell_news_now(self._connection, domain, self._uuid)
            start_guest(domain, op)
        with translated("mark the guest as complete"):
            write_mark(domain, replace(read_mark(domain) or building, record=finished(mark.record)))

    # --- the source -----------------------------------------------------------------------------------------------

    def _bind(self, source: libvirt.virConnect, *, made: bool = False) -> None:
        """Say at the source that this host makes the guest, or has made it. It is looked at again before the guest is.

        Until it is made, the source's is the only one, which is not given up.
        """
        self._tell(source, self._site.host(), made=made)

    def _tell(self, source: libvirt.virConnect, host: str, *, made: bool) -> None:
        mark, note = self._waiting(source)
        with translated("write down at the source where the guest goes"):
            domain = find_domain(source, self._uuid)
            if domain is not None and (note.destination, note.made) != (host, made):
                write_mark(domain, with_note(mark, replace(note, destination=host, made=made)))

    def _unbind(self, source: libvirt.virConnect) -> None:
        """Let another host make the guest, unless there is still something of it here that may be started."""
        with translated(f"look for guest {self._uuid}"):
            left = find_domain(self._connection, self._uuid)
        if left is None:
            self._tell(source, "", made=False)

    def _waiting(self, source: libvirt.virConnect) -> tuple[Mark, ResizeNote]:
        """Mark and note of the guest at the source.

        Raises:
            MigrationError: it does not wait there for this ticket.
        """
        with translated("look for the guest at its source"):
            domain = find_domain(source, self._uuid)
            mark = None if domain is None else read_mark(domain)
            running = domain is not None and bool(domain.isActive())
        note = None if mark is None else pending_note(mark)
        prepared = note is not None and (note.stage, note.token) == (ResizeStage.PREPARED, self._parcel.token)
        if mark is None or note is None or not prepared or running:
            where = f"on host {self._parcel.host_name}"
            hint = "prepare it again; if it was confirmed or reverted, there is nothing to finish"
            message = f"guest {self._uuid} does not wait {where} for this ticket"
            raise MigrationError("finish_resize", message, hint=hint)
        refuse_made_elsewhere(note, self._site.host())
        return mark, note

    # --- the claim ------------------------------------------------------------------------------------------------

    def _take(self, record: Record) -> Hold | None:
        """The claim, with nothing of the guest made yet; None if the guest is there by now."""
        records, key = Records(self._places.records_pool(), self._site.host()), claim_key(self._uuid)
        while True:
            chain = records.read(key)
            if chain is None:
                hold = records.create(key, record)
                if hold is not None:
                    return self._begin(hold)
                continue
            self._refuse_other(chain)
            if records.holder(chain) is not None:
                self._op.stage("wait until nobody works on the guest", CancelMode.IMMEDIATE)
                records.wait(key, self._op, f"guest {self._uuid}")
            elif self._is_there():
                return None
            else:
                claim = chain.claim
                keep_disks = claim is None or claim.keeps_disks
                deleting = replace(record, phase=Phase.DELETING)
                hold = records.succeed(chain, deleting, keeps_disks=keep_disks)
                if hold is not None:
                    start_over(self._site, self._places, hold, self._refuse_kept_disks, keep_disks=keep_disks)
                    return hold

    def _begin(self, hold: Hold) -> Hold:
        """Begin a claim that is new. Nothing was made under it yet: disks that bear the uuid now were kept."""
        try:
            with translated(f"look for guest {self._uuid}"):
                domain = find_domain(self._connection, self._uuid)
            if domain is None:
                self._refuse_kept_disks()
                hold.begin()
                return hold
        except BaseException:
            with suppress(VirtError):
                hold.retract()
            raise
        hold.begin(phase=Phase.DELETING)  # somebody has removed the claim of a call that was interrupted
        start_over(self._site, self._places, hold, self._refuse_kept_disks, keep_disks=False)
        return hold

    def _refuse_kept_disks(self) -> None:
        """Refuse to overwrite, or to remove in case of an error, what an earlier guest of this uuid left on purpose.

        Raises:
            StorageError: names such a disk.
        """
        for pool, name in volumes_of(self._uuid, self._places.active_pools()):
            if is_disk(name):
                raise kept_disk(name, pool)

    def _refuse_other(self, chain: Chain) -> None:
        claim = chain.claim
        if claim is not None and claim.host != self._site.host():
            hint = "give this endpoint a storage pool of its own (option 'pool'), or move the guest while it runs"
            message = f"both hosts keep guests in storage pool {self._places.records_pool().name}"
            raise MigrationError("finish_resize", message, hint=hint)
        if claim is not None and claim.record.owner != self._site.owner:
            raise InstanceExists(f"guest {self._uuid} belongs to owner {claim.record.owner}", hint=REMOVE)

    def _is_there(self) -> bool:
        """Whether the guest was made here from this ticket.

        Raises:
            InstanceExists: another one is here.
        """
        with translated(f"look for guest {self._uuid}"):
            domain = find_domain(self._connection, self._uuid)
        if domain is None:
            return False
        mark = mark_of(domain)
        if mark is None:
            raise InstanceExists(f"a guest of other making, {domain.name()}, has the uuid {self._uuid}", hint=REMOVE)
        note = note_of(mark)
        if note is None or note.token != self._parcel.token or note.stage is not ResizeStage.ARRIVED:
            raise InstanceExists(f"guest {self._uuid} is here already, and not from this ticket", hint=REMOVE)
        return mark.record.phase is Phase.READY


def size_wanted(size: Size, spec: InstanceSpec | None) -> Size:
    """The size that a guest is to have: the spec's, or else the one that was asked for at the source."""
    if spec is None:
        return size
    sizes = [disk.size_bytes for disk in spec.disks] or size.disks
    return Size(vcpus=spec.vcpus, memory_bytes=spec.memory_bytes, disks=tuple(sizes))
