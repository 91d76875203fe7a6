"""Drivers that are wrong about writing guests anew, rescuing them, looking closer at them and interrupting them."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import StateAfter, VirtError
from nova_virt_api.events import Changed, DriverEvent, Emit, Subscription
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.guest import Guest
from nova_virt_api.model.diagnostics import Diagnosis
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, Lifecycle
from nova_virt_api.model.spec import InstanceUpdate

LOG = logging.getLogger(__name__)


class Altering(FakeDriver):
    """Base of those who do something behind the contract's back."""

    def alter(self, ref: InstanceRef, change: Callable[[Guest], Guest]) -> None:
        with self.connection.world.changing() as state:
            for guest in state.claimants(ref.uuid):
                state.put(change(guest))

    def found(self, ref: InstanceRef) -> Guest | None:
        with self.connection.world.reading() as state:
            return next(iter(state.claimants(ref.uuid)), None)

    def boot(self, ref: InstanceRef) -> None:
        with self.connection.world.changing() as state:
            for guest in state.claimants(ref.uuid):
                self.connection.world.boot(state, guest)


# --- rebuild ----------------------------------------------------------------------------------------------------------


class RebuildOnlyRestarts(Altering):
    """A rebuild checks everything, starts the guest anew, and writes nothing."""

    caught_by = "test_rebuild_writes_the_disk_anew"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        with self.connection.world.reading() as state:
            before = [volume for volume in state.volumes_of(guest.uuid) if volume.kind == "disk"]
        made = super().rebuild(guest, op, **more)
        with self.connection.world.changing() as state:
            for volume in before:
                state.put_volume(volume)
        return made


class RebuildForgetsLabels(Altering):
    """A rebuilt guest has lost its labels."""

    caught_by = "test_rebuilt_guest_is_the_same_guest"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        super().rebuild(guest, op, **more)
        self.alter(guest, lambda found: replace(found, labels=type(found.labels)()))
        return self.instance(guest)


class RebuildLeavesItStopped(Altering):
    """After a rebuild the guest is off."""

    caught_by = "test_verb_in_state"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        super().rebuild(guest, op, **more)
        self.alter(guest, Guest.stopped)
        return self.instance(guest)


class RebuildChangesTheRequest(FakeDriver):
    """A rebuild writes another fingerprint, so that the first request is not known any more."""

    caught_by = "test_rebuilt_guest_keeps_its_request"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        made = super().rebuild(guest, op, **more)
        with self.connection.world.changing() as state:
            state.put_record(replace(state.records[guest.uuid], fingerprint="rebuilt"))
        return made


class TornDiskLooksWell(Altering):
    """A guest whose rebuild failed halfway is shown as READY."""

    caught_by = "test_failed_rebuild_can_be_repeated"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        try:
            return super().rebuild(guest, op, **more)
        except VirtError:
            self.alter(guest, lambda found: replace(found, torn=False))
            raise


class CancelledRebuildSaysUnchanged(Altering):
    """A rebuild can be cancelled while the disk is written, and then says that nothing was changed."""

    caught_by = "test_rebuild_cancelled_at_any_stage"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        made = super().rebuild(guest, op, **more)
        try:
            op.checkpoint()
        except VirtError as error:
            error.state_after = StateAfter.UNCHANGED
            raise
        return made


class BadImageTearsTheDisk(Altering):
    """A rebuild stops the guest before it looks at the image."""

    caught_by = "test_rebuild_from_a_bad_image_writes_nothing"

    def rebuild(self, guest: InstanceRef, op: Operation, **more: Any) -> Instance:
        before = self.found(guest)
        try:
            return super().rebuild(guest, op, **more)
        except VirtError as error:
            if before is not None and error.state_after is StateAfter.UNCHANGED and error.code == "image-rejected":
                self.alter(guest, Guest.stopped)
            raise


# --- rescue -----------------------------------------------------------------------------------------------------------


