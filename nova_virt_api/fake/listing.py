"""How one connection sees a world's guests. What did not change is the same object as before."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from nova_virt_api.capability import Capability, Feature
from nova_virt_api.errors import Ambiguous, InstanceNotFound
from nova_virt_api.events import Changed, DriverEvent, Gone
from nova_virt_api.fake.guest import Guest
from nova_virt_api.fake.state import HOLDS_MEMORY, State
from nova_virt_api.fake.world import World
from nova_virt_api.model.identity import InstanceRef
from nova_virt_api.model.instance import Condition, Health, Instance, PowerState
from nova_virt_api.model.nic import Address

CLAIMED_TWICE = Health(Condition.DEGRADED, "another guest claims the same uuid")


class Listing:
    """Guests as :class:`Instance`, from the point of view of one owner.

    Args:
        world: the world looked at.
        owner: whose guests are ``owned``.
    """

    def __init__(self, world: World, owner: str) -> None:
        self._world = world
        self._owner = owner
        self._views: dict[str, tuple[object, Instance]] = {}
        self._all: tuple[int, tuple[Instance, ...]] = (-1, ())
        self._hidden: frozenset[Capability | Feature] = frozenset()

    def instances(self) -> Sequence[Instance]:
        """All guests, oldest first."""
        revision, instances = self._all
        if self._world.revision == revision:
            return instances
        with self._world.reading() as state:
            instances = tuple(self.view(state, guest) for guest in state.guests.values())
            self._views = {native_id: self._views[native_id] for native_id in state.guests}
            self._all = (state.revision, instances)
        return instances

    def instance(self, ref: InstanceRef) -> Instance:
        """One guest.

        Raises:
            InstanceNotFound: there is none.
            Ambiguous: more than one guest claims the uuid, and the native id does not tell which is meant.
        """
        with self._world.reading() as state:
            return self.view(state, find(ref, state.claimants(ref.uuid)))

    def events(self, state: State, uuid: UUID, guest: Guest | None) -> Sequence[DriverEvent]:
        """What to tell a watcher about a guest's change; where another one claims its uuid, that one changed too."""
        if guest is not None:
            return [Changed(self.view(state, guest))]
        return [Changed(self.view(state, other)) for other in state.claimants(uuid)] or [Gone(uuid)]

    def hide(self, withdrawn: Iterable[Capability | Feature]) -> None:
        """Do not tell what belongs to these features; those that were hidden before and are not now, are told again."""
        hidden = frozenset(withdrawn) & {Feature.GUEST_ADDRESSES, Feature.GUEST_AGENT}
        with self._world.reading():
            self._hidden, self._views, self._all = hidden, {}, (-1, ())

    def view(self, state: State, guest: Guest) -> Instance:
        """A guest as this connection sees it; the world's lock is held."""
        twice = len(state.claimants(guest.uuid)) > 1
        known = self._views.get(guest.native_id)
        if known is not None and known[0] is guest and twice == (known[1].health is CLAIMED_TWICE):
            return known[1]
        instance = Instance(
            uuid=guest.uuid,
            name=guest.name,
            owner=guest.owner,
            owned=guest.owner == self._owner,
            power_state=guest.power_state,
            lifecycle=guest.lifecycle,
            health=CLAIMED_TWICE if twice else guest.health,
            native_id=guest.native_id,
            native_state=guest.power_state.value,
            node=guest.node,
            vcpus=guest.vcpus,
            memory_bytes=guest.memory_bytes,
            addresses=self._addresses(state, guest),
            agent=self._agent(guest),
            labels=guest.labels,
        )
        self._views[guest.native_id] = (guest, instance)
        return instance

    def _addresses(self, state: State, guest: Guest) -> tuple[Address, ...] | None:
        if Feature.GUEST_ADDRESSES in self._hidden:
            return None
        if guest.power_state not in HOLDS_MEMORY or guest.ready_at is not None:
            return ()
        ports = (state.ports[name] for name in guest.ports if name in state.ports)
        return tuple(
            Address(ip=port.ip, mac=port.mac, network=port.network if port.binding is None else None) for port in ports
        )

    def _agent(self, guest: Guest) -> bool | None:
        if Feature.GUEST_AGENT in self._hidden:
            return None
        return guest.has_agent and guest.power_state is PowerState.RUNNING and guest.ready_at is None


def find(ref: InstanceRef, claimants: Sequence[Guest]) -> Guest:
    """The one guest that is meant.

    Raises:
        InstanceNotFound: there is none.
        Ambiguous: there are several.
    """
    if not claimants:
        raise InstanceNotFound(f"no guest {ref} here", hint="list the guests to see their uuids")
    if len(claimants) > 1:
        exact = [guest for guest in claimants if guest.native_id == ref.native_id]
        if len(exact) != 1:
            raise ambiguous(ref.uuid, claimants)
        return exact[0]
    return claimants[0]


def ambiguous(uuid: UUID, claimants: Sequence[Guest]) -> Ambiguous:
    """The error for a uuid that several guests claim."""
    names = [f"{guest.name} ({guest.native_id})" for guest in claimants]
    return Ambiguous(f"several guests claim {uuid}", names, hint="remove or rename all but one of them natively")
