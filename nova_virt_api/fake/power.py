"""Starting and stopping guests."""

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import InvalidState
from nova_virt_api.fake.connection import Connection
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.places import check_host
from nova_virt_api.fake.state import HOLDS_MEMORY, State
from nova_virt_api.fake.steps import Step
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import PowerOff, PowerState

STOPPED = (PowerState.SHUTDOWN, PowerState.CRASHED)
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
        self._connection.transit(guest, op, Step.POWER_ON, STOPPED, PowerState.RUNNING, self.start)

    def off(self, guest: InstanceRef, op: Operation, mode: PowerOff, grace_seconds: float) -> None:
        """See ``Driver.power_off``."""
        with self._connection.hold(guest.uuid, "power off"):
            with self._connection.world.reading() as state:
                found = self._connection.ready(state, guest)
            if found.power_state is PowerState.SHUTDOWN:
                return
            require(found, STOPPABLE, PowerState.SHUTDOWN)
            self._connection.step(Step.POWER_OFF, op)
            self._ask(found, op, mode, grace_seconds)
            with self._connection.world.changing() as state:
                found = self._connection.ready(state, guest)
                if found.power_state is not PowerState.SHUTDOWN:
                    require(found, STOPPABLE, PowerState.SHUTDOWN)
                    state.put(found.stopped())

    def reboot(self, guest: InstanceRef, op: Operation, mode: PowerOff, grace_seconds: float) -> None:
        """See ``Driver.reboot``. One step, so that a cancelled one leaves the guest as it was."""
        with self._connection.hold(guest.uuid, "reboot"):
            with self._connection.world.reading() as state:
                found = self._connection.ready(state, guest)
            require(found, (*STOPPABLE, PowerState.SHUTDOWN))
            self._connection.step(Step.REBOOT, op)
            self._ask(found, op, mode, grace_seconds)
            with self._connection.world.changing() as state:
                found = self._connection.ready(state, guest)
                require(found, (*STOPPABLE, PowerState.SHUTDOWN))
                self.start(state, found if found.power_state is PowerState.SHUTDOWN else state.put(found.stopped()))

    def start(self, state: State, guest: Guest) -> None:
        """Start a guest that does not run."""
        self.check_room(state, guest)
        self._connection.world.boot(state, guest)

    def check_room(self, state: State, guest: Guest) -> None:
        """Refuse to start a guest for which its host has no room."""
        if guest.power_state not in HOLDS_MEMORY:
            check_host(state, self._connection.world.shape, guest.node, guest.vcpus, guest.memory_bytes)

    def _ask(self, guest: Guest, op: Operation, mode: PowerOff, grace_seconds: float) -> None:
        """Ask a guest to stop; one that does not obey gets its grace time, or what is left of it when it crashes."""
        if mode is PowerOff.GRACEFUL and guest.power_state is PowerState.RUNNING and not guest.obeys:
            self._connection.switches.wait(op, grace_seconds)


def require(guest: Guest, allowed: tuple[PowerState, ...], *also: PowerState) -> None:
    """Refuse a guest in another state.

    Raises:
        InvalidState: names the states in which the verb works.
    """
    if guest.power_state not in allowed:
        raise InvalidState(guest.power_state, [*allowed, *also])
