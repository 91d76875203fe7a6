"""Starting and stopping guests."""

from contextlib import closing

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InvalidState
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.places import check_host
from nova_virt_api.fake.state import HOLDS_MEMORY, State
from nova_virt_api.fake.steps import Step
from nova_virt_api.fake.world import World
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Lifecycle, PowerOff, PowerState

STOPPED = (PowerState.SHUTDOWN, PowerState.CRASHED)
SWITCHABLE = (Lifecycle.RESCUED, Lifecycle.RESIZE_PENDING)
"""The power of a rescued guest is the rescue system's; one that was resized is to be tried."""

STOPPABLE = (PowerState.RUNNING, PowerState.PAUSED, PowerState.CRASHED)


class Power:
    """The power verbs of the fake driver.

    Args:
        connection: what they work on.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on(self, guest: InstanceRef, op: Operation) -> None:
        """See ``Driver.power_on``."""
        self._connection.transit(guest, op, Step.POWER_ON, STOPPED, PowerState.RUNNING, self._start, SWITCHABLE)

    def off(self, guest: InstanceRef, op: Operation, mode: PowerOff, grace_seconds: float) -> None:
        """See ``Driver.power_off``."""
        with self._connection.hold(guest.uuid, "power off"):
            with self._connection.world.reading() as state:
                found = self._connection.ready(state, guest, *SWITCHABLE)
            if found.power_state is PowerState.SHUTDOWN:
                return
            require(found, STOPPABLE, PowerState.SHUTDOWN)
            self._connection.step(Step.POWER_OFF, op)
            self._ask(found, op, mode, grace_seconds)
            with self._connection.world.changing() as state:
                found = self._connection.ready(state, guest, *SWITCHABLE)
                if found.power_state is not PowerState.SHUTDOWN:
                    require(found, STOPPABLE, PowerState.SHUTDOWN)
                    state.put(found.stopped())

    def reboot(self, guest: InstanceRef, op: Operation, mode: PowerOff, grace_seconds: float) -> None:
        """See ``Driver.reboot``. One step, so that a cancelled one leaves the guest as it was."""
        with self._connection.hold(guest.uuid, "reboot"):
            with self._connection.world.reading() as state:
                found = self._connection.ready(state, guest, *SWITCHABLE)
            require(found, (*STOPPABLE, PowerState.SHUTDOWN))
            self._connection.step(Step.REBOOT, op)
            self._ask(found, op, mode, grace_seconds)
            with self._connection.world.changing() as state:
                found = self._connection.ready(state, guest, *SWITCHABLE)
                require(found, (*STOPPABLE, PowerState.SHUTDOWN))
                self._start(state, found)

    def _start(self, state: State, guest: Guest) -> None:
        refuse_half_resized(guest)
        restart(self._connection.world, state, guest)

    def _ask(self, guest: Guest, op: Operation, mode: PowerOff, grace_seconds: float) -> None:
        """Ask a guest to stop; one that does not obey gets its grace time, or less if something else stops it."""
        if mode is not PowerOff.GRACEFUL or guest.power_state is not PowerState.RUNNING or guest.obeys:
            return
        world, switches = self._connection.world, self._connection.switches

        def stopped() -> bool:
            with world.reading() as state:
                found = state.guests.get(guest.native_id)
            return found is None or found.power_state is not PowerState.RUNNING

        with closing(world.watch(lambda _: switches.wake(), self._connection.listing.events)):
            switches.wait(op, grace_seconds, stopped)


def refuse_half_resized(guest: Guest) -> None:
    """Refuse to start a guest that may run elsewhere, or that is half resized.

    Raises:
        InvalidState: it must be finished, confirmed or reverted first.
    """
    if guest.resizing is not None and not guest.resizing.done:
        hint = "it is being resized or moved: finish, confirm or revert that first"
        raise InvalidState(Lifecycle.RESIZE_PENDING, (Lifecycle.READY,), hint=hint)


def restart(world: World, state: State, guest: Guest) -> Guest:
    """Start a guest, after stopping it if it runs.

    Raises:
        NoCapacity: it did not run, and its host has no room for it.
    """
    if guest.power_state in HOLDS_MEMORY:
        guest = state.put(guest.stopped())
    else:
        check_host(state, world.shape, guest.node, guest.vcpus, guest.memory_bytes)
    return world.boot(state, guest)


def require(guest: Guest, allowed: tuple[PowerState, ...], *also: PowerState) -> None:
    """Refuse a guest in another state.

    Raises:
        InvalidState: names the states in which the verb works.
    """
    if guest.power_state not in allowed:
        raise InvalidState(guest.power_state, [*allowed, *also])
