"""Drivers that break a promise about a guest's life: making, changing, removing, owning, finding remains."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from nova_virt_api.driver.endpoint import Endpoint
from nova_virt_api.driver.operation import CancelMode, Operation, Stage
from nova_virt_api.errors import (
    ConnectionLost,
    ImageRejected,
    InstanceExists,
    InstanceNotFound,
    StateAfter,
    VirtError,
)
from nova_virt_api.fake import remains
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.guest import Volume
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import LocalFile
from nova_virt_api.model.instance import DiskPolicy, Instance
from nova_virt_api.model.leftover import Leftover
from nova_virt_api.model.placement import Placement
from nova_virt_api.model.spec import InstanceSpec, InstanceUpdate
from nova_virt_api.model.units import MiB

# --- something else than what was asked for ---------------------------------------------------------------------------


class Mishears(FakeDriver):
    """Makes something else than what it is asked for; its subclasses say what."""

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        """What it takes a spec for."""
        raise NotImplementedError

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        return super().spawn(self.heard(spec), op)


class DropsLabels(Mishears):
    """The labels of a spec are silently dropped."""

    caught_by = "test_spawned_guest_is_as_asked"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, labels={})


class DropsMac(Mishears):
    """The MAC address of a NIC is silently dropped."""

    caught_by = "test_nic_mac"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, nics=[replace(nic, mac=None) for nic in spec.nics])


class DropsLaterDisks(Mishears):
    """Only the first disk of a spec is made."""

    caught_by = "test_multiple_disks"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, disks=spec.disks[:1])


class DropsCloudInit(Mishears):
    """Data for the first boot is silently dropped."""

    caught_by = "test_cloud_init_data_is_there"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, cloud_init=None)


class IgnoresFirmware(Mishears):
    """A guest that asks for UEFI starts with BIOS."""

    caught_by = "test_uefi"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, firmware=None)


class IgnoresFolders(Mishears):
    """Places that it knows nothing of are dropped from a placement instead of refused."""

    caught_by = "test_placement_that_is_not_there_is_refused"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, placement=Placement(node=spec.placement.node, pool=spec.placement.pool))


class StartsEveryGuest(Mishears):
    """power_on=False is ignored."""

    caught_by = "test_spawn_without_power_leaves_the_guest_stopped"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, power_on=True)


class IgnoresChecksums(Mishears):
    """An image's checksum is not looked at."""

    caught_by = "test_wrong_checksum_is_rejected"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, disks=[self.unchecked(disk) for disk in spec.disks])

    def unchecked(self, disk: Disk) -> Disk:
        if not isinstance(disk.source, LocalFile):
            return disk
        return replace(disk, source=replace(disk.source, checksum=None))


class TrustsImages(Mishears):
    """Files are taken for disks without a look at what they are."""

    caught_by = "test_bad_image_is_rejected"

    def heard(self, spec: InstanceSpec) -> InstanceSpec:
        return replace(spec, disks=[self.unseen(disk) for disk in spec.disks])

    def unseen(self, disk: Disk) -> Disk:
        if not isinstance(disk.source, LocalFile):
            return disk
        return replace(disk, source=Blank(), size_bytes=disk.size_bytes or MiB(2))


# --- not once ---------------------------------------------------------------------------------------------------------


class MakesASecondGuest(FakeDriver):
    """The same spec again makes another guest."""

    caught_by = "test_same_spawn_is_the_same_guest"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        if any(guest.uuid == spec.uuid and guest.owned for guest in self.instances()):
            spec = replace(spec, uuid=uuid4(), name=f"{spec.name[:50]}-{uuid4().hex[:8]}")
        return super().spawn(spec, op)


class TakesAnyGuestOfTheUuid(FakeDriver):
    """A uuid that was asked for with another spec is answered with the guest that is there."""

    caught_by = "test_other_spec_for_the_same_uuid_is_refused"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        try:
            return super().spawn(spec, op)
        except InstanceExists:
            guest = self.instance(InstanceRef(uuid=spec.uuid))
            if guest.owned:
                return guest
            raise


class ForgetsWhatWasFirstAsked(FakeDriver):
    """An update changes the fingerprint of the guest."""

    caught_by = "test_same_spawn_returns_a_changed_guest_as_it_is"

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        super().update(guest, update, op)
        with self.connection.world.changing() as state:
            state.put_record(replace(state.records[guest.uuid], fingerprint="of the update"))
        return self.instance(guest)


class HookedTooLate(FakeDriver):
    """BEFORE_START is announced when the guest runs already."""

    caught_by = "test_hooks_run_once_each_and_before_the_guest_does"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        guest = super().spawn(spec, WithoutStart(op))
        op.stage(Stage.BEFORE_START)
        return guest


class WithoutStart:
    """An operation that hears nothing of BEFORE_START."""

    def __init__(self, op: Operation) -> None:
        self._op = op
        self.progress = op.progress
        self.checkpoint = op.checkpoint
        self.on_cancel = op.on_cancel
        self.on_complete_now = op.on_complete_now
        self.remaining = op.remaining
        self.wait_until = op.wait_until

    def stage(self, stage: Stage | str, cancel: CancelMode = CancelMode.AT_NEXT_STEP) -> None:
        """Pass all other stages on."""
        if stage is not Stage.BEFORE_START:
            self._op.stage(stage, cancel)


# --- something left ---------------------------------------------------------------------------------------------------


