"""One connection to a fake world: whose it is, which faults it has, and how verbs look at guests and change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from nova_virt_api.driver.endpoint import Manage
from nova_virt_api.driver.operation import Stage
from nova_virt_api.errors import (
    AuthenticationFailed,
    Busy,
    InvalidState,
    NotSupported,
    PermissionDenied,
    Unavailable,
)
from nova_virt_api.fake import worlds
from nova_virt_api.fake.holder import lives_elsewhere, new_holder
from nova_virt_api.fake.listing import Listing, ambiguous, find
from nova_virt_api.fake.outside import Outside
from nova_virt_api.fake.shape import Shape
from nova_virt_api.fake.steps import HOOKED, STAGES, Step
from nova_virt_api.fake.switches import Switches
from nova_virt_api.fake.world import Hold, World
from nova_virt_api.model.instance import Lifecycle, PowerState

if TYPE_CHECKING:
    from nova_virt_api.capability import Capability, Feature
    from nova_virt_api.driver.endpoint import Endpoint
    from nova_virt_api.driver.operation import Operation
    from nova_virt_api.events import Emit
    from nova_virt_api.fake.channel import Channel
    from nova_virt_api.fake.guest import Guest
    from nova_virt_api.fake.state import State
    from nova_virt_api.model.identity import InstanceRef
    from nova_virt_api.model.record import Record

HINTS: Final = {
    Lifecycle.BUILDING: "spawn it again to finish it, or destroy it",
    Lifecycle.DELETING: "destroy it again to finish that",
    Lifecycle.RESCUED: "unrescue it first",
    Lifecycle.RESIZE_PENDING: "confirm or revert its resize first",
    Lifecycle.MIGRATING: "wait until it has moved; if nobody moves it any more, repeat the move or roll it back",
    Lifecycle.ERROR: "rebuild it, or destroy it",
}
"""What to do about a guest that is somewhere else in its life than a verb needs."""


class Connection:
    """What the fake driver's parts share.

    Args:
        endpoint: the endpoint as configured.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint: Final = endpoint
        self.owner: Final = None if endpoint.manage is Manage.ALL else endpoint.owner
        """Whom guests made by this connection are marked with; None: they get no mark."""

        self.holder: Final = new_holder()
        self.switches: Final = Switches(Outside(lambda: self.world), self._cut, self._restore, self._hide)
        self._opened: tuple[World, Listing] | None = None
        self._channels: list[Channel] = []

    # --- open and closed ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Enter the world, unless the options say that it cannot be entered."""
        options = self.endpoint.options
        if options.refuse == "connection":
            raise Unavailable("the fake hypervisor does not answer", hint="leave out the option 'refuse'")
        if options.refuse == "password":
            raise AuthenticationFailed("the password is not accepted", hint="leave out the option 'refuse'")
        path = self.endpoint.state_dir / "fake" / f"{options.world or 'default'}.json" if options.persist else None
        world = worlds.enter(options.world, Shape.of(options), path)
        self._opened = world, Listing(world, self.endpoint.owner)

    def close(self) -> None:
        """Leave the world."""
        if self._opened is None:
            return
        self.switches.reset()
        for channel in self._channels:
            channel.close()
        world, self._opened, self._channels = self._opened[0], None, []
        worlds.leave(world)

    @property
    def world(self) -> World:
        """The world.

        Raises:
            Unavailable: the connection is not open.
        """
        return self._open()[0]

    @property
    def listing(self) -> Listing:
        """How this connection sees the guests.

        Raises:
            Unavailable: the connection is not open.
        """
        return self._open()[1]

    def _open(self) -> tuple[World, Listing]:
        if self._opened is None:
            raise Unavailable("the fake driver is not connected", hint="connect again")
        return self._opened

    # --- events ---------------------------------------------------------------------------------------------------

    def subscribe(self, emit: Emit) -> Channel:
        """Hand every change to a watcher from now on."""
        channel = self.world.watch(emit, self.listing.events)
        self._channels = [other for other in self._channels if not other.closed] + [channel]
        return channel

    def _hide(self, withdrawn: Iterable[Capability | Feature]) -> None:
        if self._opened is not None:
            self._opened[1].hide(withdrawn)

    def _cut(self) -> None:
        for channel in self._channels:
            channel.cut()

    def _restore(self) -> None:
        for channel in self._channels:
            channel.restore("the connection was lost for a while")

    # --- faults ---------------------------------------------------------------------------------------------------

    def step(self, step: Step, op: Operation) -> None:
        """Announce a step that can be cancelled until it is done, and let a fault strike."""
        op.stage(STAGES[step])
        self.switches.reach(step, op)

    def require(self, what: Capability | Feature) -> None:
        """Refuse what was switched off."""
        if what in self.switches.withdrawn:
            raise NotSupported(what, reason=self.switches.withdrawn[what])

    # --- guests ---------------------------------------------------------------------------------------------------

    @contextmanager
    def hold(self, uuid: UUID, verb: str) -> Iterator[None]:
        """Be the only one who changes a guest.

        Raises:
            Busy: another connection or another process is at it.
        """
        with self.world.hold(uuid, Hold(self.holder, verb)):
            with self.world.reading() as state:
                self.check_holder(state, uuid)
            yield

    def check_holder(self, state: State, uuid: UUID) -> None:
        """Refuse a guest that another process is making or removing.

        Raises:
            Busy: one is at it.
        """
        record = state.records.get(uuid)
        if record is not None and record.holder is not None and lives_elsewhere(record.holder):
            raise Busy(f"another process is at it: {record.phase.value}", record.holder)

    def at_work(self, record: Record) -> bool:
        """Whether somebody who is alive works on what this record is about."""
        held = self.world.held(record.uuid)
        return held is not None or (record.holder is not None and lives_elsewhere(record.holder))

    def may_change(self, owner: str | None) -> bool:
        """Whether this connection may change a guest of that owner."""
        return self.endpoint.manage is Manage.ALL or (owner is not None and owner == self.endpoint.owner)

    def check_owner(self, owner: str | None) -> None:
        """Refuse a guest that this connection may not change."""
        if not self.may_change(owner):
            whose = f"belongs to {owner!r}" if owner else "was not made by this API"
            raise PermissionDenied(f"the guest {whose}", hint='connect with manage="all" to change such guests')

    def owned(self, state: State, ref: InstanceRef) -> Guest:
        """The guest that is meant, which this connection may change.

        Raises:
            InstanceNotFound: there is none.
            Ambiguous: several guests claim the uuid.
            PermissionDenied: it is somebody else's.
        """
        claimants = state.claimants(ref.uuid)
        if len(claimants) > 1:
            raise ambiguous(ref.uuid, claimants)
        guest = find(ref, claimants)
        self.check_owner(guest.owner)
        return guest

    def ready(self, state: State, ref: InstanceRef, *also: Lifecycle) -> Guest:
        """Like :meth:`owned`, and READY, or where else in its life it may be.

        Raises:
            InvalidState: it is neither.
        """
        guest = self.owned(state, ref)
        allowed = (Lifecycle.READY, *also)
        if guest.lifecycle not in allowed:
            raise InvalidState(guest.lifecycle, allowed, hint=HINTS.get(guest.lifecycle, ""))
        return guest

    def transit(
        self,
        ref: InstanceRef,
        op: Operation,
        step: Step,
        allowed: tuple[PowerState, ...],
        to: PowerState,
        apply: Callable[[State, Guest], object] | None = None,
        also: tuple[Lifecycle, ...] = (),
    ) -> None:
        """Bring a guest from one power state into another in one step; a guest that is there already stays as it is.

        Args:
            ref: the guest.
            op: the operation worked for.
            step: the step that it takes.
            allowed: states that it may come from.
            to: the state wanted.
            apply: makes the change; None changes nothing but the power state.
            also: where in its life it may be beside READY.
        """
        with self.hold(ref.uuid, step.value):
            with self.world.reading() as state:
                if self._arrived(self.ready(state, ref, *also), allowed, to):
                    return
            if step in HOOKED:
                op.stage(Stage.BEFORE_START)
            self.step(step, op)
            with self.world.changing() as state:
                guest = self.ready(state, ref, *also)
                if self._arrived(guest, allowed, to):
                    return
                if apply is None:
                    state.put(replace(guest, power_state=to))
                else:
                    apply(state, guest)

    def _arrived(self, guest: Guest, allowed: tuple[PowerState, ...], to: PowerState) -> bool:
        current = guest.power_state
        if current is not to and current not in allowed:
            raise InvalidState(current, [*allowed, to])
        return current is to
