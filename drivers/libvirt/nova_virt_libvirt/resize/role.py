"""The role Resize: another size here, or the guest to another endpoint, with a way back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import CancelMode, Stage
from nova_virt_api.errors import (
    InstanceNotFound,
    InvalidSpec,
    InvalidState,
    MigrationError,
    NoCapacity,
    NotSupported,
    StateAfter,
    VirtError,
)
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerState
from nova_virt_api.model.record import Phase
from nova_virt_libvirt import peers
from nova_virt_libvirt.build import MOST_VCPUS
from nova_virt_libvirt.claims.guest_claim import claimed, guest_records
from nova_virt_libvirt.destroy import Destroyer
from nova_virt_libvirt.errors import translated
from nova_virt_libvirt.host_connections.attachment import connected_of, release_unused
from nova_virt_libvirt.names import ADOPTED, claim_key, resize_copy_name
from nova_virt_libvirt.power import kill
from nova_virt_libvirt.resize.arrival import Arrival, size_wanted
from nova_virt_libvirt.resize.here import AS_IT_IS, Reshaping
from nova_virt_libvirt.resize.live import LibvirtLiveResize
from nova_virt_libvirt.resize.note import (
    ResizeNote,
    ResizeStage,
    new_token,
    note_of,
    pending_note,
    refuse_made_elsewhere,
)
from nova_virt_libvirt.resize.parcel import Parcel
from nova_virt_libvirt.resize.wanted import Wanted, wanted_of
from nova_virt_libvirt.storage.opened_directory import close_directory
from nova_virt_libvirt.volumes.disks import VolumeDisks
from nova_virt_libvirt.volumes.swap import settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.model.instance import Instance
    from nova_virt_api.model.nic import Nic
    from nova_virt_api.model.size import Size
    from nova_virt_api.model.spec import InstanceSpec
    from nova_virt_api.model.ticket import Ticket
    from nova_virt_api.model.volume import Volume
    from nova_virt_libvirt.connection import Connection
    from nova_virt_libvirt.domain import Domain
    from nova_virt_libvirt.host.host import Host
    from nova_virt_libvirt.places import Places
    from nova_virt_libvirt.site import Site

PENDING: Final = Lifecycle.RESIZE_PENDING


class LibvirtResize(LibvirtLiveResize):
    """The role Resize. What a resize makes of a disk is a layer on it."""

    site: Site
    host: Host
    connection: Connection
    endpoint: Endpoint

    def resize(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        domain = self._resizable(guest, size)
        refuse_absurd(self.site, size)
        with self._working(domain, op) as shaping:
            note = pending_note(shaping.mark())
            if note is None:
                note = shaping.begin(ResizeStage.RESIZING, size, new_token())
            check_same(note, size, ResizeStage.RESIZING, ResizeStage.DONE)
            if note.stage is not ResizeStage.DONE:
                change(shaping, note, None)
        return self._seen(guest)

    def prepare_resize(self, guest: InstanceRef, size: Size, op: Operation) -> Ticket:
        domain = self._resizable(guest, size)
        if domain.lifecycle is not PENDING:
            settle(self.site, domain, VolumeDisks(domain), op)
        with self._working(domain, op) as shaping:
            note = pending_note(shaping.mark())
            if note is None:
                note = shaping.begin(ResizeStage.PREPARED, size, new_token())
            check_same(note, size, ResizeStage.PREPARED, ResizeStage.DONE)
        peers.remember(self.site.host(), self.connection)
        shared = self.site.cpus.shared
        parcel = Parcel(host=self.site.host(), host_name=self.host.name, token=note.token, shared=shared)
        return parcel.ticket(guest.uuid, self.endpoint.driver)

    def finish_resize(self, ticket: Ticket, op: Operation, *, spec: InstanceSpec | None = None) -> Instance:
        parcel = Parcel.of(ticket, self.endpoint.driver)
        if spec is not None:
            refuse_other_guest(ticket, spec)
        guest = InstanceRef(uuid=ticket.guest)
        if parcel.host == self.site.host():
            self._finish_here(guest, parcel, spec, op)
        else:
            way = peers.door(self.endpoint.options, parcel.host_name)
            Arrival(self.site, ticket.guest, parcel, spec, op).run(way)
        return self._seen(guest)

    def confirm_resize(self, guest: InstanceRef, op: Operation) -> None:
        try:
            domain = self.domains.owned(guest, PENDING)
        except InstanceNotFound:
            self._finish_removal(guest, op)
            return
        if domain.lifecycle is not PENDING:
            return
        if is_moved(domain) and self._is_being_removed(guest):
            Destroyer(self.site).destroy(guest, op, foreign=True)
            return
        with self._working(domain, op) as shaping:
            note = pending_note(shaping.mark())
            if note is not None and note.stage is ResizeStage.DONE:
                op.stage("confirm", CancelMode.NONE)
                shaping.forget_secrets()
                release_unused(connected_of(self.site, domain), VolumeDisks(domain))
                shaping.remember(None)
            elif note is not None:
                refuse_only_copy(note)
        if note is not None and note.stage is ResizeStage.PREPARED:  # it is another endpoint's now
            Destroyer(self.site).destroy(guest, op, foreign=True)
        self.domains.forget(guest.uuid)

    def revert_resize(
        self,
        guest: InstanceRef,
        op: Operation,
        *,
        nics: Sequence[Nic] | None = None,
        volumes: Sequence[Volume] | None = None,
        power_on: bool = False,
    ) -> None:
        domain = self.domains.owned(guest, PENDING)
        if domain.lifecycle is not PENDING:
            return
        with self._working(domain, op) as shaping:
            wanted = wanted_of(self.site, shaping.places, guest.uuid, nics, volumes)
            note = pending_note(shaping.mark())
            if note is not None:
                op.stage(Stage.STOP, CancelMode.NONE)
                if note.stage is not ResizeStage.REVERTING:  # else it may run as it was already
                    kill(domain)
                shaping.take_back(note, wanted)
                with changed():
                    remove_copies(shaping.places, note, guest)
                    close_directory(self.site.connection(), guest.uuid)
                    if power_on:
                        shaping.start()
                    shaping.remember(None)
        self.domains.forget(guest.uuid)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _resizable(self, guest: InstanceRef, size: Size) -> Domain:
        """The guest, which can be resized now, or is being resized to this size already."""
        domain = self.domains.owned(guest, PENDING)
        if domain.mark is None:
            raise NotSupported(Capability.RESIZE, reason="a guest without a mark of this API keeps no old size")
        if domain.mark.record.fingerprint == ADOPTED:
            raise NotSupported(Capability.RESIZE, reason="an adopted guest's disks are not kept below layers")
        note = pending_note(domain.mark)
        if note is None:
            domain.require(PowerState.SHUTDOWN)
        else:
            check_same(note, size, *ResizeStage)
        return domain

    @contextmanager
    def _working(self, domain: Domain, op: Operation) -> Iterator[Reshaping]:
        """The guest, claimed."""
        with claimed(self.site, domain, op):
            try:
                yield Reshaping(self.site, domain, op)
            finally:
                self.domains.forget(domain.uuid)

    def _seen(self, guest: InstanceRef) -> Instance:
        return self.domains.instance(guest, fresh=True)

    def _finish_here(self, guest: InstanceRef, parcel: Parcel, spec: InstanceSpec | None, op: Operation) -> None:
        try:
            domain = self.domains.owned(guest, PENDING)
        except InstanceNotFound as error:
            raise stale(guest) from error
        with self._working(domain, op) as shaping:
            note = pending_note(shaping.mark())
            if note is None or note.token != parcel.token or note.stage is ResizeStage.REVERTING:
                raise stale(guest)
            refuse_made_elsewhere(note, self.site.host())
            if note.stage is ResizeStage.PREPARED:
                to_be = replace(note, size=size_wanted(note.size, spec))
                refuse_absurd(self.site, to_be.size)
                nics, volumes = (None, None) if spec is None else (spec.nics, spec.volumes)
                wanted = wanted_of(self.site, shaping.places, guest.uuid, nics, volumes, "spec.", note.token)
                placed = replace(wanted, placed=spec)
                change(shaping, to_be, note, placed, power_on=spec is not None and spec.power_on)

    def _finish_removal(self, guest: InstanceRef, op: Operation) -> None:
        """Remove what a confirmation that was interrupted left."""
        chain = guest_records(self.site).read(claim_key(guest.uuid))
        if chain is None or self._is_being_removed(guest):  # without its head, nothing but the rest of a claim is left
            Destroyer(self.site).destroy(guest, op, foreign=True)

    def _is_being_removed(self, guest: InstanceRef) -> bool:
        """Whether somebody has begun to remove the guest from this host."""
        chain = guest_records(self.site).read(claim_key(guest.uuid))
        claim = None if chain is None else chain.claim
        return claim is not None and claim.record.phase is Phase.DELETING and claim.host == self.site.host()


def change(
    shaping: Reshaping,
    note: ResizeNote,
    back: ResizeNote | None,
    wanted: Wanted = AS_IT_IS,
    *,
    power_on: bool = False,
) -> None:
    """Give the guest its new size, and start it if that is asked for; if that fails all is as before.

    Args:
        shaping: the guest.
        note: what it is to become.
        back: what it waits with if that fails.
        wanted: what else is to be changed.
        power_on: start it.
    """
    try:
        shaping.finish(note, wanted)
        if power_on:
            shaping.start()
    except BaseException as error:
        shaping.undo(note, back, error)
        raise


@contextmanager
def changed() -> Iterator[None]:
    """Errors that come here find the guest other than it was."""
    try:
        yield
    except VirtError as error:
        error.state_after = StateAfter.CHANGED
        raise


def check_same(note: ResizeNote, size: Size, *stages: ResizeStage) -> None:
    """Refuse a guest that waits for something else than this.

    Raises:
        InvalidState: it does.
    """
    if note.size != size or note.stage not in stages or note.stage is ResizeStage.REVERTING:
        raise InvalidState(PENDING, (Lifecycle.READY,), hint="confirm or revert its resize first")


def stale(guest: InstanceRef) -> MigrationError:
    """The error for a ticket that means nothing any more."""
    hint = "prepare it again; if it was confirmed or reverted, there is nothing to finish"
    return MigrationError("finish_resize", f"guest {guest.uuid} does not wait here for this ticket", hint=hint)


def refuse_other_guest(ticket: Ticket, spec: InstanceSpec) -> None:
    """Refuse a spec that is not the ticket's guest's.

    Raises:
        InvalidSpec: it is another one's.
    """
    if spec.uuid != ticket.guest:
        raise InvalidSpec("spec.uuid", spec.uuid, f"{ticket.guest}, the ticket's guest")


def is_moved(domain: Domain) -> bool:
    """Whether another endpoint has made the guest to the end, so that this one's is not wanted any more."""
    note = None if domain.mark is None else note_of(domain.mark)
    return note is not None and note.stage is ResizeStage.PREPARED and note.made