def scrap(driver: FakeDriver, guest: InstanceRef | InstanceSpec, kind: str) -> None:
    """Leave a volume of a guest in the pool."""
    volume = Volume(
        pool="default",
        name=f"{guest.uuid}-scrap",
        kind=kind,
        size_bytes=1,
        uuid=guest.uuid,
        owner=driver.endpoint.owner,
    )
    with driver.connection.world.changing() as state:
        state.put_volume(volume)


class LeavesADiskOfAFailedSpawn(FakeDriver):
    """A spawn that failed leaves a disk."""

    caught_by = "test_spawn_whose_hook_fails_leaves_nothing"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        try:
            return super().spawn(spec, op)
        except VirtError:
            scrap(self, spec, "disk")
            raise


class LeavesADiskOfADestroyedGuest(FakeDriver):
    """A guest that was destroyed leaves a disk, which leftovers() does not know."""

    caught_by = "test_destroy_in_state"

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        found = super().destroy(guest, op, disks=disks, foreign=foreign)
        if found:
            scrap(self, guest, "kept disk")
        return found


class CannotDestroyTwice(FakeDriver):
    """Destroying a guest that is gone is an error."""

    caught_by = "test_destroy_is_idempotent"

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        if not super().destroy(guest, op, disks=disks, foreign=foreign):
            raise InstanceNotFound(f"no guest {guest} here")
        return True


class DeletesKeptDisks(FakeDriver):
    """Disks that were to be kept are deleted."""

    caught_by = "test_kept_disks_stay"

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        return super().destroy(guest, op, foreign=foreign)


class LetsAnImagesErrorEscape(FakeDriver):
    """A bad image ends in an exception of Python's own."""

    caught_by = "test_bad_image_is_rejected"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        try:
            return super().spawn(spec, op)
        except ImageRejected as error:
            raise OSError(error.why) from error


# --- remains ----------------------------------------------------------------------------------------------------------


class HidesLeftovers(FakeDriver):
    """leftovers() never has anything to tell."""

    caught_by = "test_destroy_removes_what_an_interrupted_spawn_left"

    def leftovers(self) -> Sequence[Leftover]:
        return ()


class TakesWorkForLeftovers(FakeDriver):
    """leftovers() lists what another connection is working on."""

    caught_by = "test_what_a_living_process_works_on_is_no_leftover"

    def leftovers(self) -> Sequence[Leftover]:
        with self.connection.world.reading() as state:
            unfinished = [uuid for uuid in state.known_uuids() if not remains.finished(state, uuid)]
            return [
                leftover
                for uuid in unfinished
                for leftover in remains.of(state, uuid)
                if leftover.owner == self.endpoint.owner
            ]


class KeepsQuietAboutRemains(FakeDriver):
    """A spawn that lost its connection says that nothing was changed."""

    caught_by = "test_spawn_that_lost_its_connection_is_finished_by_the_next"

    def spawn(self, spec: InstanceSpec, op: Operation) -> Instance:
        try:
            return super().spawn(spec, op)
        except ConnectionLost as error:
            error.leftovers, error.state_after = (), StateAfter.UNCHANGED
            raise


# --- others' guests ---------------------------------------------------------------------------------------------------


class ChangesAnybodysGuests(FakeDriver):
    """Verbs do not ask whose guest it is."""

    caught_by = "test_foreign_guest_is_not_touched"

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.connection.may_change = lambda owner: True  # type: ignore[method-assign]


class TakesCopiesForItsOwn(FakeDriver):
    """A copy that took its original's mark along is shown as owned."""

    caught_by = "test_native_copy_is_foreign"

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        found = super().instance(guest, fresh=fresh)
        with self.connection.world.reading() as state:
            mark = state.guests[found.native_id].mark
        return found if mark is None else replace(found, owner=mark.owner, owned=mark.owner == self.endpoint.owner)


class DestroysForeignGuestsUnasked(FakeDriver):
    """With manage="all" foreign guests are destroyed without foreign=True."""

    caught_by = "test_manage_all_changes_foreign_guests_and_marks_none"

    def destroy(
        self, guest: InstanceRef, op: Operation, *, disks: DiskPolicy = DiskPolicy.DELETE, foreign: bool = False
    ) -> bool:
        return super().destroy(guest, op, disks=disks, foreign=True)


class TakesTheFirstOfTwo(FakeDriver):
    """Of two guests that claim a uuid, the first is destroyed."""

    caught_by = "test_uuid_that_is_claimed_twice_is_ambiguous"

    def destroy(self, guest: InstanceRef, op: Operation, **more: Any) -> bool:
        with self.connection.world.changing() as state:
            claimants = state.claimants(guest.uuid)
            if len(claimants) > 1:
                state.drop(claimants[0].native_id)
                return True
        return super().destroy(guest, op, **more)


# --- changes ----------------------------------------------------------------------------------------------------------


class AddsLabels(FakeDriver):
    """An update adds labels to those that are there."""

    caught_by = "test_update_replaces_all_labels"

    def update(self, guest: InstanceRef, update: InstanceUpdate, op: Operation) -> Instance:
        if update.labels is not None:
            update = replace(update, labels={**self.instance(guest).labels, **update.labels})
        return super().update(guest, update, op)


class ForgetsLabelsOfStoppedGuests(FakeDriver):
    """Labels of an update are written where they get lost when the guest stops."""

    caught_by = "test_update_takes_any_labels"

    def power_off(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        super().power_off(guest, op, **more)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(replace(found, labels=type(found.labels)()))
