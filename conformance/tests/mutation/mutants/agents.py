"""Drivers that are wrong about the agents inside guests."""

import logging
from dataclasses import replace
from typing import Any

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import GuestAgentUnavailable
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.model.guest_info import GuestInfo
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.image import ImageInfo, ImageTarget
from nova_virt_api.model.instance import Condition, Health
from nova_virt_api.model.quiesce import Quiesce
from nova_virt_api.model.secret import Secret

LOG = logging.getLogger(__name__)


class TellsOldAddresses(FakeDriver):
    """What a guest tells of its interfaces is not what it has."""

    caught_by = "test_guest_tells_of_itself"

    def guest_info(self, guest: InstanceRef) -> GuestInfo:
        return replace(super().guest_info(guest), interfaces=())


class PasswordsAreNeverSet(FakeDriver):
    """A password is taken, and nothing happens."""

    caught_by = "test_password_is_set"

    def set_password(self, guest: InstanceRef, password: Secret, op: Operation, *, user: str | None = None) -> None:
        self.guest_info(guest)


class GuestsPasswordIsLogged(FakeDriver):
    """A password for a guest's user is written to the log."""

    caught_by = "test_password_inside_a_guest_is_not_shown"

    def set_password(self, guest: InstanceRef, password: Secret, op: Operation, *, user: str | None = None) -> None:
        LOG.debug("the new password is %s", password.reveal())
        super().set_password(guest, password, op, user=user)


class EverySecondQuiesceThaws(FakeDriver):
    """A guest that is at rest writes again when it is brought to rest once more."""

    caught_by = "test_quiesced_guest_writes_nothing"

    def quiesce(self, guest: InstanceRef, op: Operation) -> None:
        if self.connection.switches.outside.frozen(guest):
            super().unquiesce(guest, op)
        else:
            super().quiesce(guest, op)


class SnapshotLeavesTheGuestAtRest(FakeDriver):
    """A guest that came to rest for a snapshot never writes again."""

    caught_by = "test_guest_writes_again_after_a_snapshot"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        made = super().snapshot(guest, target, op, **more)
        if more.get("quiesce") is Quiesce.REQUIRED:
            super().quiesce(guest, op)
        return made


class SnapshotThawsEverybody(FakeDriver):
    """After a snapshot every guest writes again, whoever brought it to rest."""

    caught_by = "test_snapshot_leaves_a_quiesced_guest_at_rest"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        made = super().snapshot(guest, target, op, **more)
        if self.connection.switches.outside.frozen(guest):
            super().unquiesce(guest, op)
        return made


class SnapshotIsNeverAtRest(FakeDriver):
    """A snapshot that has to be at rest is made without, where no agent answers."""

    caught_by = "test_snapshot_that_cannot_be_at_rest"

    def snapshot(self, guest: InstanceRef, target: ImageTarget, op: Operation, **more: Any) -> ImageInfo:
        return super().snapshot(guest, target, op, quiesce=Quiesce.IF_POSSIBLE)


class SilentAgentIsAnIllGuest(FakeDriver):
    """A guest whose agent does not answer is shown as one that hangs."""

    caught_by = "test_guest_without_an_agent_is_well"

    def guest_info(self, guest: InstanceRef) -> GuestInfo:
        try:
            return super().guest_info(guest)
        except GuestAgentUnavailable:
            ill = Health(Condition.UNRESPONSIVE, "its agent does not answer")
            with self.connection.world.changing() as state:
                for found in state.claimants(guest.uuid):
                    state.put(replace(found, health=ill))
            raise
