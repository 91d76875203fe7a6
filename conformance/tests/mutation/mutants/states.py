"""Drivers that are wrong about power states, and about what a verb does to them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from nova_virt_api.capability import Capability
from nova_virt_api.driver.operation import Operation, Stage
from nova_virt_api.errors import InvalidState, NotSupported
from nova_virt_api.events import Changed, DriverEvent, Emit, Subscription
from nova_virt_api.fake.driver import FakeDriver
from nova_virt_api.fake.guest import Guest
from nova_virt_api.model.capabilities import Capabilities, unavailable
from nova_virt_api.model.console import ConsoleAddress, ConsoleKind
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Instance, PowerOff, PowerState


class Looking(FakeDriver):
    """Base of those who see guests wrongly."""

    def look(self, instance: Instance) -> Instance:
        return instance

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return [self.look(instance) for instance in super().instances(fresh=fresh)]

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        return self.look(super().instance(guest, fresh=fresh))

    def events(self, emit: Emit) -> Subscription:
        def changed(event: DriverEvent) -> None:
            emit(Changed(self.look(event.instance)) if isinstance(event, Changed) else event)

        return super().events(changed)


class PausedLooksStopped(Looking):
    """A paused guest is reported as stopped."""

    caught_by = "test_state_entered_natively_is_shown"

    def look(self, instance: Instance) -> Instance:
        paused = instance.power_state is PowerState.PAUSED
        return replace(instance, power_state=PowerState.SHUTDOWN) if paused else instance


class CrashedLooksRunning(Looking):
    """A crashed guest is reported as running."""

    caught_by = "test_state_entered_natively_is_shown"

    def look(self, instance: Instance) -> Instance:
        crashed = instance.power_state is PowerState.CRASHED
        return replace(instance, power_state=PowerState.RUNNING) if crashed else instance


class SuspensionIsForgotten(Looking):
    """Only the connection that suspended a guest knows that it is suspended; others see a stopped one."""

    caught_by = "test_suspended_guest_survives_a_reconnect"

    def look(self, instance: Instance) -> Instance:
        mine: set[UUID] = getattr(self, "suspended", set())
        if instance.power_state is PowerState.SUSPENDED and instance.uuid not in mine:
            return replace(instance, power_state=PowerState.SHUTDOWN)
        return instance

    def suspend(self, guest: InstanceRef, op: Operation) -> None:
        super().suspend(guest, op)
        self.suspended = {*getattr(self, "suspended", set()), guest.uuid}


class EventsSayPausedIsStopped(Looking):
    """Reads are right, and watchers are told that a paused guest has stopped."""

    caught_by = "test_state_entered_by_a_verb_is_shown"

    def instances(self, *, fresh: bool = False) -> Sequence[Instance]:
        return FakeDriver.instances(self, fresh=fresh)

    def instance(self, guest: InstanceRef, *, fresh: bool = False) -> Instance:
        return FakeDriver.instance(self, guest, fresh=fresh)

    def look(self, instance: Instance) -> Instance:
        paused = instance.power_state is PowerState.PAUSED
        return replace(instance, power_state=PowerState.SHUTDOWN) if paused else instance


class Altering(FakeDriver):
    """Base of those who do something behind the contract's back."""

    def alter(self, ref: InstanceRef, change: Callable[[Guest], Guest]) -> None:
        with self.connection.world.changing() as state:
            state.put(change(self.connection.owned(state, ref)))

    def state_of(self, ref: InstanceRef) -> PowerState:
        with self.connection.world.reading() as state:
            return self.connection.owned(state, ref).power_state

    def boot(self, ref: InstanceRef) -> None:
        with self.connection.world.changing() as state:
            self.connection.world.boot(state, self.connection.owned(state, ref))


class RebootForgetsToStart(Altering):
    """After a reboot the guest is stopped."""

    caught_by = "test_verb_in_state"

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        super().reboot(guest, op, mode=mode, grace_seconds=grace_seconds)
        self.alter(guest, Guest.stopped)


