"""Drivers that are wrong about giving guests another size."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import MigrationError
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance
from nova_virt_api.model.size import Size
from nova_virt_api.model.spec import Firmware
from nova_virt_api.model.ticket import Ticket


class RevertKeepsWhatWasWritten(FakeDriver):
    """A revert gives back the size, and leaves on the disk what was written since the resize."""

    caught_by = "test_revert_loses_what_was_written_since"

    def revert_resize(self, guest: InstanceRef, op: Operation, **more: Any) -> None:
        with self.connection.world.reading() as state:
            written = [volume for volume in state.volumes_of(guest.uuid) if volume.kind == "disk"]
        super().revert_resize(guest, op, **more)
        with self.connection.world.changing() as state:
            for volume in written:
                there = state.volumes[volume.key]
                state.put_volume(replace(there, content=volume.content))


class PreparedGuestsStart(FakeDriver):
    """A guest that may run elsewhere can be started here."""

    caught_by = "test_prepared_guest_is_not_started"

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                if found.resizing is not None:
                    state.put(replace(found, resizing=replace(found.resizing, done=True)))
        super().power_on(guest, op)


class ResizeIsConfirmedAtOnce(FakeDriver):
    """A resize leaves no way back."""

    caught_by = "test_resize_and_confirm"

    def resize(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        super().resize(guest, size, op)
        self.confirm_resize(guest, op)
        return self.instance(guest)


class MovedGuestsGoOnWaiting(FakeDriver):
    """A guest that was fetched by another endpoint stays at its source for ever."""

    caught_by = "test_guest_moves_to_another_endpoint"

    def confirm_resize(self, guest: InstanceRef, op: Operation) -> None:
        with self.connection.world.reading() as state:
            waits = any(found.resizing and not found.resizing.done for found in state.claimants(guest.uuid))
        if not waits:
            super().confirm_resize(guest, op)


class GuestsWithUefiStay(FakeDriver):
    """A guest whose firmware keeps variables is not moved."""

    caught_by = "test_guest_with_uefi_moves_to_another_endpoint"

    def prepare_resize(self, guest: InstanceRef, size: Size, op: Operation) -> Ticket:
        with self.connection.world.reading() as state:
            if any(found.firmware is Firmware.UEFI for found in state.claimants(guest.uuid)):
                raise MigrationError("prepare_resize", "the guest has variables of its firmware")
        return super().prepare_resize(guest, size, op)


class GuestsWithATpmStay(FakeDriver):
    """A guest whose TPM keeps something is not moved."""

    caught_by = "test_guest_with_a_tpm_moves_to_another_endpoint"

    def prepare_resize(self, guest: InstanceRef, size: Size, op: Operation) -> Ticket:
        with self.connection.world.reading() as state:
            if any(found.machine.tpm is not None for found in state.claimants(guest.uuid)):
                raise MigrationError("prepare_resize", "the guest has the state of its TPM")
        return super().prepare_resize(guest, size, op)


class OnlyCopiesAreGivenUp(FakeDriver):
    """A guest that was prepared is removed when that is confirmed, wherever it is not."""

    caught_by = "test_only_copy_is_not_given_up"

    def confirm_resize(self, guest: InstanceRef, op: Operation) -> None:
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                if found.resizing is not None:
                    state.put(replace(found, resizing=replace(found.resizing, made=True)))
        super().confirm_resize(guest, op)


class VolumesStayBehind(FakeDriver):
    """A guest that was fetched uses none of its volumes."""

    caught_by = "test_volumes_follow_a_guest"

    def finish_resize(self, ticket: Ticket, op: Operation, **more: Any) -> Instance:
        super().finish_resize(ticket, op, **more)
        with self.connection.world.changing() as state:
            for found in state.claimants(ticket.guest):
                state.put(replace(found, attached=()))
        return self.instance(InstanceRef(uuid=ticket.guest))


class CpusGoWithTheNextStart(FakeDriver):
    """What a guest was given while it ran is gone when it is started."""

    caught_by = "test_running_guest_gets_cpus_for_good"
    before: Mapping[UUID, int] = MappingProxyType({})

    def resize_live(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        with self.connection.world.reading() as state:
            self.before = {**{found.uuid: found.vcpus for found in state.claimants(guest.uuid)}, **self.before}
        return super().resize_live(guest, size, op)

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        super().power_on(guest, op)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(replace(found, vcpus=self.before.get(found.uuid, found.vcpus)))


class CeilingsAreNotLookedAt(FakeDriver):
    """A running guest is given more CPUs than its spec allowed."""

    caught_by = "test_ceiling_of_cpus"

    def resize_live(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(replace(found, machine=replace(found.machine, max_vcpus=size.vcpus)))
        return super().resize_live(guest, size, op)


class GuestsKeepWhatTheyWereGiven(FakeDriver):
    """Memory is never taken away, though it is said to be."""

    caught_by = "test_memory_is_taken_away"

    def resize_live(self, guest: InstanceRef, size: Size, op: Operation) -> Instance:
        with self.connection.world.reading() as state:
            before = {found.native_id: found for found in state.claimants(guest.uuid)}
        changed = super().resize_live(guest, size, op)
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                old = before[found.native_id]
                if found.memory_bytes < old.memory_bytes:
                    state.put(replace(found, memory_bytes=old.memory_bytes, plugged_bytes=old.plugged_bytes))
        return changed
