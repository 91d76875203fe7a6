"""What is known about a guest."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.labels import NO_LABELS
from nova_virt_api.model.nic import Address


class PowerState(enum.Enum):
    """Whether a guest's virtual CPUs run; ``code`` is Nova's number for it."""

    NOSTATE = "nostate"
    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    CRASHED = "crashed"
    SUSPENDED = "suspended"

    @property
    def code(self) -> int:
        """The number that Nova's ``power_state`` module gives it."""
        return NOVA_CODES[self]


NOVA_CODES = {
    PowerState.NOSTATE: 0,
    PowerState.RUNNING: 1,
    PowerState.PAUSED: 3,
    PowerState.SHUTDOWN: 4,
    PowerState.CRASHED: 6,
    PowerState.SUSPENDED: 7,
}


class Lifecycle(enum.Enum):
    """Where a guest stands in the life that this API gives it."""

    BUILDING = "building"
    READY = "ready"
    RESCUED = "rescued"
    RESIZE_PENDING = "resize_pending"
    MIGRATING = "migrating"
    DELETING = "deleting"
    ERROR = "error"


class Condition(enum.Enum):
    """How well the backend gets on with a guest."""

    OK = "ok"
    UNRESPONSIVE = "unresponsive"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Health:
    """A guest's condition with the reason when it is not OK."""

    condition: Condition = Condition.OK
    reason: str = ""


HEALTHY = Health()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A guest as last seen.

    Args:
        uuid: its identity here: ours for guests that we own, the backend's own otherwise.
        name: its name.
        owner: who made it by this API (see ``connect(owner=...)``); None for a guest of other making.
        owned: whether that owner is the one of this connection, so that verbs may change it.
        power_state: whether it runs.
        lifecycle: where it stands; READY for guests of other making unless the backend itself tells otherwise.
        health: whether the backend can talk to it.
        native_id: the backend's id, e.g. a domain's uuid or a managed object's reference.
        native_state: the backend's own word for the state.
        node: name of the node it lives on.
        vcpus: virtual CPUs.
        memory_bytes: memory.
        addresses: None when not known, ``()`` when known to have none.
        agent: whether the guest's agent is connected; None when not known.
        labels: the caller's pairs.
        pending: whether its definition has changes that wait for a restart.
    """

    uuid: UUID
    name: str
    owner: str | None = None
    owned: bool = False
    power_state: PowerState
    lifecycle: Lifecycle = Lifecycle.READY
    health: Health = HEALTHY
    native_id: str
    native_state: str = ""
    node: str | None = None
    vcpus: int
    memory_bytes: int
    addresses: tuple[Address, ...] | None = None
    agent: bool | None = None
    labels: Mapping[str, str] = NO_LABELS
    pending: bool = False

    @property
    def ref(self) -> InstanceRef:
        """What verbs take to name this guest."""
        return InstanceRef(uuid=self.uuid, native_id=self.native_id)


class Scope(enum.Enum):
    """Which guests a listing shows."""

    ALL = "all"
    OWNED = "owned"


class PowerOff(enum.Enum):
    """How a guest is stopped."""

    GRACEFUL = "graceful"
    """Ask the guest; when it has not obeyed within the grace time, take its power away."""

    HARD = "hard"
    """Take its power away."""


class DiskPolicy(enum.Enum):
    """What becomes of a guest's own disks when it is destroyed."""

    DELETE = "delete"
    KEEP = "keep"