def refuse_only_copy(note: ResizeNote) -> None:
    """Refuse to confirm what would leave the guest half resized, or nowhere: no destination has begun to make it.

    Raises:
        InvalidState: it is so.
    """
    if note.stage is not ResizeStage.PREPARED:
        raise InvalidState(PENDING, (Lifecycle.READY,), hint="resize it again to finish that, or revert it")
    if not note.made:
        hint = "no other host has made the guest to the end: finish its resize there, or revert it"
        raise InvalidState(PENDING, (Lifecycle.READY,), hint=hint)


def refuse_absurd(site: Site, size: Size) -> None:
    """Refuse what the host will never have.

    Raises:
        NoCapacity: names what.
    """
    if size.vcpus is not None and size.vcpus > MOST_VCPUS:
        message = f"{size.vcpus} virtual CPUs were asked for, a guest has at most {MOST_VCPUS}"
        raise NoCapacity("vcpus", message)
    with translated("look at the host"):
        total = site.connection().getInfo()[1] * 1024**2
    if size.memory_bytes is not None and size.memory_bytes > total:
        message = f"{size.memory_bytes} bytes of memory were asked for, the host has {total}"
        raise NoCapacity("memory_bytes", message)


def remove_copies(places: Places, note: ResizeNote, guest: InstanceRef) -> None:
    """Remove whole copies that a destination made here and did not remove."""
    for index, layer in enumerate(note.layers):
        places.pool("pool", layer.pool).remove(resize_copy_name(guest.uuid, index))