class RescueWipesTheDisk(FakeDriver):
    """The rescue system is written onto the guest's own disk."""

    caught_by = "test_rescue_keeps_the_guests_own_disk"

    def rescue(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        super().rescue(guest, op, **more)
        with self.connection.world.changing() as state:
            for volume in state.volumes_of(guest.uuid):
                state.put_volume(replace(volume, content="a rescue system"))


class RescueAgainStartsAgain(Altering):
    """A rescue of a rescued guest starts the rescue system once more."""

    caught_by = "test_rescue_again_goes_on"

    def rescue(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        before = self.found(guest)
        super().rescue(guest, op, **more)
        if before is not None and before.rescue is not None:
            self.boot(guest)


class UnrescueStartsHealthyGuests(Altering):
    """An unrescue of a guest that is not rescued starts it anew."""

    caught_by = "test_unrescue_of_a_guest_that_is_not_rescued"

    def unrescue(self, guest: InstanceRef, op: Operation) -> None:
        before = self.found(guest)
        super().unrescue(guest, op)
        if before is not None and before.rescue is None:
            self.boot(guest)


class RescuedLooksReady(FakeDriver):
    """A rescued guest is shown as any other."""

    caught_by = "test_rescue_and_unrescue"

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        found = super().instance(guest, fresh=fresh)
        return replace(found, lifecycle=Lifecycle.READY) if found.lifecycle is Lifecycle.RESCUED else found


class WatchersDoNotSeeRescues(FakeDriver):
    """Watchers are told that a rescued guest is one like any other."""

    caught_by = "test_rescue_reaches_a_watcher"

    def events(self, emit: Emit) -> Subscription:
        def told(event: DriverEvent) -> None:
            if isinstance(event, Changed) and event.instance.lifecycle is Lifecycle.RESCUED:
                event = Changed(replace(event.instance, lifecycle=Lifecycle.READY))
            emit(event)

        return super().events(told)


class RescuedGuestsAreRelabelled(Altering):
    """An update of a rescued guest is let through."""

    caught_by = "test_verb_while_rescued"

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        before = self.found(guest)
        if before is None or before.rescue is None:
            return super().update(guest, update, op)
        self.alter(guest, lambda found: replace(found, rescue=None))
        try:
            return super().update(guest, update, op)
        finally:
            self.alter(guest, lambda found: replace(found, rescue=before.rescue))


class RescuePasswordIsLogged(FakeDriver):
    """The password of a rescue system is written to the log."""

    caught_by = "test_rescue_password_is_not_shown"

    def rescue(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        password = more.get("password")
        if password is not None:
            LOG.debug("the rescue system opens to %s", password.reveal())
        super().rescue(guest, op, **more)


class BadRescueImageStopsTheGuest(Altering):
    """A rescue stops the guest before it looks at the image."""

    caught_by = "test_rescue_with_a_bad_image_changes_nothing"

    def rescue(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        try:
            super().rescue(guest, op, **more)
        except VirtError as error:
            if error.code == "image-rejected":
                self.alter(guest, Guest.stopped)
            raise


# --- a closer look ----------------------------------------------------------------------------------------------------


class OldestIncidentFirst(FakeDriver):
    """Incidents are told in the order in which they happened."""

    caught_by = "test_diagnosis_is_well_formed"

    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        found = super().diagnostics(guest)
        older = replace(found.incidents[-1], at=found.incidents[-1].at - 60) if found.incidents else None
        return replace(found, incidents=(*([older] if older else []), *reversed(found.incidents)))


class UptimeNeverEnds(FakeDriver):
    """A guest's uptime is counted since the world was made, whether it runs or not."""

    caught_by = "test_uptime_begins_with_the_last_start"

    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        return replace(super().diagnostics(guest), uptime_seconds=3600.0)


class LooksOnlyAtItsOwn(FakeDriver):
    """Guests of other making cannot be diagnosed."""

    caught_by = "test_diagnosis_of_a_foreign_guest"

    def diagnostics(self, guest: InstanceRef) -> Diagnosis:
        with self.connection.world.reading() as state:
            self.connection.owned(state, guest)
        return super().diagnostics(guest)


# --- interrupts -------------------------------------------------------------------------------------------------------


class InterruptsTwice(Altering):
    """Each call sends two interrupts."""

    caught_by = "test_each_call_interrupts_the_guest_once"

    def trigger_crash_dump(self, guest: InstanceRef, op: Operation) -> None:
        super().trigger_crash_dump(guest, op)
        self.alter(guest, lambda found: replace(found, interrupts=found.interrupts + 1))


class InterruptIsAReset(Altering):
    """An interrupt starts the guest anew."""

    caught_by = "test_interrupt_restarts_nothing"

    def trigger_crash_dump(self, guest: InstanceRef, op: Operation) -> None:
        super().trigger_crash_dump(guest, op)
        self.boot(guest)