class RebootStartsTwice(Altering):
    """A reboot starts the guest twice."""

    caught_by = "test_reboot_restarts_once_per_call"

    def reboot(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        super().reboot(guest, op, mode=mode, grace_seconds=grace_seconds)
        self.boot(guest)


class PowerOnRestarts(Altering):
    """Starting a guest that runs restarts it."""

    caught_by = "test_power_on_does_not_restart_a_running_guest"

    def power_on(self, guest: InstanceRef, op: Operation) -> None:
        if self.state_of(guest) is PowerState.RUNNING:
            self.boot(guest)
        super().power_on(guest, op)


class UnpauseRestarts(Altering):
    """Letting a paused guest go on starts it anew."""

    caught_by = "test_pause_keeps_the_memory"

    def unpause(self, guest: InstanceRef, op: Operation) -> None:
        if self.state_of(guest) is PowerState.PAUSED:
            self.boot(guest)
        super().unpause(guest, op)


class ResumeStartsCold(Altering):
    """Resuming a guest throws its memory away and starts it anew."""

    caught_by = "test_suspend_keeps_the_memory"

    def resume(self, guest: InstanceRef, op: Operation) -> None:
        cold = self.state_of(guest) is PowerState.SUSPENDED
        super().resume(guest, op)
        if cold:
            self.boot(guest)


class PauseIsNotIdempotent(Altering):
    """Pausing a paused guest is refused."""

    caught_by = "test_verb_repeated_changes_nothing"

    def pause(self, guest: InstanceRef, op: Operation) -> None:
        if self.state_of(guest) is PowerState.PAUSED:
            raise InvalidState(PowerState.PAUSED, [PowerState.RUNNING])
        super().pause(guest, op)


class UnpauseStarts(Altering):
    """Unpause starts a guest that is off."""

    caught_by = "test_verb_in_state"

    def unpause(self, guest: InstanceRef, op: Operation) -> None:
        if self.state_of(guest) is PowerState.SHUTDOWN:
            self.boot(guest)
        super().unpause(guest, op)


class RefusesAndDoesIt(Altering):
    """Cutting the power of a suspended guest is refused, and done."""

    caught_by = "test_verb_in_state"

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        try:
            super().power_off(guest, op, mode=mode, grace_seconds=grace_seconds)
        except InvalidState:
            self.alter(guest, Guest.stopped)
            raise


class RefusesWithoutSayingWhy(FakeDriver):
    """The error for a wrong state does not say which states are right."""

    caught_by = "test_verb_in_state"

    def resume(self, guest: InstanceRef, op: Operation) -> None:
        try:
            super().resume(guest, op)
        except InvalidState as error:
            raise InvalidState(error.current, []) from error


class ReportsOffTooEarly(Altering):
    """Cutting the power returns at once and is done a little later."""

    caught_by = "test_verb_in_state"

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        if mode is not PowerOff.HARD or self.state_of(guest) is not PowerState.RUNNING:
            super().power_off(guest, op, mode=mode, grace_seconds=grace_seconds)
            return
        op.stage(Stage.STOP)
        later = threading.Timer(0.3, self.cut, (guest,))
        later.daemon = True
        later.start()

    def cut(self, guest: InstanceRef) -> None:
        with self.connection.world.changing() as state:
            for found in state.claimants(guest.uuid):
                state.put(found.stopped())


class GivesNoGrace(FakeDriver):
    """A guest that is asked to stop has its power cut at once."""

    caught_by = "test_power_is_cut_after_the_grace_time"

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        super().power_off(guest, op, mode=PowerOff.HARD, grace_seconds=0)


class WaitsForThePaused(Altering):
    """A paused guest that cannot hear is given the whole grace time."""

    caught_by = "test_guest_that_cannot_obey_gets_no_grace_time"

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        if mode is PowerOff.GRACEFUL and self.state_of(guest) is PowerState.PAUSED:
            end = time.monotonic() + grace_seconds
            op.wait_until(lambda: time.monotonic() > end)
        super().power_off(guest, op, mode=mode, grace_seconds=grace_seconds)


class SleepsPastTheDeadline(Altering):
    """Waiting for a guest to obey goes on although the deadline has passed or the operation was cancelled."""

    caught_by = "test_waiting_for_a_guest_ends_at_the_deadline"

    def power_off(self, guest: InstanceRef, op: Operation, *, mode: PowerOff, grace_seconds: float) -> None:
        if mode is PowerOff.GRACEFUL and self.state_of(guest) is PowerState.RUNNING:
            time.sleep(grace_seconds)
        super().power_off(guest, op, mode=PowerOff.HARD, grace_seconds=grace_seconds)


class RelabelLosesTheName(Altering):
    """Changing a guest's labels changes its name too."""

    caught_by = "test_verb_in_state"

    def update(self, guest: InstanceRef, update: Any, op: Operation) -> Instance:
        super().update(guest, update, op)
        if update.labels is not None:
            self.alter(guest, lambda found: replace(found, name=f"{found.name[:40]}-{len(update.labels)}"))
        return self.instance(guest)


class ConsoleIsDeclaredOnly(FakeDriver):
    """Consoles are declared, and asking for one says that there are none."""

    caught_by = "test_verb_in_state"

    def console(self, guest: InstanceRef, kind: ConsoleKind) -> ConsoleAddress:
        raise NotSupported(Capability.CONSOLE, reason="not written yet")


class NobodyKnowsWhy(FakeDriver):
    """Pause is there, and is declared unavailable without a reason."""

    caught_by = "test_verbs_of_what_is_unavailable_are_refused"

    def capabilities(self, node: str | None = None) -> Capabilities:
        found = super().capabilities(node)
        return replace(found, answers={**found.answers, Capability.PAUSE: unavailable("")})
